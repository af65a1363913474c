"""Stable Diffusion and its kin: one UNet2DConditionModel or UNet2DModel, images out."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import (
    CMStochasticIterativeScheduler,
    ConsistencyModelPipeline,
    DDIMPipeline,
    DDIMScheduler,
    DDPMPipeline,
    DDPMScheduler,
    EulerDiscreteScheduler,
    LatentConsistencyModelPipeline,
    LCMScheduler,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionInstructPix2PixPipeline,
    StableDiffusionLatentUpscalePipeline,
    StableDiffusionUpscalePipeline,
    UNet2DModel,
)

from specimens import toys

from .common import DOUBLE, LATE, STRENGTH, Row, image, right_half, stable_diffusion


def v_prediction() -> Any:
    return stable_diffusion(scheduler=DDIMScheduler(**{**toys.SCHEDULER, "prediction_type": "v_prediction"}))


def latent_consistency() -> Any:
    return stable_diffusion(
        LatentConsistencyModelPipeline,
        unet={"time_cond_proj_dim": 8},
        scheduler=LCMScheduler(**{name: value for name, value in toys.SCHEDULER.items() if name != "steps_offset"}),
    )


def upscale() -> Any:
    return StableDiffusionUpscalePipeline(
        vae=toys.vae(),
        text_encoder=toys.stable_diffusion().text_encoder,
        tokenizer=None,
        unet=toys.unet(in_channels=7, num_class_embeds=1000),
        low_res_scheduler=DDPMScheduler(),
        scheduler=DDIMScheduler(**{**toys.SCHEDULER, "prediction_type": "v_prediction"}),
        max_noise_level=350,
    )


def latent_upscale() -> Any:
    """Of the kinds of blocks of the x2 upscaler, without a middle block; its network is told the noise level."""
    network = toys.unet(
        in_channels=8,
        out_channels=5,
        block_out_channels=(32, 32, 64, 64),  # by groups of 32
        layers_per_block=2,  # of which one takes the skip features
        norm_num_groups=None,
        down_block_types=("KDownBlock2D",) + ("KCrossAttnDownBlock2D",) * 3,
        mid_block_type=None,
        up_block_types=("KCrossAttnUpBlock2D",) * 3 + ("KUpBlock2D",),
        attention_head_dim=8,
        act_fn="gelu",
        conv_in_kernel=1,
        conv_out_kernel=1,
        resnet_time_scale_shift="scale_shift",
        time_embedding_type="fourier",
        timestep_post_act="gelu",
        time_cond_proj_dim=128 + toys.TEXT[-1],  # noise of the small image, and the pooled prompt
    )
    parts = toys.stable_diffusion().components
    return StableDiffusionLatentUpscalePipeline(
        **{name: parts[name] for name in ("vae", "text_encoder", "tokenizer")},
        unet=network,
        scheduler=EulerDiscreteScheduler(),
    )


def with_pooled(n: int) -> dict[str, Any]:
    """A prompt, and all of it in one vector, in the precision in which the network is told all else."""
    prompt = {name: text.to(DOUBLE) for name, text in toys.prompt(n).items()}
    return {**prompt, **{name.replace("prompt", "pooled_prompt"): text.mean(1) for name, text in prompt.items()}}


def unconditional(cls: type, scheduler: Any) -> Any:
    torch.manual_seed(0)
    network = UNet2DModel(
        sample_size=16,
        block_out_channels=(8, 8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
        norm_num_groups=4,
        attention_head_dim=4,
    ).eval()
    return cls(unet=network, scheduler=scheduler)


def as_one_generator(n: int) -> dict[str, Any]:
    """Pipelines without prompts take a number of images, and some one generator only."""
    return {"batch_size": n, "generator": torch.Generator().manual_seed(3)}


ROWS = [
    Row("stable-diffusion", stable_diffusion, toys.prompt),
    Row("stable-diffusion-v-prediction", v_prediction, toys.prompt),
    Row(
        "image-to-image",
        lambda: stable_diffusion(StableDiffusionImg2ImgPipeline),
        lambda n: {**toys.prompt(n), "image": image(n)},
        first=LATE,
        call={"strength": STRENGTH},
    ),
    Row(
        "inpaint",
        lambda: stable_diffusion(StableDiffusionInpaintPipeline),
        lambda n: {**toys.prompt(n), "image": image(n), "mask_image": right_half(n)},
        call={"strength": 1.0, "height": 32, "width": 32},
    ),
    Row(
        "inpaint-9-channels",
        lambda: stable_diffusion(StableDiffusionInpaintPipeline, unet={"in_channels": 9}),
        lambda n: {**toys.prompt(n), "image": image(n), "mask_image": right_half(n)},
        call={"strength": 1.0, "height": 32, "width": 32},
    ),
    Row(
        "instruct-pix2pix",
        lambda: stable_diffusion(StableDiffusionInstructPix2PixPipeline, unet={"in_channels": 8}),
        lambda n: {**toys.prompt(n), "image": image(n)},
    ),
    Row(
        "latent-consistency",
        latent_consistency,
        lambda n: {"prompt_embeds": toys.prompt(n)["prompt_embeds"]},
        call={"original_inference_steps": 50},
    ),
    Row("upscale-x4", upscale, lambda n: {**toys.prompt(n), "image": image(n, 16)}),
    Row(
        "upscale-x2",
        latent_upscale,
        lambda n: {**with_pooled(n), "image": image(n, 16, 4)},
    ),
    Row("unconditional-ddpm", lambda: unconditional(DDPMPipeline, DDPMScheduler()), as_one_generator),
    Row(
        "unconditional-consistency",
        lambda: unconditional(ConsistencyModelPipeline, CMStochasticIterativeScheduler()),
        as_one_generator,
        call={"output_type": "pt"},
    ),
    Row("unconditional-ddim", lambda: unconditional(DDIMPipeline, DDIMScheduler()), as_one_generator),
]

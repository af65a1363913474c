"""One row a pipeline: how to build it small, with the real classes and fixed random weights, and how to call it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers import (
    AnimateDiffPipeline,
    AutoencoderKLTemporalDecoder,
    DDIMPipeline,
    DDIMScheduler,
    DDPMPipeline,
    DDPMScheduler,
    EulerDiscreteScheduler,
    LatentConsistencyModelPipeline,
    LCMScheduler,
    MotionAdapter,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionInstructPix2PixPipeline,
    StableDiffusionPipeline,
    StableDiffusionUpscalePipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLInpaintPipeline,
    StableDiffusionXLPipeline,
    StableVideoDiffusionPipeline,
    TextToVideoSDPipeline,
    UNet2DModel,
    UNet3DConditionModel,
    UNetSpatioTemporalConditionModel,
)
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

from tests import toys

STEPS = 10
FRAMES = 3  # of a video
POOLED = 8  # width of SDXL's pooled prompt


@dataclass(frozen=True)
class Row:
    """A pipeline of the table."""

    name: str
    build: Callable[[], Any]
    inputs: Callable[[int], dict[str, Any]]  # number of images -> arguments of the call
    first: int = 0  # the orders that a call runs through: first <= order < last
    last: int = STEPS
    call: dict[str, Any] = field(default_factory=dict)

    def pipe(self) -> Any:
        pipe = self.build()
        pipe.set_progress_bar_config(disable=True)
        return pipe

    def sample(self, pipe: Any, n: int = 1, **call: Any) -> torch.Tensor:
        """The images or latents of ``n`` images as one tensor."""
        defaults = {
            "num_inference_steps": STEPS,
            "output_type": "latent",
            "generator": [torch.Generator().manual_seed(3 + i) for i in range(n)],
        }
        return torch.as_tensor(pipe(**{**defaults, **self.inputs(n), **self.call, **call}, return_dict=False)[0])


def image(n: int, size: int = 32, channels: int = 3) -> torch.Tensor:
    return torch.rand((n, channels, size, size), generator=torch.Generator().manual_seed(11))


def right_half(n: int) -> torch.Tensor:
    mask = torch.zeros(n, 1, 32, 32)
    mask[..., 16:] = 1
    return mask


def pooled(n: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(12)
    return {
        **toys.prompt(n),
        "pooled_prompt_embeds": torch.randn((n, POOLED), generator=generator),
        "negative_pooled_prompt_embeds": torch.randn((n, POOLED), generator=generator),
    }


def stable_diffusion(cls: type = StableDiffusionPipeline, *, unet: dict[str, Any] | None = None, **more: Any) -> Any:
    """A pipeline of the Stable Diffusion kind around the toy components."""
    base = toys.stable_diffusion(toys.unet(**(unet or {})))
    return cls(**{**base.components, **more}, requires_safety_checker=False)


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


def xl(cls: type = StableDiffusionXLPipeline, **unet: Any) -> Any:
    """SDXL: pooled text and image sizes beside the prompt."""
    added = {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 6 * 8 + POOLED,
    }
    return cls(
        vae=toys.vae(),
        text_encoder=None,
        text_encoder_2=None,
        tokenizer=None,
        tokenizer_2=None,
        unet=toys.unet(**added, **unet),
        scheduler=EulerDiscreteScheduler.from_config(DDIMScheduler(**toys.SCHEDULER).config),
    )


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


def text_to_video() -> Any:
    torch.manual_seed(0)
    network = UNet3DConditionModel(
        sample_size=16,
        block_out_channels=(8, 8, 16),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock3D", "CrossAttnDownBlock3D", "DownBlock3D"),
        up_block_types=("UpBlock3D", "CrossAttnUpBlock3D", "CrossAttnUpBlock3D"),
        norm_num_groups=4,
        cross_attention_dim=toys.TEXT[-1],
        attention_head_dim=4,
    ).eval()
    base = toys.stable_diffusion()
    return TextToVideoSDPipeline(
        vae=base.vae, text_encoder=base.text_encoder, tokenizer=None, unet=network, scheduler=base.scheduler
    )


def animate_diff() -> Any:
    base = toys.stable_diffusion()
    torch.manual_seed(4)
    motion = MotionAdapter(
        block_out_channels=(8, 8, 16, 16),
        motion_layers_per_block=1,
        motion_norm_num_groups=4,
        motion_num_attention_heads=2,
        motion_max_seq_length=8,
    )
    components = {name: base.components[name] for name in ("vae", "text_encoder", "tokenizer", "unet", "scheduler")}
    return AnimateDiffPipeline(**components, motion_adapter=motion.eval())


def stable_video_diffusion() -> Any:
    torch.manual_seed(0)
    network = UNetSpatioTemporalConditionModel(
        sample_size=16,
        block_out_channels=(32, 32),  # its norms have 32 groups
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
        up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
        num_attention_heads=2,
        cross_attention_dim=toys.TEXT[-1],
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=3 * 8,
    ).eval()
    vision = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=32,
        patch_size=16,
        projection_dim=toys.TEXT[-1],
    )
    return StableVideoDiffusionPipeline(
        vae=AutoencoderKLTemporalDecoder(
            block_out_channels=(32, 32),
            down_block_types=("DownEncoderBlock2D",) * 2,
            latent_channels=4,
        ).eval(),
        image_encoder=CLIPVisionModelWithProjection(vision).eval(),
        unet=network,
        scheduler=EulerDiscreteScheduler.from_config(DDIMScheduler(**toys.SCHEDULER).config),
        feature_extractor=CLIPImageProcessor(crop_size=32, size=32),
    )


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
        first=2,
        call={"strength": 0.8},
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
    Row("xl", xl, pooled),
    Row("xl-base-of-two", xl, pooled, last=7, call={"denoising_end": 0.7}),
    Row(
        "xl-refiner-of-two",
        lambda: xl(StableDiffusionXLImg2ImgPipeline),
        lambda n: {**pooled(n), "image": image(n, 16, 4)},
        first=7,
        call={"denoising_start": 0.7},
    ),
    Row(
        "xl-image-to-image",
        lambda: xl(StableDiffusionXLImg2ImgPipeline),
        lambda n: {**pooled(n), "image": image(n)},
        first=2,
        call={"strength": 0.8},
    ),
    Row(
        "xl-inpaint",
        lambda: xl(StableDiffusionXLInpaintPipeline, in_channels=9),
        lambda n: {**pooled(n), "image": image(n), "mask_image": right_half(n)},
        call={"strength": 1.0, "height": 32, "width": 32},
    ),
    Row("unconditional-ddpm", lambda: unconditional(DDPMPipeline, DDPMScheduler()), as_one_generator),
    Row("unconditional-ddim", lambda: unconditional(DDIMPipeline, DDIMScheduler()), as_one_generator),
    Row(
        "text-to-video",
        text_to_video,
        toys.prompt,
        call={"num_frames": FRAMES, "height": 32, "width": 32},
    ),
    Row("animate-diff", animate_diff, toys.prompt, call={"num_frames": FRAMES, "height": 32, "width": 32}),
    Row(
        "stable-video-diffusion",
        stable_video_diffusion,
        lambda n: {"image": image(n)},
        call={"num_frames": FRAMES, "height": 32, "width": 32, "decode_chunk_size": FRAMES},
    ),
]

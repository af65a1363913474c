"""Relatives of Stable Diffusion with a condition of their own: depth, a small image, an example image, perturbed
attention, a layout, an edit; and few steps by a consistency model."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import (
    CMStochasticIterativeScheduler,
    ConsistencyModelPipeline,
    DDIMScheduler,
    LDMSuperResolutionPipeline,
    LDMTextToImagePipeline,
    SemanticStableDiffusionPipeline,
    StableDiffusionDepth2ImgPipeline,
    StableDiffusionGLIGENPipeline,
    StableDiffusionPAGPipeline,
    StableDiffusionXLPAGPipeline,
    UNet2DModel,
    VQModel,
)
from diffusers.pipelines.latent_diffusion.pipeline_latent_diffusion import LDMBertConfig, LDMBertModel

from specimens import toys

from .common import LATE, STEPS, STRENGTH, Row, image, stable_diffusion, tokenizer
from .images import as_one_generator
from .xl import pooled, xl

PERTURBED = ["mid", "up_blocks.1"]  # layers of perturbed-attention guidance
IMAGE = 8  # width of an example image's embedding


def depth_to_image() -> Any:
    parts = toys.stable_diffusion(toys.unet(in_channels=5)).components
    names = ("vae", "text_encoder", "tokenizer", "unet", "scheduler")
    return StableDiffusionDepth2ImgPipeline(
        **{name: parts[name] for name in names}, depth_estimator=None, feature_extractor=None
    )


def latent_super_resolution() -> Any:
    torch.manual_seed(4)  # with it no latent lies between two entries of the codebook, so near that rounding decides
    network = UNet2DModel(
        sample_size=16,
        in_channels=6,
        out_channels=3,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        norm_num_groups=4,
        attention_head_dim=4,
    ).eval()
    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
    vqvae = VQModel(block_out_channels=(4, 4), latent_channels=3, norm_num_groups=4, **blocks).eval()
    return LDMSuperResolutionPipeline(vqvae=vqvae, unet=network, scheduler=DDIMScheduler(**toys.SCHEDULER))


def latent_text_to_image() -> Any:
    torch.manual_seed(3)
    text = LDMBertModel(
        LDMBertConfig(
            vocab_size=64,
            d_model=toys.TEXT[-1],
            encoder_layers=1,
            encoder_attention_heads=2,
            head_dim=8,
            encoder_ffn_dim=16,
        )
    )
    return LDMTextToImagePipeline(
        vqvae=toys.vae(),
        bert=text.eval(),
        tokenizer=tokenizer(),
        unet=toys.unet(),
        scheduler=DDIMScheduler(**toys.SCHEDULER),
    )


def with_example_images(pipe: Any) -> Any:
    """Puts an IP-Adapter on the network: an image prompt of four tokens."""
    unet, generator = pipe.unet, torch.Generator().manual_seed(8)
    width = unet.config.cross_attention_dim

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator) * 0.5

    projection = {
        "proj.weight": random(4 * width, IMAGE),
        "proj.bias": random(4 * width),
        "norm.weight": 1 + random(width),
        "norm.bias": random(width),
    }
    attention = [unet.get_submodule(name.removesuffix(".processor")) for name in unet.attn_processors]
    layers = {
        f"{i}.to_{part}_ip.weight": random(layer.inner_dim, width)
        for i, layer in enumerate(attention)
        if layer.is_cross_attention
        for part in "kv"
    }
    unet._load_ip_adapter_weights([{"image_proj": projection, "ip_adapter": layers}])
    return pipe


EXAMPLE = torch.randn(1, 1, IMAGE, generator=torch.Generator().manual_seed(13))
ADAPTED: dict[str, Any] = {
    "call": {"ip_adapter_image_embeds": [torch.cat([torch.zeros_like(EXAMPLE), EXAMPLE])]},  # no image, then one
    "unguided": {"ip_adapter_image_embeds": [EXAMPLE]},
    "twin_differs": "an adapter is no part of the config",
}
PERTURBING: dict[str, Any] = {
    "alone": True,
    "call": {"pag_scale": 3.0},
    "twin_differs": "perturbed rows have no attention matrix",
}


def gligen() -> Any:
    """A network whose gates stand open (they start closed): boxes on the image, each with a phrase."""
    pipe = StableDiffusionGLIGENPipeline.from_pipe(
        toys.stable_diffusion(toys.unet(attention_type="gated")), tokenizer=tokenizer()
    )
    for name, parameter in pipe.unet.named_parameters():
        if name.endswith(("alpha_attn", "alpha_dense")):
            parameter.data.fill_(0.5)
    return pipe


def semantic() -> Any:
    parts = toys.stable_diffusion().components
    names = ("vae", "text_encoder", "unet", "scheduler", "safety_checker", "feature_extractor")
    return SemanticStableDiffusionPipeline(
        **{name: parts[name] for name in names}, tokenizer=tokenizer(), requires_safety_checker=False
    )


def consistency() -> Any:
    torch.manual_seed(0)
    network = UNet2DModel(
        sample_size=16,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("ResnetDownsampleBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "ResnetUpsampleBlock2D"),
        norm_num_groups=4,
        attention_head_dim=4,
        num_class_embeds=10,
        resnet_time_scale_shift="scale_shift",
    ).eval()
    return ConsistencyModelPipeline(unet=network, scheduler=CMStochasticIterativeScheduler())


ROWS = [
    Row(
        "semantic-guidance",
        semantic,
        lambda n: {"prompt": ["a dog", "two cats"][:n]},
        call={"editing_prompt": ["hat"], "edit_warmup_steps": 1},
    ),
    Row(
        "unconditional-consistency",
        consistency,
        lambda n: {**as_one_generator(n), "class_labels": [1, 2][:n]},
        call={"output_type": "pt"},
    ),
    Row(
        "gligen",
        gligen,
        toys.prompt,
        passes=((0, STEPS // 2), (STEPS // 2, STEPS)),  # then boxes do not count any more, so a key step begins
        call={
            "gligen_phrases": ["dog"],
            "gligen_boxes": [[0.1, 0.6, 0.5, 0.8]],
            "gligen_scheduled_sampling_beta": 0.5,
        },
        twin_differs="its gates stay open",
    ),
    Row(
        "depth-to-image",
        depth_to_image,
        lambda n: {**toys.prompt(n), "image": image(n), "depth_map": image(n)[:, 0]},
        first=LATE,
        call={"strength": STRENGTH},
    ),
    Row(
        "latent-super-resolution",
        latent_super_resolution,
        lambda n: {"image": image(n, 16)},
        call={"output_type": "pt"},
    ),
    Row(
        "latent-text-to-image",
        latent_text_to_image,
        lambda n: {"prompt": ["a dog", "two cats"][:n]},
        call={"height": 64, "width": 64, "guidance_scale": 5.0},
    ),
    Row(
        "ip-adapter",
        lambda: with_example_images(stable_diffusion()),
        toys.prompt,
        **ADAPTED,
    ),
    Row(
        "ip-adapter-xl",
        lambda: with_example_images(xl()),
        pooled,
        **ADAPTED,
    ),
    Row(
        "perturbed-attention",
        lambda: stable_diffusion(StableDiffusionPAGPipeline, pag_applied_layers=PERTURBED),
        toys.prompt,
        **PERTURBING,
    ),
    Row(
        "perturbed-attention-xl",
        lambda: StableDiffusionXLPAGPipeline.from_pipe(xl(), pag_applied_layers=PERTURBED),
        pooled,
        **PERTURBING,
    ),
]

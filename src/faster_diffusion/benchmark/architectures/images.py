"""Stable Diffusion, SDXL, and ControlNet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from .architecture import Architecture, Part, Size, embeddings, picture

BLOCKS = {  # four levels; attention in all but the last
    "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    "block_out_channels": (320, 640, 1280, 1280),
    "layers_per_block": 2,
}
SD_15_UNET = Part(
    "UNet2DConditionModel",
    {
        **BLOCKS,
        "sample_size": 64,
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        "cross_attention_dim": 768,
        "attention_head_dim": 8,  # the number of heads, under the name diffusers gave it
    },
)
SD_21_UNET = SD_15_UNET.but(
    sample_size=96, cross_attention_dim=1024, attention_head_dim=(5, 10, 20, 20), use_linear_projection=True
)
SDXL_UNET = Part(
    "UNet2DConditionModel",
    {
        "sample_size": 128,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "block_out_channels": (320, 640, 1280),
        "attention_head_dim": (5, 10, 20),
        "cross_attention_dim": 2048,
        "transformer_layers_per_block": (1, 2, 10),
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    },
)
CANNY = Part("ControlNetModel", {**BLOCKS, "cross_attention_dim": 768, "attention_head_dim": 8})
VAE = Part(
    "AutoencoderKL",
    {
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "block_out_channels": (128, 256, 512, 512),
        "layers_per_block": 2,
        "latent_channels": 4,
        "sample_size": 512,
    },
)
SCHEDULE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
DDIM = Part("DDIMScheduler", {**SCHEDULE, "clip_sample": False, "set_alpha_to_one": False})


def prompts(width: int) -> Callable[[int, Size], Mapping[str, Any]]:
    """Embeddings of this width, and the size."""
    return lambda batch, size: {**embeddings(batch, width), "height": size[0], "width": size[1]}


def _pooled_prompts(batch: int, size: Size) -> Mapping[str, Any]:
    pooled = torch.randn((2, 1280), generator=torch.Generator().manual_seed(2))
    names = ("pooled_prompt_embeds", "negative_pooled_prompt_embeds")
    return {**prompts(2048)(batch, size), **{name: x.repeat(batch, 1) for name, x in zip(names, pooled, strict=True)}}


def _edges(batch: int, size: Size) -> Mapping[str, Any]:
    return {**prompts(768)(batch, size), "image": (picture(batch, size) > 0.9).float()}


def _stable_diffusion(title: str, **more: Any) -> Architecture:
    parts = {"vae": VAE, "unet": SD_15_UNET, "scheduler": DDIM, **more.pop("parts", {})}
    absent = dict.fromkeys(("text_encoder", "tokenizer", "safety_checker", "feature_extractor"))
    defaults: dict[str, Any] = {"inputs": prompts(768), "size": (512, 512), "steps": 50, "guidance": 7.5}
    return Architecture(
        title,
        **{"pipeline": "StableDiffusionPipeline", **defaults, **more},
        parts={**parts, **absent},
        options={"requires_safety_checker": False},
    )


SD_15 = _stable_diffusion("Stable Diffusion 1.5")
SD_21 = _stable_diffusion(
    "Stable Diffusion 2.1",
    parts={"unet": SD_21_UNET, "scheduler": DDIM.but(prediction_type="v_prediction")},
    inputs=prompts(1024),
    size=(768, 768),
)
CONTROLNET = _stable_diffusion(
    "Stable Diffusion 1.5 with a ControlNet for edges",
    pipeline="StableDiffusionControlNetPipeline",
    parts={"controlnet": CANNY},
    inputs=_edges,
)
SDXL = Architecture(
    "SDXL",
    "StableDiffusionXLPipeline",
    parts={
        "vae": VAE.but(sample_size=1024, scaling_factor=0.13025, force_upcast=True),
        "unet": SDXL_UNET,
        "scheduler": Part("EulerDiscreteScheduler", {**SCHEDULE, "timestep_spacing": "leading"}),
        **dict.fromkeys(("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")),
    },
    inputs=_pooled_prompts,
    size=(1024, 1024),
    steps=50,
    guidance=5.0,
    options={"add_watermarker": False},
)

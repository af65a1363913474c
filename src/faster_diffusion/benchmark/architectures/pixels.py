"""DeepFloyd-IF, the cascade of the paper: 64 pixels, 256, and 1024 by the x4 upscaler of Stable Diffusion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from .architecture import Architecture, Part, Size, embeddings, picture
from .images import SCHEDULE

IF_UNET = Part(
    "UNet2DConditionModel",
    {
        "out_channels": 6,  # the image, and its variance
        "layers_per_block": 3,
        "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
        "act_fn": "gelu",
        "attention_head_dim": 64,
        "cross_attention_norm": "group_norm",
        "addition_embed_type": "text",
        "addition_embed_type_num_heads": 64,
        "encoder_hid_dim": 4096,
        "encoder_hid_dim_type": "text_proj",
        "resnet_time_scale_shift": "scale_shift",
    },
)
XL = IF_UNET.but(  # 4.3 billion parameters
    sample_size=64,
    in_channels=3,
    down_block_types=("ResnetDownsampleBlock2D", *["SimpleCrossAttnDownBlock2D"] * 3),
    up_block_types=(*["SimpleCrossAttnUpBlock2D"] * 3, "ResnetUpsampleBlock2D"),
    block_out_channels=(704, 1408, 2112, 2816),
    cross_attention_dim=2816,
)
L = IF_UNET.but(  # 1.26 billion parameters, which fits the published 1.2; its config was not at hand
    sample_size=256,
    in_channels=6,  # the image, and the small one
    down_block_types=(*["ResnetDownsampleBlock2D"] * 3, *["SimpleCrossAttnDownBlock2D"] * 2),
    up_block_types=(*["SimpleCrossAttnUpBlock2D"] * 2, *["ResnetUpsampleBlock2D"] * 3),
    block_out_channels=(320, 640, 960, 1280, 1280),
    cross_attention_dim=1280,
    class_embed_type="timestep",  # how much noise is on the small image
    time_embedding_act_fn="gelu",
    only_cross_attention=True,
    mid_block_only_cross_attention=False,
    mid_block_scale_factor=1.414,
    resnet_out_scale_factor=1.414,
    resnet_skip_time_act=True,
)
UPSCALER = Part(
    "UNet2DConditionModel",
    {
        "sample_size": 128,
        "in_channels": 7,  # the latent, and the small image
        "down_block_types": ("DownBlock2D", *["CrossAttnDownBlock2D"] * 3),
        "up_block_types": (*["CrossAttnUpBlock2D"] * 3, "UpBlock2D"),
        "block_out_channels": (256, 512, 512, 1024),
        "attention_head_dim": 8,
        "cross_attention_dim": 1024,
        "only_cross_attention": (True, True, True, False),
        "use_linear_projection": True,
        "num_class_embeds": 1000,  # how much noise is on the small image
    },
)
UPSCALER_VAE = Part(
    "AutoencoderKL",
    {
        "down_block_types": ("DownEncoderBlock2D",) * 3,
        "up_block_types": ("UpDecoderBlock2D",) * 3,
        "block_out_channels": (128, 256, 512),
        "layers_per_block": 2,
        "latent_channels": 4,
        "scaling_factor": 0.08333,
        "sample_size": 256,
    },
)
DDPM = Part(
    "DDPMScheduler",
    {
        "beta_schedule": "squaredcos_cap_v2",
        "thresholding": True,
        "dynamic_thresholding_ratio": 0.95,
        "sample_max_value": 1.5,
        "variance_type": "learned_range",
    },
)
NOISING = Part("DDPMScheduler", {"beta_schedule": "squaredcos_cap_v2"})  # of the small image

_ABSENT = dict.fromkeys(("text_encoder", "tokenizer", "safety_checker", "feature_extractor", "watermarker"))
_UNCHECKED = {"requires_safety_checker": False}


def _pixels(batch: int, size: Size) -> Mapping[str, Any]:
    return {**embeddings(batch, 4096), "height": size[0], "width": size[1], "output_type": "pt"}


def _from_small(batch: int, size: Size) -> Mapping[str, Any]:
    return {**_pixels(batch, size), "image": _quarter(batch, size)}


def _upscaled(batch: int, size: Size) -> Mapping[str, Any]:
    return {**embeddings(batch, 1024), "image": _quarter(batch, size)}


def _quarter(batch: int, size: Size) -> torch.Tensor:
    """What is upscaled: a quarter of the size, in [-1, 1]."""
    return 2 * picture(batch, (size[0] // 4, size[1] // 4)) - 1


STAGE_1 = Architecture(
    "DeepFloyd-IF, stage I (XL)",
    "IFPipeline",
    parts={"unet": XL, "scheduler": DDPM, **_ABSENT},
    inputs=_pixels,
    size=(64, 64),
    steps=100,
    guidance=7.0,
    options=_UNCHECKED,
)
STAGE_2 = Architecture(
    "DeepFloyd-IF, stage II (L)",
    "IFSuperResolutionPipeline",
    parts={"unet": L, "scheduler": DDPM.but(sample_max_value=1.0), "image_noising_scheduler": NOISING, **_ABSENT},
    inputs=_from_small,
    size=(256, 256),
    steps=50,
    guidance=4.0,
    options=_UNCHECKED,
)
STAGE_3 = Architecture(
    "DeepFloyd-IF, stage III (Stable Diffusion's x4 upscaler)",
    "StableDiffusionUpscalePipeline",
    parts={
        "vae": UPSCALER_VAE,
        "unet": UPSCALER,
        "scheduler": Part(
            "DDIMScheduler",
            {**SCHEDULE, "clip_sample": False, "set_alpha_to_one": False, "prediction_type": "v_prediction"},
        ),
        "low_res_scheduler": Part("DDPMScheduler", {"beta_schedule": "scaled_linear"}),
        **_ABSENT,
    },
    inputs=_upscaled,
    size=(1024, 1024),
    steps=75,
    guidance=9.0,
)

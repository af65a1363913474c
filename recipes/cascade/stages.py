"""The two UNets: DeepFloyd-IF's in miniature, from noise to 32 pixels a side, and from 32 to 64."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel

from .text import WIDTH

COMMON: dict[str, Any] = {
    "out_channels": 6,  # the noise, and its variance
    "down_block_types": ("ResnetDownsampleBlock2D",) * 2 + ("SimpleCrossAttnDownBlock2D",) * 2,
    "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
    "up_block_types": ("SimpleCrossAttnUpBlock2D",) * 2 + ("ResnetUpsampleBlock2D",) * 2,
    "norm_num_groups": 8,
    "cross_attention_dim": 96,
    "cross_attention_norm": "group_norm",
    "encoder_hid_dim": WIDTH,
    "encoder_hid_dim_type": "text_proj",
    "addition_embed_type": "text",
    "addition_embed_type_num_heads": 4,
    "resnet_time_scale_shift": "scale_shift",
    "act_fn": "gelu",
    "mid_block_scale_factor": 1.414,
    "resnet_out_scale_factor": 1.414,
}


def first() -> UNet2DConditionModel:
    """Stage I, untrained, always the same weights."""
    torch.manual_seed(7)
    return UNet2DConditionModel(
        sample_size=32,
        in_channels=3,
        block_out_channels=(32, 32, 64, 128),
        layers_per_block=1,
        attention_head_dim=32,
        **COMMON,
    )


def second() -> UNet2DConditionModel:
    """Stage II, untrained: beside its own sample it sees the small picture, and is told how much noise is on that."""
    torch.manual_seed(8)
    return UNet2DConditionModel(
        sample_size=64,
        in_channels=6,
        block_out_channels=(16, 32, 64, 96),
        layers_per_block=1,
        attention_head_dim=16,
        only_cross_attention=True,
        mid_block_only_cross_attention=False,
        class_embed_type="timestep",
        time_embedding_act_fn="gelu",
        resnet_skip_time_act=True,
        **COMMON,
    )


def scheduler() -> DDPMScheduler:
    """DeepFloyd-IF's schedule and sampler, with a learned variance."""
    return DDPMScheduler(
        beta_schedule="squaredcos_cap_v2",
        variance_type="learned_range",
        thresholding=True,
        dynamic_thresholding_ratio=0.95,
        sample_max_value=1.0,
    )


def noising_scheduler() -> DDPMScheduler:
    """Of the noise on the small picture that stage II sees."""
    return DDPMScheduler(beta_schedule="squaredcos_cap_v2")

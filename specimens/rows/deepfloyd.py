"""DeepFloyd-IF's networks of the real kinds of blocks, but tiny and untrained."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import UNet2DConditionModel

SCHEDULER = {
    "beta_schedule": "squaredcos_cap_v2",
    "thresholding": True,
    "dynamic_thresholding_ratio": 0.95,
    "sample_max_value": 1.0,
    "variance_type": "learned_range",
}
WIDTH = 32  # of the prompt
FIRST = {"in_channels": 3}
SECOND = {
    "in_channels": 6,
    "class_embed_type": "timestep",  # how much noise is on the small image
    "time_embedding_act_fn": "gelu",
    "only_cross_attention": True,
    "mid_block_only_cross_attention": False,
    "mid_block_scale_factor": 1.414,
    "resnet_out_scale_factor": 1.414,
    "resnet_skip_time_act": True,
}
NOISING = {"beta_schedule": "squaredcos_cap_v2"}  # of the small image


def network(**config: Any) -> UNet2DConditionModel:
    """A UNet of IF; ``FIRST`` or ``SECOND`` is what sets its stage apart."""
    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=32,
        out_channels=6,  # the image, and its variance
        layers_per_block=1,
        block_out_channels=(8, 16, 16),
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D", "SimpleCrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D", "SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        norm_num_groups=4,
        cross_attention_dim=32,  # its norm has 32 groups
        cross_attention_norm="group_norm",
        attention_head_dim=4,
        addition_embed_type="text",
        addition_embed_type_num_heads=2,
        encoder_hid_dim=WIDTH,
        encoder_hid_dim_type="text_proj",
        resnet_time_scale_shift="scale_shift",
        act_fn="gelu",
        **config,
    ).eval()

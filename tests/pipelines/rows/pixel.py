"""DeepFloyd-IF: pixels instead of latents, T5's text through a projection, a variance that the network predicts."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import (
    DDPMScheduler,
    IFImg2ImgPipeline,
    IFImg2ImgSuperResolutionPipeline,
    IFInpaintingPipeline,
    IFInpaintingSuperResolutionPipeline,
    IFPipeline,
    IFSuperResolutionPipeline,
    UNet2DConditionModel,
)

from tests import toys

from .common import Row, image, right_half

SCHEDULER = {
    "beta_schedule": "squaredcos_cap_v2",
    "thresholding": True,
    "dynamic_thresholding_ratio": 0.95,
    "sample_max_value": 1.0,
    "variance_type": "learned_range",
}
TEXT = {"encoder_hid_dim": toys.TEXT[-1], "encoder_hid_dim_type": "text_proj", "addition_embed_type": "text"}


def network(**config: Any) -> UNet2DConditionModel:
    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=32,
        out_channels=6,
        layers_per_block=1,
        block_out_channels=(8, 16, 16),
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D", "SimpleCrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D", "SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        norm_num_groups=4,
        cross_attention_dim=32,  # its norm has 32 groups
        cross_attention_norm="group_norm",
        attention_head_dim=4,
        addition_embed_type_num_heads=2,
        resnet_time_scale_shift="scale_shift",
        act_fn="gelu",
        **TEXT,
        **config,
    ).eval()


def first_stage(cls: type = IFPipeline) -> Any:
    return pipeline(cls, network(in_channels=3))


def second_stage(cls: type = IFSuperResolutionPipeline) -> Any:
    unet = network(
        in_channels=6,
        class_embed_type="timestep",  # how much noise is on the small image
        time_embedding_act_fn="gelu",
        only_cross_attention=True,
        mid_block_only_cross_attention=False,
        mid_block_scale_factor=1.414,
        resnet_out_scale_factor=1.414,
        resnet_skip_time_act=True,
    )
    return pipeline(cls, unet, image_noising_scheduler=DDPMScheduler(beta_schedule="squaredcos_cap_v2"))


def pipeline(cls: type, unet: UNet2DConditionModel, **more: Any) -> Any:
    return cls(
        tokenizer=None,
        text_encoder=None,
        unet=unet,
        scheduler=DDPMScheduler(**SCHEDULER),
        safety_checker=None,
        feature_extractor=None,
        watermarker=None,
        requires_safety_checker=False,
        **more,
    )


PIXELS = {"output_type": "pt"}
SIZE = {**PIXELS, "height": 32, "width": 32}

ROWS = [
    Row("if-stage-1", first_stage, toys.prompt, call=PIXELS),
    Row(
        "if-stage-1-image-to-image",
        lambda: first_stage(IFImg2ImgPipeline),
        lambda n: {**toys.prompt(n), "image": image(n)},
        first=2,
        call={**PIXELS, "strength": 0.8},
    ),
    Row(
        "if-stage-1-inpaint",
        lambda: first_stage(IFInpaintingPipeline),
        lambda n: {**toys.prompt(n), "image": image(n), "mask_image": right_half(n)},
        call={**PIXELS, "strength": 1.0},
    ),
    Row(
        "if-stage-2",
        second_stage,
        lambda n: {**toys.prompt(n), "image": image(n, 16)},
        call=SIZE,
    ),
    Row(
        "if-stage-2-image-to-image",
        lambda: second_stage(IFImg2ImgSuperResolutionPipeline),
        lambda n: {**toys.prompt(n), "image": image(n, 16), "original_image": image(n)},
        first=2,
        call={**PIXELS, "strength": 0.8},
    ),
    Row(
        "if-stage-2-inpaint",
        lambda: second_stage(IFInpaintingSuperResolutionPipeline),
        lambda n: {**toys.prompt(n), "image": image(n, 16), "original_image": image(n), "mask_image": right_half(n)},
        call={**PIXELS, "strength": 1.0},
    ),
]

"""DeepFloyd-IF: pixels instead of latents, T5's text through a projection, a variance that the network predicts."""

from __future__ import annotations

from typing import Any

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

from specimens import toys

from . import deepfloyd
from .common import LATE, STRENGTH, Row, image, right_half


def first_stage(cls: type = IFPipeline) -> Any:
    return pipeline(cls, deepfloyd.network(**deepfloyd.FIRST))


def second_stage(cls: type = IFSuperResolutionPipeline) -> Any:
    return pipeline(
        cls, deepfloyd.network(**deepfloyd.SECOND), image_noising_scheduler=DDPMScheduler(**deepfloyd.NOISING)
    )


def pipeline(cls: type, unet: UNet2DConditionModel, **more: Any) -> Any:
    return cls(
        tokenizer=None,
        text_encoder=None,
        unet=unet,
        scheduler=DDPMScheduler(**deepfloyd.SCHEDULER),
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
        first=LATE,
        call={**PIXELS, "strength": STRENGTH},
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
        first=LATE,
        call={**PIXELS, "strength": STRENGTH},
    ),
    Row(
        "if-stage-2-inpaint",
        lambda: second_stage(IFInpaintingSuperResolutionPipeline),
        lambda n: {**toys.prompt(n), "image": image(n, 16), "original_image": image(n), "mask_image": right_half(n)},
        call={**PIXELS, "strength": 1.0},
    ),
]

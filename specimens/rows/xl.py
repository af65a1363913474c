"""SDXL and its kin."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import (
    DDIMScheduler,
    EulerDiscreteScheduler,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLInpaintPipeline,
    StableDiffusionXLPipeline,
)

from specimens import toys

from .common import LATE, STEPS, STRENGTH, Row, image, right_half

POOLED = 8  # width of SDXL's pooled prompt
XL = {  # pooled text and image sizes beside the prompt
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 6 * 8 + POOLED,
}


def pooled(n: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(12)
    return {
        **toys.prompt(n),
        "pooled_prompt_embeds": torch.randn((n, POOLED), generator=generator),
        "negative_pooled_prompt_embeds": torch.randn((n, POOLED), generator=generator),
    }


def xl(cls: type = StableDiffusionXLPipeline, **unet: Any) -> Any:
    return cls(
        vae=toys.vae(),
        text_encoder=None,
        text_encoder_2=None,
        tokenizer=None,
        tokenizer_2=None,
        unet=toys.unet(**XL, **unet),
        scheduler=EulerDiscreteScheduler.from_config(DDIMScheduler(**toys.SCHEDULER).config),
    )


ROWS = [
    Row("xl", xl, pooled),
    Row("xl-base-of-two", xl, pooled, last=5, call={"denoising_end": 5 / STEPS}),
    Row(
        "xl-refiner-of-two",
        lambda: xl(StableDiffusionXLImg2ImgPipeline),
        lambda n: {**pooled(n), "image": image(n, 16, 4)},
        first=5,
        call={"denoising_start": 5 / STEPS},
    ),
    Row(
        "xl-image-to-image",
        lambda: xl(StableDiffusionXLImg2ImgPipeline),
        lambda n: {**pooled(n), "image": image(n)},
        first=LATE,
        call={"strength": STRENGTH},
    ),
    Row(
        "xl-inpaint",
        lambda: xl(StableDiffusionXLInpaintPipeline, in_channels=9),
        lambda n: {**pooled(n), "image": image(n), "mask_image": right_half(n)},
        call={"strength": 1.0, "height": 32, "width": 32},
    ),
]

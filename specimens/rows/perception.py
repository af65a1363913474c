"""Marigold: depth and surface normals of a picture, by a UNet that sees the picture beside the latent."""

from __future__ import annotations

from typing import Any

from diffusers import MarigoldDepthPipeline, MarigoldNormalsPipeline

from specimens import toys

from .common import Row, image, tokenizer


def marigold(cls: type, **more: Any) -> Any:
    parts = toys.stable_diffusion(toys.unet(in_channels=8)).components
    names = ("unet", "vae", "scheduler", "text_encoder")
    return cls(**{name: parts[name] for name in names}, tokenizer=tokenizer(), **more)


ROWS = [
    Row(
        "marigold-depth",
        lambda: marigold(MarigoldDepthPipeline, prediction_type="depth"),
        lambda n: {"image": image(n)},
        call={"processing_resolution": 0, "output_type": "pt"},
    ),
    Row(
        "marigold-normals",
        lambda: marigold(MarigoldNormalsPipeline, prediction_type="normals", use_full_z_range=True),
        lambda n: {"image": image(n), "batch_size": n},
        call={"processing_resolution": 0, "output_type": "pt"},
    ),
]

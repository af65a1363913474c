"""DiT-XL/2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .architecture import Architecture, Part, Size
from .images import VAE

DIT = Part(
    "DiTTransformer2DModel",
    {
        "num_attention_heads": 16,
        "attention_head_dim": 72,
        "in_channels": 4,
        "out_channels": 8,  # the latent, and its variance
        "num_layers": 28,
        "patch_size": 2,
        "sample_size": 32,
    },
)


def _classes(batch: int, size: Size) -> Mapping[str, Any]:
    return {"class_labels": [(207 + number) % 1000 for number in range(batch)], "output_type": "pt"}


DIT_XL = Architecture(
    "DiT-XL/2",
    "DiTPipeline",
    parts={"vae": VAE.but(sample_size=256), "transformer": DIT, "scheduler": Part("DDIMScheduler", {})},
    inputs=_classes,
    size=(256, 256),
    steps=250,
    guidance=4.0,
    latents=False,
)

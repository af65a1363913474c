"""What networks are called with, as tensors without data: to count the FLOPs of one that no pipeline is calling."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from .layout import meta
from .stages import layout_of
from .unets import HINT_CHANNELS, unet_inputs


def network_inputs(network: nn.Module, batch: int, height: int, width: int, frames: int = 16) -> dict[str, Any]:
    """Meta tensors that a network of a known class accepts as keyword arguments.

    Latents of images are (batch, C, height, width); those of videos have a dimension of `frames` besides. A prompt is
    (batch, tokens, D). Sizes, pooled prompts, class labels and settings are there where the config asks for them.
    """
    layout = layout_of(network)
    config: Any = network.config
    channels = config.get("in_channels") or 4
    if config.get("addition_embed_type") == "image_hint":
        channels -= HINT_CHANNELS
    shape = [batch, channels, height, width]
    if layout.frames is not None:
        shape.insert(layout.frames, frames)
    latent = {layout.sample: meta(*shape), "timestep": meta(batch, dtype=torch.int64)}
    return {**latent, **(layout.inputs or unet_inputs)(config, batch, height, width, frames)}

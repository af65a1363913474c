"""The known architectures, narrow: the same classes, kinds of blocks and inputs, in a second instead of a minute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from faster_diffusion.benchmark.architectures import ARCHITECTURES, Architecture, Part

NARROW = {  # what a config has, and what it has instead
    "layers_per_block": 1,
    "transformer_layers_per_block": 1,
    "num_attention_heads": 4,
    "addition_embed_type_num_heads": 4,
    "num_layers": 4,
}


def narrow_part(part: Part | None) -> Part | None:
    if part is None or part.cls == "CLIPVisionModelWithProjection":
        return part
    config = {name: value for name, value in NARROW.items() if name in part.config}
    if "block_out_channels" in part.config:
        config["block_out_channels"] = (32,) * len(part.config["block_out_channels"])
    if "attention_head_dim" in part.config:
        config["attention_head_dim"] = 8
    if "encoder_hid_dim" in part.config:
        config["cross_attention_dim"] = 32
    return part.but(**config)


def narrow(architecture: Architecture) -> Architecture:
    return replace(architecture, parts={name: narrow_part(part) for name, part in architecture.parts.items()})


def all_narrow() -> Mapping[str, Architecture]:
    return {name: narrow(architecture) for name, architecture in ARCHITECTURES.items()}

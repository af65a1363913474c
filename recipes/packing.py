"""Writes a trained pipeline as a diffusers folder in half precision."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import DiffusionPipeline
from torch import nn


def save(pipe: DiffusionPipeline, folder: Path, *parts: nn.Module) -> None:
    """Write the folder that `from_pretrained` loads, `parts` of it converted to half, in place.

    Not a text tower: transformers loads it in the precision of the file, diffusers the rest in float32.
    """
    for part in parts:  # kernels are stored in the common layout
        part.to(torch.float16, memory_format=torch.contiguous_format)
    pipe.save_pretrained(folder)
    for file in folder.rglob("*.safetensors"):
        file.chmod(0o644)

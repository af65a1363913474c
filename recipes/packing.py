"""Writes a trained pipeline as a diffusers folder in half precision."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import DiffusionPipeline
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import CLIPTextModel


def save(pipe: DiffusionPipeline, folder: Path, *parts: nn.Module) -> None:
    """Write the folder that `from_pretrained` loads, `parts` of it converted to half, in place.

    Not a text tower: transformers loads it in the precision of the file, diffusers the rest in float32.
    """
    for part in parts:  # kernels are stored in the common layout
        part.to(torch.float16, memory_format=torch.contiguous_format)
    pipe.save_pretrained(folder)
    if isinstance(getattr(pipe, "text_encoder", None), CLIPTextModel):
        _name_as_ever(folder / "text_encoder/model.safetensors")
    for file in folder.rglob("*.safetensors"):
        file.chmod(0o644)
    for file in (folder / "model_index.json", *folder.glob("*/config.json")):
        _forget_origin(file)


def _forget_origin(path: Path) -> None:
    """Remove where a part was loaded from: that is a place on this machine."""
    config = json.loads(path.read_text())
    if config.pop("_name_or_path", None) is not None:
        path.write_text(json.dumps(config, indent=2) + "\n")


def _name_as_ever(path: Path) -> None:
    """Prefix the weights of a text tower as Stable Diffusion folders do: transformers before 5 reads no others."""
    weights = {f"text_model.{name.removeprefix('text_model.')}": weight for name, weight in load_file(path).items()}
    save_file(weights, path, metadata={"format": "pt"})

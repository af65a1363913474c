"""Weights that go on top of a pipeline, in diffusers' own formats; what a folder holds is told by its files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

CONTROL = "diffusion_pytorch_model.safetensors"  # a ControlNetModel
LORA = "pytorch_lora_weights.safetensors"
KEYS_AND_VALUES = "pytorch_custom_diffusion_weights.safetensors"  # Custom Diffusion
WORD = "learned_embeds.safetensors"  # textual inversion, and the word of Custom Diffusion


def has_any(folder: Path) -> bool:
    """Whether a folder holds such weights."""
    return any((folder / name).is_file() for name in _LOADERS)


def add(pipe: Any, folder: Path) -> Any:
    """`pipe` with all the weights of a folder: itself, or for a control network another pipeline of the same parts."""
    for name, load in _LOADERS.items():
        if (folder / name).is_file():
            pipe = load(pipe, folder)
    return pipe


def _control(pipe: Any, folder: Path) -> Any:
    from diffusers import ControlNetModel, StableDiffusionControlNetPipeline

    network = ControlNetModel.from_pretrained(folder, torch_dtype=pipe.unet.dtype, local_files_only=True)
    return StableDiffusionControlNetPipeline(**pipe.components, controlnet=network, requires_safety_checker=False)


def _lora(pipe: Any, folder: Path) -> Any:
    pipe.load_lora_weights(folder, weight_name=LORA)
    return pipe


def _keys_and_values(pipe: Any, folder: Path) -> Any:
    # Not told the pipeline, diffusers 0.42 reads the weights and leaves the network as it was.
    pipe.unet.load_attn_procs(folder, weight_name=KEYS_AND_VALUES, _pipeline=pipe)
    return pipe


def _word(pipe: Any, folder: Path) -> Any:
    pipe.load_textual_inversion(folder, weight_name=WORD)
    return pipe


_LOADERS: dict[str, Callable[[Any, Path], Any]] = {
    CONTROL: _control,
    LORA: _lora,
    KEYS_AND_VALUES: _keys_and_values,
    WORD: _word,
}

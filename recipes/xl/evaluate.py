"""Obedience, and whether the size that a picture is said to have had shows in it."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from PIL import Image

from faster_diffusion.demo.scenes import held_out_prompts

from ..scenes import evaluate
from ..scenes.evaluate import sample
from .unet import SMALL_SIDE, soften


def obedience(pipe, count: int, steps: int, guidance: float, seed: int = 0) -> dict:
    """Shares of `count` prompts of each kind that are obeyed."""
    found = evaluate.obedience(pipe, count, steps, guidance, seed)
    one, two = found["one object"], found["two objects"]
    return {"one object": one["objects"], "two objects": two["objects"], "two and their relation": two["right"]}


def detail(pipe, count: int, steps: int, guidance: float) -> dict[str, float]:
    """What halving and enlarging takes from pictures asked for as sharp and as enlarged (RMS, levels of 255)."""
    prompts = held_out_prompts(count, 1, seed=3)
    asked = {"sharp": pipe, "enlarged": partial(pipe, original_size=(SMALL_SIDE, SMALL_SIDE))}
    return {name: _lost(sample(draw, prompts, steps, guidance)) for name, draw in asked.items()}


def _lost(images: list[Image.Image]) -> float:
    x = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float()
    return (x - soften(x)).square().mean().sqrt().item()

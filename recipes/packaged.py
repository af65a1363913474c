"""The packaged scenes model, which other recipes start from."""

from __future__ import annotations

from functools import cache

from diffusers import StableDiffusionPipeline

from faster_diffusion import demo

from .training import on_device


@cache
def scenes() -> StableDiffusionPipeline:
    """Loaded once, where training runs. What learns is a copy of its parts."""
    return on_device(demo.load("scenes"))

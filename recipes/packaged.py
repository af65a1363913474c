"""The packaged scenes model, which other recipes start from."""

from __future__ import annotations

from functools import cache

from diffusers import StableDiffusionPipeline

from faster_diffusion import demo


@cache
def scenes() -> StableDiffusionPipeline:
    """Loaded once. What learns is a copy of its parts."""
    return demo.load("scenes")

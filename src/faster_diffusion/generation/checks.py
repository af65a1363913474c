"""What a pipeline cannot do, told before it samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..models import schedulers
from .errors import InputError


def check_size(pipe: Any, sizes: Mapping[str, int | None]) -> None:
    """Refuses a height or width in pixels that the model has no latents for.

    Args:
        sizes: by what to call them.

    Raises:
        InputError: with the nearest size that works.
    """
    factor = max(8, getattr(pipe, "vae_scale_factor", 8))  # diffusers asks for 8 even where the VAE does not
    for name, size in sizes.items():
        if size is not None and (size < factor or size % factor):
            nearest = max(factor, round(size / factor) * factor)
            raise InputError(f"{name} {size} is not a multiple of {factor}; the nearest that is: {nearest}.")


def network_calls(scheduler: Any, steps: int) -> int:
    """How many orders a run of `steps` has; see `schedulers.network_calls`.

    Raises:
        ValueError: the scheduler has no such run.
    """
    try:
        return schedulers.network_calls(scheduler, steps)
    except (ValueError, IndexError, ZeroDivisionError) as error:
        raise ValueError(f"{type(scheduler).__name__} cannot run {steps} steps: {error}") from error

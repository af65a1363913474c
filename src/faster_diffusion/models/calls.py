"""What the images of a pipeline's call depend on beside its options: guidance, and how large they are."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def guidance_of(
    call: Callable[..., Any], pipe: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
) -> float | None:
    """The guidance scale of ``call(pipe, *args, **kwargs)``, its default if none is given; ``None`` if unknown."""
    try:
        bound = inspect.signature(call).bind_partial(pipe, *args, **(kwargs or {}))
    except TypeError:  # which the call itself will say
        return None
    bound.apply_defaults()
    guidance = bound.arguments.get("guidance_scale")
    return float(guidance) if isinstance(guidance, (int, float)) else None


def pixels_of(pipe: Any, shape: Sequence[int]) -> tuple[int, int]:
    """Height and width in pixels of what is sampled as latents of a shape (..., H, W)."""
    factor = getattr(pipe, "vae_scale_factor", None) or getattr(pipe, "movq_scale_factor", None) or 1
    height, width = shape[-2:]
    return int(height * factor), int(width * factor)

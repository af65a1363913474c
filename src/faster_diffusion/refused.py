"""Pipelines whose network has known stages, and which can still not be accelerated, or not in every kind of call."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

_MAPS = "it reads the attention maps of the whole network at every step, and a reused encoder has none"
_SIGMA = "its network is given a noise level instead of a timestep of the scheduler, so that no step can be told"
_STATES = "it swaps the scheduler's state for every part of the image, so that no step can be told"

# Class of a pipeline -> why not; holds for classes that inherit from it as well.
REFUSED = {
    "ScoreSdeVePipeline": _SIGMA,
    "KarrasVePipeline": _SIGMA,
    "StableDiffusionAttendAndExcitePipeline": _MAPS,
    "StableDiffusionPanoramaPipeline": _STATES,
    "StableDiffusionPix2PixZeroPipeline": _MAPS,
    "StableDiffusionSAGPipeline": _MAPS,
}

# Class of a pipeline -> arguments of its call that cannot be on, and why not.
_MASKS = (("use_intersect_mask", "use_cross_attn_mask"), _MAPS)
REFUSED_CALLS = {
    "LEditsPPPipelineStableDiffusion": _MASKS,
    "LEditsPPPipelineStableDiffusionXL": _MASKS,
}


def refuse(cls: type) -> None:
    """Raises ``ValueError`` for a class of pipelines that cannot be accelerated."""
    reason = next((REFUSED[base.__name__] for base in cls.__mro__ if base.__name__ in REFUSED), None)
    if reason is not None:
        raise ValueError(f"{cls.__name__} cannot be accelerated: {reason}.")


def refuse_call(pipe: Any, call: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """Raises ``ValueError`` for a ``call`` of an enabled pipeline with arguments that cannot be accelerated."""
    table = [REFUSED_CALLS[base.__name__] for base in type(pipe).__mro__ if base.__name__ in REFUSED_CALLS]
    if not table:
        return
    names, reason = table[0]
    bound = inspect.signature(call).bind(pipe, *args, **kwargs)
    bound.apply_defaults()
    if any(bound.arguments[name] for name in names):
        off = ", ".join(f"{name}=False" for name in names)
        raise ValueError(
            f"This call of {type(pipe).__name__} cannot be accelerated: {reason}. Pass {off}, or fd.disable(pipe)."
        )

"""Pipelines whose network has known stages, and which can still not be accelerated."""

from __future__ import annotations

_MAPS = "it reads the attention maps of the whole network at every step, and a reused encoder has none"
_SIGMA = "its network is given a noise level instead of a timestep of the scheduler, so that no step can be told"
_STATES = "it swaps the scheduler's state for every part of the image, so that no step can be told"

# Class of a pipeline -> why not; holds for classes that inherit from it as well.
REFUSED = {
    "StableDiffusionLatentUpscalePipeline": _SIGMA,
    "ScoreSdeVePipeline": _SIGMA,
    "KarrasVePipeline": _SIGMA,
    "LEditsPPPipelineStableDiffusion": _MAPS,
    "LEditsPPPipelineStableDiffusionXL": _MAPS,
    "StableDiffusionAttendAndExcitePipeline": _MAPS,
    "StableDiffusionPanoramaPipeline": _STATES,
    "StableDiffusionPix2PixZeroPipeline": _MAPS,
    "StableDiffusionSAGPipeline": _MAPS,
}


def refuse(cls: type) -> None:
    """Raises ``ValueError`` for a class of pipelines that cannot be accelerated."""
    reason = next((REFUSED[base.__name__] for base in cls.__mro__ if base.__name__ in REFUSED), None)
    if reason is not None:
        raise ValueError(f"{cls.__name__} cannot be accelerated: {reason}.")

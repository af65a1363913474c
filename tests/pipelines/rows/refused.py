"""Pipelines that cannot be accelerated although their network could be, and words of the reason that users are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from diffusers import (
    EulerDiscreteScheduler,
    KarrasVePipeline,
    KarrasVeScheduler,
    LEditsPPPipelineStableDiffusion,
    LEditsPPPipelineStableDiffusionXL,
    ScoreSdeVePipeline,
    ScoreSdeVeScheduler,
    StableDiffusionAttendAndExcitePipeline,
    StableDiffusionLatentUpscalePipeline,
    StableDiffusionPanoramaPipeline,
    StableDiffusionSAGPipeline,
)

from tests import toys

from .images import unconditional
from .xl import xl

MAPS, NOISE_LEVEL = "attention maps", "noise level"


def like_stable_diffusion(cls: Any, *names: str) -> Any:
    parts = toys.stable_diffusion().components
    return cls(**{name: parts[name] for name in ("vae", "text_encoder", "tokenizer", "unet", "scheduler", *names)})


def latent_upscale() -> Any:
    parts = toys.stable_diffusion().components
    return StableDiffusionLatentUpscalePipeline(
        **{name: parts[name] for name in ("vae", "text_encoder", "tokenizer", "unet")},
        scheduler=EulerDiscreteScheduler(),
    )


SAFETY = ("safety_checker", "feature_extractor")

REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "latent-upscale": (latent_upscale, NOISE_LEVEL),
    "score-sde-ve": (lambda: unconditional(ScoreSdeVePipeline, ScoreSdeVeScheduler()), NOISE_LEVEL),
    "karras-ve": (lambda: unconditional(KarrasVePipeline, KarrasVeScheduler()), NOISE_LEVEL),
    "ledits": (lambda: like_stable_diffusion(LEditsPPPipelineStableDiffusion, *SAFETY), MAPS),
    "ledits-xl": (lambda: LEditsPPPipelineStableDiffusionXL.from_pipe(xl()), MAPS),
    "attend-and-excite": (lambda: like_stable_diffusion(StableDiffusionAttendAndExcitePipeline, *SAFETY), MAPS),
    "panorama": (
        lambda: like_stable_diffusion(StableDiffusionPanoramaPipeline, *SAFETY),
        "scheduler's state",
    ),
    "self-attention-guidance": (lambda: like_stable_diffusion(StableDiffusionSAGPipeline, *SAFETY), MAPS),
}

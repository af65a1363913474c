"""Pipelines that cannot be accelerated although their network could be, and words of the reason that users are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from diffusers import (
    AutoencoderOobleck,
    DDIMScheduler,
    DDPMWuerstchenScheduler,
    KarrasVePipeline,
    KarrasVeScheduler,
    ScoreSdeVePipeline,
    ScoreSdeVeScheduler,
    StableAudioDiTModel,
    StableAudioPipeline,
    StableCascadeDecoderPipeline,
    StableCascadePriorPipeline,
    StableDiffusionAttendAndExcitePipeline,
    StableDiffusionPanoramaPipeline,
    StableDiffusionParadigmsPipeline,
    StableDiffusionSAGPipeline,
    WuerstchenDecoderPipeline,
)

from specimens import toys

from .images import unconditional

MAPS, NOISE_LEVEL, NO_UNET = "attention maps", "noise level", "neither UNet nor transformer"


def like_stable_diffusion(cls: Any, *names: str) -> Any:
    parts = toys.stable_diffusion().components
    return cls(**{name: parts[name] for name in ("vae", "text_encoder", "tokenizer", "unet", "scheduler", *names)})


def stable_audio() -> Any:
    vae = AutoencoderOobleck(
        encoder_hidden_size=4,
        downsampling_ratios=[2],
        decoder_channels=4,
        decoder_input_channels=4,
        channel_multiples=[1],
    )
    network = StableAudioDiTModel(
        num_layers=1, num_attention_heads=2, num_key_value_attention_heads=2, attention_head_dim=4
    )
    return StableAudioPipeline(
        vae=vae,
        text_encoder=None,
        projection_model=None,
        tokenizer=None,
        transformer=network,
        scheduler=DDIMScheduler(),
    )


def cascade(cls: Any, *others: str) -> Any:
    parts = dict.fromkeys(("tokenizer", "text_encoder", *others))
    return cls(**parts, scheduler=DDPMWuerstchenScheduler())


SAFETY = ("safety_checker", "feature_extractor")

REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "score-sde-ve": (lambda: unconditional(ScoreSdeVePipeline, ScoreSdeVeScheduler()), NOISE_LEVEL),
    "karras-ve": (lambda: unconditional(KarrasVePipeline, KarrasVeScheduler()), NOISE_LEVEL),
    "attend-and-excite": (lambda: like_stable_diffusion(StableDiffusionAttendAndExcitePipeline, *SAFETY), MAPS),
    "panorama": (
        lambda: like_stable_diffusion(StableDiffusionPanoramaPipeline, *SAFETY),
        "scheduler's state",
    ),
    "paradigms": (lambda: like_stable_diffusion(StableDiffusionParadigmsPipeline, *SAFETY), "many timesteps at once"),
    "self-attention-guidance": (lambda: like_stable_diffusion(StableDiffusionSAGPipeline, *SAFETY), MAPS),
    "stable-cascade": (lambda: cascade(StableCascadeDecoderPipeline, "decoder", "vqgan"), NO_UNET),
    "stable-cascade-prior": (lambda: cascade(StableCascadePriorPipeline, "prior"), NO_UNET),
    "wuerstchen": (lambda: cascade(WuerstchenDecoderPipeline, "decoder", "vqgan"), NO_UNET),
}

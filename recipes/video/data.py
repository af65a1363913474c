"""Clips of moving scenes: their latents, and captions for them."""

from __future__ import annotations

from dataclasses import replace
from itertools import count, islice

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from faster_diffusion.demo.clips import ANY_VERB, DIRECTIONS, Clip, caption, render, sample_clip
from faster_diffusion.demo.scenes import held_out, shorten

from ..scenes import vae
from ..scenes.unet import tokenise


def sample_clips(size: int, seed: int = 0) -> list[Clip]:
    """`size` clips whose scenes are not held out."""
    rng = np.random.default_rng([seed, 4])
    drawn = (sample_clip(rng) for _ in count())
    return list(islice((clip for clip in drawn if not held_out(clip.scene)), size))


def make_clips(size: int, seed: int = 0) -> tuple[list[Clip], Tensor]:
    """Such clips, with their frames as uint8 (size, 8, 3, 64, 64)."""
    clips, rng = sample_clips(size, seed), np.random.default_rng([seed, 5])
    frames = np.stack([render(clip, rng).transpose(0, 3, 1, 2) for clip in clips])
    return clips, torch.from_numpy(frames)


def encode(autoencoder: AutoencoderKL, frames: Tensor) -> Tensor:
    """Scaled latents (N, 4, frames, 16, 16)."""
    latents = vae.encode(autoencoder, frames.flatten(0, 1)) * autoencoder.config.scaling_factor
    return latents.unflatten(0, frames.shape[:2]).transpose(1, 2).contiguous()


def with_reversed(clips: list[Clip], latents: Tensor) -> tuple[list[Clip], Tensor]:
    """Each clip forwards, and then each backwards as one that goes the other way."""
    return [*clips, *(_reversed(clip) for clip in clips)], torch.cat([latents, latents.flip(2)])


def ways_to_tell(clips: list[Clip], variants: int = 4) -> list[tuple[Clip, str | None]]:
    """Every clip in a few ways, in full or shortened, each with the verb to tell it by: its own, or "moves"."""
    rng = np.random.default_rng(10)
    return [
        (Clip(shorten(clip.scene, rng), clip.direction), ANY_VERB if rng.random() < 0.3 else None)
        for clip in clips
        for _ in range(variants)
    ]


def tell(clips: list[Clip], variants: int = 4) -> Tensor:
    """Tokens (N, variants, 32) of these ways to tell the clips."""
    return tokenise([caption(*one) for one in ways_to_tell(clips, variants)]).unflatten(0, (len(clips), variants))


def _reversed(clip: Clip) -> Clip:
    dx, dy = DIRECTIONS[clip.direction]
    return replace(clip, direction=next(name for name, way in DIRECTIONS.items() if way == (-dx, -dy)))

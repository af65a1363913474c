"""Clips of moving scenes: their latents, and captions for them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from faster_diffusion.demo.clips import ANY_VERB, DIRECTIONS, Clip, caption, render, sample_clip
from faster_diffusion.demo.scenes import held_out, shorten

from ..scenes import vae
from ..scenes.unet import tokenise


def make_clips(size: int, seed: int = 0) -> tuple[list[Clip], Tensor]:
    """`size` clips whose scenes are not held out, with their frames as uint8 (size, 8, 3, 64, 64)."""
    rng = np.random.default_rng([seed, 4])
    clips: list[Clip] = []
    while len(clips) < size:
        clip = sample_clip(rng)
        if not held_out(clip.scene):
            clips.append(clip)
    frames = np.stack([render(clip, rng).transpose(0, 3, 1, 2) for clip in clips])
    return clips, torch.from_numpy(frames)


def encode(autoencoder: AutoencoderKL, frames: Tensor) -> Tensor:
    """Scaled latents (N, 4, frames, 16, 16)."""
    latents = vae.encode(autoencoder, frames.flatten(0, 1)) * autoencoder.config.scaling_factor
    return latents.unflatten(0, frames.shape[:2]).transpose(1, 2).contiguous()


def with_reversed(clips: list[Clip], latents: Tensor) -> tuple[list[Clip], Tensor]:
    """Each clip forwards, and backwards as one that goes the other way."""
    return [*clips, *(_reversed(clip) for clip in clips)], torch.cat([latents, latents.flip(2)])


def tell(clips: list[Clip], variants: int = 4) -> Tensor:
    """Tokens (N, variants, 32): every clip told in a few ways, in full or shortened, by its own verb or by "moves"."""
    rng = np.random.default_rng(10)
    told = [
        caption(Clip(shorten(clip.scene, rng), clip.direction), ANY_VERB if rng.random() < 0.3 else None)
        for clip in clips
        for _ in range(variants)
    ]
    return tokenise(told).unflatten(0, (len(clips), variants))


def _reversed(clip: Clip) -> Clip:
    dx, dy = DIRECTIONS[clip.direction]
    return replace(clip, direction=next(name for name, way in DIRECTIONS.items() if way == (-dx, -dy)))

"""Trains both stages on pictures of one thing, with a text encoder that can read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import T5EncoderModel

from faster_diffusion.demo.scenes import caption, shorten

from ..noising import add_noise, draw_noise, draw_times, noise_error
from ..scenes.data import Pool, pixels
from ..training import TrainingPlan, load_average, on_device, share, train, wide
from . import stages, text
from .variance import variance_bound

FIRST = TrainingPlan(steps=9500, learning_rate=1.2e-3, warmup=200, ema=0.998, save_every=500)
SECOND = TrainingPlan(steps=6000, learning_rate=1.2e-3, warmup=200, ema=0.998, save_every=500)
BATCH = {"first": 16, "second": 8}
UNPROMPTED = 0.1  # share of captions dropped, for classifier-free guidance
MOST_NOISE = 400  # on the small picture, of 1000; the pipeline's default is 250


@dataclass(frozen=True)
class Told:
    """Pictures (N, 3, 64, 64) in uint8, and each told in a few ways as tokens (N, variants, 77)."""

    pictures: Tensor
    tokens: Tensor


def tell(pool: Pool, variants: int = 3) -> Told:
    """Captions, in full or shortened, for each picture of a pool."""
    rng = np.random.default_rng(9)
    captions = [caption(shorten(scene, rng)) for scene in pool.scenes for _ in range(variants)]
    return Told(pool.pictures, text.tokenise(captions).unflatten(0, (len(pool), variants)))


def shrink(x: Tensor) -> Tensor:
    """Pictures (B, 3, 64, 64) at half their size."""
    return F.avg_pool2d(x, 2)


def fit_first(told: Told, encoder: T5EncoderModel, folder: Path, plan: TrainingPlan = FIRST, watch=None) -> nn.Module:
    """Learn to draw at 32 pixels a side."""
    unet, encoder = stages.first(), on_device(encoder)
    objective = _objective(unet)

    def loss(step: int, generator: torch.Generator):
        x, said = draw(told, wide(BATCH["first"]), generator)
        times, noise = draw_times(len(x), 1000, generator), draw_noise((len(x), 3, 32, 32), generator)
        x, said, times, noise = share(x), share(said), share(times), share(noise)
        return objective(shrink(x), noise, times, states=text.states(encoder, said))

    return train(unet, loss, plan, folder, "first", watch).eval().requires_grad_(False)


def fit_second(told: Told, encoder: T5EncoderModel, folder: Path, plan: TrainingPlan = SECOND, watch=None) -> nn.Module:
    """Learn to draw at 64, from a small picture that is noised."""
    unet, encoder = stages.second(), on_device(encoder)
    objective = _objective(unet)
    kept = on_device(stages.noising_scheduler().alphas_cumprod)

    def loss(step: int, generator: torch.Generator):
        x, said = draw(told, wide(BATCH["second"]), generator)
        times, noise = draw_times(len(x), 1000, generator), draw_noise(tuple(x.shape), generator)
        levels = torch.randint(MOST_NOISE, (len(x),), generator=generator)
        blur = torch.randn(x.shape, generator=generator)
        x, said, times, noise, levels, blur = (share(part) for part in (x, said, times, noise, levels, blur))

        small = F.interpolate(shrink(x), x.shape[-2:], mode="bilinear", align_corners=True)  # as the pipeline does
        small = add_noise(small, blur, kept[levels])
        return objective(x, noise, times, states=text.states(encoder, said), small=small, class_labels=levels)

    return train(unet, loss, plan, folder, "second", watch).eval().requires_grad_(False)


def load_stage(stage: str, folder: Path) -> nn.Module:
    """The UNet of "first" or "second", from its checkpoint."""
    unet = getattr(stages, stage)()
    return load_average(unet, folder / f"{stage}.pt").eval().requires_grad_(False)


def draw(told: Told, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A batch of pictures in [-1, 1], and its captions, some of them dropped."""
    rows = torch.randint(len(told.pictures), (batch,), generator=generator)
    said = told.tokens[rows, torch.randint(told.tokens.shape[1], (batch,), generator=generator)]
    said[torch.rand(batch, generator=generator) < UNPROMPTED] = text.tokenise([""])[0]
    return pixels(told.pictures[rows]), said


def _objective(unet: nn.Module):
    """The hybrid loss: the noise by its squared error, the variance by the bound."""
    unet.to(memory_format=torch.channels_last)
    scheduler = stages.scheduler()
    table, betas = on_device(scheduler.alphas_cumprod), on_device(scheduler.betas)

    def objective(x: Tensor, noise: Tensor, times: Tensor, states: Tensor, small: Tensor | None = None, **more):
        alphas = table[times]
        seen = add_noise(x, noise, alphas)
        seen = seen if small is None else torch.cat([seen, small], 1)
        seen = seen.contiguous(memory_format=torch.channels_last)
        guess, fraction = unet(seen, times, states, return_dict=False, **more)[0].chunk(2, 1)
        error = noise_error(guess, noise, alphas)
        bound = variance_bound(fraction, guess - noise, times, betas)
        return error + bound, {"error": error.item(), "bound": bound.item()}

    return objective

"""What networks learn from: stratified times, noise with an offset, a weighted error, velocity."""

from __future__ import annotations

import torch
from torch import Tensor

GAMMA = 5.0  # of min-SNR weighting; its square root, as words decide the layout where noise is strongest
OFFSET = 0.2  # of noise constant over each channel: else the mean of the noise gives the background away, unread
FLOOR = 0.004  # of the signal-to-noise ratio in the weight, where Stable Diffusion's schedule ends; others end at 0
EARLY = 0.75  # power of the share of the run: below 1 rather early, where words decide


def draw_times(batch: int, steps: int, generator: torch.Generator, early: float = EARLY) -> Tensor:
    """One time in each of `batch` slices of the run, for less noise in the gradient."""
    slices = (torch.arange(batch) + torch.rand(batch, generator=generator)) / batch
    return (slices**early * steps).long()


def draw_noise(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Gaussian noise (B, C, ...) with an offset that a channel of a sample has everywhere."""
    noise = torch.randn(shape, generator=generator)
    return noise + OFFSET * torch.randn((*shape[:2], *[1] * (len(shape) - 2)), generator=generator)


def add_noise(x: Tensor, noise: Tensor, alphas: Tensor) -> Tensor:
    """Samples (B, ...) noised to where `alphas` (B,), the cumulated alphas of their times, is left of them."""
    alphas = alphas.view(-1, *[1] * (x.ndim - 1))
    return alphas.sqrt() * x + (1 - alphas).sqrt() * noise


def noise_error(guess: Tensor, noise: Tensor, alphas: Tensor) -> Tensor:
    """The squared error of noise guessed (B, ...), weighted by the square root of min-SNR; a scalar."""
    snr = (alphas / (1 - alphas)).clamp(min=FLOOR)
    weight = snr.clamp(max=GAMMA).sqrt() / snr
    return (weight * (guess - noise).square().flatten(1).mean(1)).mean()


def velocity(x: Tensor, noise: Tensor, alphas: Tensor) -> Tensor:
    """What is to be predicted (B, ...) where noise alone may be left of samples, which says nothing of itself."""
    return add_noise(noise, -x, alphas)

"""How a network learns the variance of its steps: the bound of Nichol & Dhariwal (2021), for a frozen mean."""

from __future__ import annotations

import torch
from torch import Tensor


def variance_bound(fraction: Tensor, error: Tensor, times: Tensor, betas: Tensor) -> Tensor:
    """The divergence of the step that the network would take from the step that leads to the sample; a scalar.

    `fraction` (B, 3, H, W), -1 to 1, is where the network puts the variance between its bounds (eq. 15); `error` is
    that of the noise it guessed, `times` (B,) when, `betas` (T,) the schedule. The last step adds no noise, so its
    variance is not asked for.
    """
    alphas = (1 - betas).cumprod(0)
    before = torch.cat([betas.new_ones(1), alphas[:-1]])
    posterior = (betas * (1 - before) / (1 - alphas)).clamp(min=1e-20)  # the variance if the sample were known
    scale = betas / ((1 - betas) * (1 - alphas)).sqrt()  # of an error of the noise, in the mean of the step

    lower, upper, scale = (_over_pixels(values[times]) for values in (posterior.log(), betas.log(), scale))
    share = (fraction + 1) / 2
    log_variance = share * upper + (1 - share) * lower
    distance = (scale * error.detach()).square()
    divergence = (log_variance - lower + (lower.exp() + distance) * (-log_variance).exp() - 1) / 2
    return (divergence.flatten(1).mean(1) * (times > 0)).mean()


def _over_pixels(values: Tensor) -> Tensor:
    return values.view(-1, 1, 1, 1)

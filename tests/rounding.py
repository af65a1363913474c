"""Rounding as another processor might have it, for `pytest -p tests.rounding`.

Kernels add up in an order of their own, by processor, number of threads and size of a batch, so that the last bits of a
sum differ. Here the outputs of convolutions, linear layers and attention are off in their last bits as well, by what
depends on the number itself, the shape and a seed (ROUNDING, 0 by default): the same call gives the same bits, as it
does on any one machine, and another shape or seed gives others. A test that such a difference fails leans on the
processor that it was written on.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable

import torch
from torch.nn import functional

SEED = int(os.environ.get("ROUNDING", "0"))
UNITS = 2.0  # of the last place, of the largest number


def off(x: torch.Tensor) -> torch.Tensor:
    """``x``, each number by up to `UNITS` of the last place off."""
    if x.dtype not in (torch.float32, torch.float64) or x.numel() == 0 or x.device.type == "meta":
        return x  # in half precision a unit of the largest number drowns the small ones, as no processor does
    size = UNITS * torch.finfo(x.dtype).eps * x.detach().abs().amax()
    phase = 1 + SEED + sum((i + 1) * n for i, n in enumerate(x.shape))
    return x + size * torch.sin(x.detach() * 12345.678 + phase)


def rounding_otherwise(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    @functools.wraps(function)
    def rounded(*args: object, **kwargs: object) -> torch.Tensor:
        return off(function(*args, **kwargs))

    return rounded


for name in ("linear", "conv1d", "conv2d", "conv3d", "scaled_dot_product_attention"):
    setattr(functional, name, rounding_otherwise(getattr(functional, name)))
for name in ("matmul", "bmm", "baddbmm"):
    setattr(torch, name, rounding_otherwise(getattr(torch, name)))

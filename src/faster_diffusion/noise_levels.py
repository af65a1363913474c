"""Pipelines that call their network with a function of the noise level instead of the scheduler's timestep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


def quarter_log_sigma(scheduler: Any) -> torch.Tensor:
    """c_noise = log(sigma) / 4 of every step (Table 1 of arXiv 2206.00364), shape (n,).

    One by one: the logarithm of all together may differ in the last bit from what a sampling loop computes.
    """
    steps = len(scheduler.timesteps)
    return torch.stack([torch.log(sigma) * 0.25 for sigma in scheduler.sigmas[:steps]])


# Class of a pipeline -> from its scheduler to the inputs of its network.
INPUTS: dict[str, Callable[[Any], torch.Tensor]] = {"StableDiffusionLatentUpscalePipeline": quarter_log_sigma}


def inputs_of(pipe: Any) -> Callable[[], torch.Tensor] | None:
    """What gives the inputs of the network of ``pipe`` for its scheduler's timesteps; ``None`` if they are those."""
    known = [INPUTS[base.__name__] for base in type(pipe).__mro__ if base.__name__ in INPUTS]
    return (lambda: known[0](pipe.scheduler)) if known else None

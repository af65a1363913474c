"""Prior noise injection: z_t <- z_t + alpha * z_T in the late steps (Sec. 3.4, Eq. 4 of arXiv 2312.09608)."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from .config import PriorNoise
from .engine import Run


@contextmanager
def injected(scheduler: Any, noise: PriorNoise, run: Run) -> Iterator[None]:
    """Within it, what ``scheduler.step`` returns carries the noise of the step that it leads to.

    So the latent gains it before the network and ``scale_model_input`` see it, in any sampling loop, whether the
    network then runs or not. No step leads to the first one; there the latent is z_T itself, and grows by alpha.
    """
    injection = _Injection(scheduler, noise, run)
    step, scale = scheduler.step, injection.scale

    @functools.wraps(step)
    def noisy_step(model_output: torch.Tensor, timestep: Any, sample: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        if injection.initial is None:
            sample = injection.begin(sample, timestep)
        return injection.after(step(model_output, timestep, sample, *args, **kwargs), timestep)

    @functools.wraps(scale)
    def noisy_scale(sample: torch.Tensor, timestep: Any = None, *args: Any, **kwargs: Any) -> Any:
        if injection.initial is None and injection.is_late(injection.order_of(timestep)):
            sample = sample * (1 + noise.alpha)
        return scale(sample, timestep, *args, **kwargs)

    with _attributes(scheduler, step=noisy_step, scale_model_input=noisy_scale):
        yield


class _Injection:
    """The noise of one run.

    Latents of Euler, Heun, LMS and their like live in sigma space; ``scale_model_input`` takes them to the space in
    which the paper's equation holds (unit variance), there and back. For other schedulers it is the identity.
    """

    def __init__(self, scheduler: Any, noise: PriorNoise, run: Run) -> None:
        self.initial: torch.Tensor | None = None  # z_T of unit variance, shape of the latent
        self._scheduler, self._noise, self._run = scheduler, noise, run
        self.scale = getattr(scheduler, "scale_model_input", lambda sample, timestep: sample)

    def begin(self, sample: torch.Tensor, timestep: Any) -> torch.Tensor:
        """Takes note of z_T at the first step, and gives back what that step starts from."""
        self.initial = sample * self._factor(sample, timestep)
        return sample * (1 + self._noise.alpha) if self.is_late(self.order_of(timestep)) else sample

    def after(self, output: Any, timestep: Any) -> Any:
        """The scheduler's output with the noise of the next step added to its latent."""
        order = self.order_of(timestep)
        if order is None:
            self._run.warn("Prior noise is left out: the timestep given to scheduler.step does not tell the step.")
            return output
        if not self.is_late(order + 1):
            return output
        latent, initial = output[0], self.initial
        assert initial is not None
        if latent.shape != initial.shape:
            self._run.warn(f"Prior noise is left out: latents changed from {initial.shape} to {latent.shape}.")
            return output
        factor = self._factor(latent, self._run.plan.trajectory.timesteps[order + 1])
        latent = latent + (self._noise.alpha * initial / factor).to(latent.dtype)
        if isinstance(output, tuple):
            return (latent, *output[1:])
        output.prev_sample = latent
        return output

    def order_of(self, timestep: Any) -> int | None:
        return self._run.plan.trajectory.order_of(timestep)

    def is_late(self, order: int | None) -> bool:
        """Whether the step belongs to the part of sampling that gets noise: t / num_train_timesteps < start."""
        timesteps = self._run.plan.trajectory.values
        if order is None or order >= len(timesteps) or not self._run.plan.propagates:
            return False
        if "sigma_data" in self._scheduler.config:  # EDM: timesteps are log sigma / 4, so the order has to tell
            return order >= (1 - self._noise.start) * len(timesteps)
        training_steps: int = self._scheduler.config.num_train_timesteps
        return timesteps[order] < self._noise.start * training_steps

    def _factor(self, latent: torch.Tensor, timestep: Any) -> torch.Tensor:
        factor: torch.Tensor = self.scale(latent.new_ones(1), timestep)
        return factor


@contextmanager
def _attributes(instance: Any, **attributes: Any) -> Iterator[None]:
    """Overrides attributes of an instance for a while."""
    before = {name: vars(instance)[name] for name in attributes if name in vars(instance)}
    vars(instance).update(attributes)
    try:
        yield
    finally:
        for name in attributes:
            del vars(instance)[name]
        vars(instance).update(before)

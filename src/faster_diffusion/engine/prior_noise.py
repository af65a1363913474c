"""Prior noise injection: z_t <- z_t + alpha * z_T in the late steps (Sec. 3.4, Eq. 4 of arXiv 2312.09608)."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from ..options.prior_noise import PriorNoise
from .once import WarnOnce
from .overriding import overridden
from .plan import Plan
from .trajectory import Trajectory


@contextmanager
def injected(scheduler: Any, noise: PriorNoise, plan: Plan, warn: WarnOnce) -> Iterator[None]:
    """Within it, what ``scheduler.step`` returns carries the noise of the step that it leads to.

    So the latent gains it before the network and ``scale_model_input`` see it, in any sampling loop, whether the
    network then runs or not. No step leads to the first one; there the latent is z_T itself, and grows by alpha.
    A copy of the scheduler that the loop makes and goes on with (Text2Video-Zero) carries the noise on.
    """
    with ExitStack() as stack:
        _inject(scheduler, _Injection(scheduler, noise, plan, warn), stack)
        yield


def _inject(scheduler: Any, injection: _Injection, stack: ExitStack) -> None:
    step, scale = scheduler.step, injection.scale

    @functools.wraps(step)
    def noisy_step(model_output: torch.Tensor, timestep: Any, sample: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        if injection.begins_at(timestep):
            sample = injection.begin(sample, timestep)
        return injection.after(step(model_output, timestep, sample, *args, **kwargs), timestep)

    @functools.wraps(scale)
    def noisy_scale(sample: torch.Tensor, timestep: Any = None, *args: Any, **kwargs: Any) -> Any:
        if injection.begins_at(timestep) and injection.is_late(injection.step_of(timestep)):
            sample = injection.grow(sample)
        return scale(sample, timestep, *args, **kwargs)

    def deepcopied(memo: dict[int, Any]) -> Any:
        twin = memo[id(scheduler)] = object.__new__(type(scheduler))
        own = {name: value for name, value in vars(scheduler).items() if name not in noisy} | before
        vars(twin).update(copy.deepcopy(own, memo))
        _inject(twin, injection.on(twin), stack)
        return twin

    noisy = {"step": noisy_step, "scale_model_input": noisy_scale, "__deepcopy__": deepcopied}
    before = stack.enter_context(overridden(scheduler, **noisy))


class _Injection:
    """The noise of one run.

    Latents of Euler, Heun, LMS and their like live in sigma space; ``scale_model_input`` takes them to the space in
    which the paper's equation holds (unit variance), there and back. For other schedulers it is the identity.
    """

    def __init__(self, scheduler: Any, noise: PriorNoise, plan: Plan, warn: WarnOnce) -> None:
        self._initial: torch.Tensor | None = None  # z_T of unit variance, shape of the latent
        self._first: tuple[Trajectory, int] | None = None  # the step with z_T
        self._scheduler, self._noise, self._plan, self._warn = scheduler, noise, plan, warn
        self.scale = _scaling_of(scheduler)

    def on(self, scheduler: Any) -> _Injection:
        """The same noise, for a copy of the scheduler."""
        other = copy.copy(self)
        other._scheduler, other.scale = scheduler, _scaling_of(scheduler)
        return other

    def begins_at(self, timestep: Any) -> bool:
        """Whether the step is the first of the run, or of another pass of it (FreeInit), so that its latent is z_T."""
        if self._first is None:
            return True
        trajectory, first = self._first
        index = self.step_of(timestep)
        return self._plan.trajectory is not trajectory and index is not None and index <= first

    def begin(self, sample: torch.Tensor, timestep: Any) -> torch.Tensor:
        """Takes note of z_T at the first step, and gives back what that step starts from."""
        index = self.step_of(timestep)
        self._first = self._plan.trajectory, -1 if index is None else index
        self._initial = sample * self._factor(sample, timestep)
        return self.grow(sample) if self.is_late(index) else sample

    def grow(self, sample: torch.Tensor) -> torch.Tensor:
        """z_T with its own noise."""
        return sample * (1 + self._noise.alpha)

    def after(self, output: Any, timestep: Any) -> Any:
        """The scheduler's output with the noise of the next step added to its latent."""
        index = self.step_of(timestep)
        if index is None:
            self._warn("Prior noise is left out: the timestep given to scheduler.step does not tell the step.")
            return output
        if not self.is_late(index + 1):
            return output
        latent, initial = output[0], self._initial
        assert initial is not None
        if initial.shape not in (latent.shape, (1, *latent.shape[1:])):  # one for all: frames that grew from one
            self._warn(f"Prior noise is left out: latents changed from {initial.shape} to {latent.shape}.")
            return output
        factor = self._factor(latent, self._plan.trajectory.timesteps[index + 1])
        latent = latent + (self._noise.alpha * initial / factor).to(latent.dtype)
        if isinstance(output, tuple):
            return (latent, *output[1:])
        output.prev_sample = latent
        return output

    def step_of(self, timestep: Any) -> int | None:
        return self._plan.step_of(timestep)

    def is_late(self, index: int | None) -> bool:
        """Whether the step belongs to the part of sampling that gets noise: t / num_train_timesteps < start."""
        timesteps = self._plan.trajectory.values
        if index is None or index >= len(timesteps) or not self._plan.propagates:
            return False
        if "sigma_data" in self._scheduler.config:  # EDM: timesteps are log sigma / 4, so the index has to tell
            return index >= (1 - self._noise.start) * len(timesteps)
        training_steps: int = self._scheduler.config.num_train_timesteps
        return timesteps[index] < self._noise.start * training_steps

    def _factor(self, latent: torch.Tensor, timestep: Any) -> torch.Tensor:
        return self.scale(latent.new_ones(1), timestep)


def _scaling_of(scheduler: Any) -> Callable[..., torch.Tensor]:
    scale: Callable[..., torch.Tensor] = getattr(scheduler, "scale_model_input", lambda sample, timestep=None: sample)
    return scale

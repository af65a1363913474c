"""Prior noise injection: z_t <- z_t + alpha * z_T in the late steps (Sec. 3.4, Eq. 4 of arXiv 2312.09608)."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

import torch

from ..options.prior_noise import PriorNoise
from .counts import Counts
from .course import Course, Move
from .once import WarnOnce
from .overriding import overridden
from .plan import Plan
from .prospects import Prospects
from .sessions import interceptors_here


class Noisy(Protocol):
    """The run that gets the noise, as far as this has to know it."""

    plan: Plan
    counts: Counts
    prospects: Prospects
    warn: WarnOnce


@contextmanager
def injected(scheduler: Any, noise: PriorNoise, run: Noisy) -> Iterator[None]:
    """Within it, what ``scheduler.step`` returns carries the noise of the step that it leads to.

    So the latent gains it before the network and ``scale_model_input`` see it, in any sampling loop, whether the
    network then runs or not. No step leads to the first one; there the latent is z_T itself, and grows by alpha.
    Where nothing is reused, nothing has to be mended: such a pass through the steps gets no noise.
    A copy of the scheduler that the loop makes and goes on with (Text2Video-Zero) carries the noise on.
    """
    with ExitStack() as stack:
        _inject(scheduler, _Injection(scheduler, noise, run), stack)
        yield


def _inject(scheduler: Any, injection: _Injection, stack: ExitStack) -> None:
    step, scale = scheduler.step, injection.scale

    @functools.wraps(step)
    def noisy_step(model_output: torch.Tensor, timestep: Any, sample: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        if not injection.is_here():
            return step(model_output, timestep, sample, *args, **kwargs)
        if injection.begins_at(timestep):
            sample = injection.begin(sample, timestep)
        return injection.after(step(model_output, timestep, sample, *args, **kwargs), timestep)

    @functools.wraps(scale)
    def noisy_scale(sample: torch.Tensor, timestep: Any = None, *args: Any, **kwargs: Any) -> Any:
        if injection.is_here() and injection.begins_at(timestep) and injection.grows_at(timestep):
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

    def __init__(self, scheduler: Any, noise: PriorNoise, run: Noisy) -> None:
        self._initial: torch.Tensor | None = None  # z_T of unit variance, shape of the latent
        self._course = Course()
        self._scheduler, self._noise, self._run, self._plan = scheduler, noise, run, run.plan
        self.scale = _scaling_of(scheduler)

    def on(self, scheduler: Any) -> _Injection:
        """The same noise, for a copy of the scheduler."""
        other = copy.copy(self)
        other._scheduler, other.scale = scheduler, _scaling_of(scheduler)
        other._course = copy.copy(self._course)
        return other

    def is_here(self) -> bool:
        """Whether the scheduler is used by the run: others that share it get none of its noise."""
        return any(interceptor is self._run for interceptor in interceptors_here())

    def begins_at(self, timestep: Any) -> bool:
        """Whether the step is the first of a pass through the steps, so that its latent is z_T."""
        index = self.step_of(timestep)
        if self._initial is None or index is None:
            return self._initial is None
        return self._course.move(self._plan.trajectory, index) is Move.BEGINS and index <= self._course.first

    def begin(self, sample: torch.Tensor, timestep: Any) -> torch.Tensor:
        """Takes note of z_T at the first step, and gives back what that step starts from."""
        self._initial = sample * self._factor(sample, timestep)
        if not self.grows_at(timestep):
            return sample
        self._run.counts.noisy_steps += 1
        return self.grow(sample)

    def grows_at(self, timestep: Any) -> bool:
        """Whether the first step of a pass gets noise."""
        index = self.step_of(timestep)
        return index is not None and self._is_late(index) and self._run.prospects.reuse_from(index + 1)

    def grow(self, sample: torch.Tensor) -> torch.Tensor:
        """z_T with its own noise."""
        return sample * (1 + self._noise.alpha)

    def after(self, output: Any, timestep: Any) -> Any:
        """The scheduler's output with the noise of the next step added to its latent."""
        index = self.step_of(timestep)
        if index is None:
            self._run.warn(
                "Prior noise is left out: the timestep given to scheduler.step does not tell the step. The image has "
                "less texture than the option promises. Give it those of scheduler.timesteps."
            )
            return output
        self._course.make(self._plan.trajectory, index)
        if not (self._is_late(index + 1) and self._run.prospects.reuse_from(index + 1)):
            return output
        latent, initial = output[0], self._initial
        assert initial is not None
        if initial.shape not in (latent.shape, (1, *latent.shape[1:])):  # one for all: frames that grew from one
            self._run.warn(
                f"Prior noise is left out: latents changed from {tuple(initial.shape)} to {tuple(latent.shape)}. "
                "The image has less texture than the option promises; pass prior_noise=None if that is meant.",
                "latents changed",
            )
            return output
        self._run.counts.noisy_steps += 1
        factor = self._factor(latent, self._plan.trajectory.timesteps[index + 1])
        latent = latent + (self._noise.alpha * initial / factor).to(latent.dtype)
        if isinstance(output, tuple):
            return (latent, *output[1:])
        output.prev_sample = latent
        return output

    def step_of(self, timestep: Any) -> int | None:
        return self._plan.step_of(timestep)

    def _is_late(self, index: int) -> bool:
        """Whether the step belongs to the part of sampling that gets noise: t / num_train_timesteps < start."""
        timesteps = self._plan.trajectory.values
        if index >= len(timesteps):
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

"""Runs that are followed: where their latents go, and what the network says on the way."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any

import torch

from ..arms import Arm
from ..engine.correction import Terms
from ..engine.interception import watched
from ..generation.prompts import Prompt
from ..generation.sampling import Settings, generate, quiet
from ..models import schedulers
from ..models.calls import guidance_of, pixels_of
from ..models.pipelines import network_of
from ..models.stages import layout_of
from .stepping import stepping


@dataclass
class Path:
    """Where a run went: the latent before each step, and the last."""

    times: list[float] = field(default_factory=list)  # of the steps, descending
    latents: list[torch.Tensor] = field(default_factory=list)  # (B, C, ...), on the CPU; one more than times
    schedule: list[float] = field(default_factory=list)  # the scheduler's timesteps, of which these may be the last
    scaled: bool = False  # whether the network sees them scaled, as it does where they grow with the noise

    def at(self, time: float) -> torch.Tensor:
        """The latent at a timestep, (B, C, ...); between two of the run linearly."""
        after = next((i for i, of_step in enumerate(self.times) if of_step <= time), len(self.times))
        if after in (0, len(self.times)):
            return self.latents[after]
        before = self.times[after - 1]
        part = (before - time) / (before - self.times[after])
        return torch.lerp(self.latents[after - 1], self.latents[after], part)

    def errors(self, reference: Path, held_out: int) -> dict[str, float]:
        """How far the last latents are from those of another run, relative to their size, by split of the prompts."""
        last, there = self.latents[-1], reference.latents[-1]
        parts = {"fitted": slice(len(last) - held_out), "held out": slice(len(last) - held_out, None)}
        return {
            name: float((last[rows] - there[rows]).norm() / there[rows].norm())
            for name, rows in parts.items()
            if len(last[rows])
        }

    def decibels(self, reference: Path, images: int) -> float:
        """How much smaller the distance of the last latents from another run's is than they are, of the first images.

        The mean over ``images`` of 20 log10, as PSNR is averaged: one that ends elsewhere counts no more than others.
        """
        last, there = (path.latents[-1][:images].flatten(1) for path in (self, reference))
        return float(20 * (there.norm(dim=1) / (last - there).norm(dim=1).clamp_min(1e-12)).log10().mean())


@dataclass(frozen=True)
class Followed:
    """A run over some prompts, and where it went."""

    arm: Arm
    prompts: tuple[Prompt, ...]
    settings: Settings
    path: Path
    said: tuple[torch.Tensor, ...] = ()  # of every step, if it was listened to: see `follow`


Once = Callable[..., torch.Tensor]  # from a prediction (and a seed) to where a step of it leads
Change = Callable[[torch.Tensor, int, torch.Tensor, Once], torch.Tensor]


def follow(
    pipe: Any,
    arm: Arm,
    prompts: Sequence[Prompt],
    settings: Settings,
    change: Change | None = None,
    timesteps: Sequence[float] | None = None,
    *,
    listen: bool = False,
) -> Followed:
    """Samples prompts with an arm and keeps where its latents go.

    Args:
        change: may change the predictions that steps are made of. It is given a prediction, the index of the step, the
            latent as the network saw it, and what would come of it.
        timesteps: to go through instead of the arm's own.
        listen: whether to keep the first two of `Terms`, prediction and guidance, of every step, (B, C, ..., 2) on the
            CPU.

    Raises:
        ValueError: it is to be listened to, and the network is not called once a step on what the scheduler steps.
    """
    listener, said = Listener(pipe), []

    def keep(prediction: torch.Tensor, step: int, sample: torch.Tensor, _: Once) -> torch.Tensor:
        said.append(listener.terms(step, sample)[..., :2].cpu())
        return prediction

    with quiet([pipe]), arm.applied(pipe):
        scheduler = pipe.scheduler if timesteps is None else schedulers.placed(pipe.scheduler, timesteps)
        with (
            watched(network_of(pipe), listener.watch) if listen else nullcontext(),
            schedulers.used(scheduler, pipe),
            _following(scheduler, keep if listen else change) as path,
        ):
            generate(arm, [pipe], prompts, settings)
    return Followed(arm, tuple(prompts), settings, path, tuple(said))


def guidance_in(pipe: Any, settings: Settings) -> float | None:
    """The guidance scale that a pipeline samples at, its own where none is set; none if it has none."""
    return settings.guidance if settings.guidance is not None else guidance_of(type(pipe).__call__, pipe)


def size_of(pipe: Any, prompt: Prompt, settings: Settings) -> tuple[int, int] | None:
    """Height and width in pixels of what a pipeline samples, as its first network call shows; no more is made."""
    seen: list[tuple[int, int]] = []

    def look(call: Callable[[], Any]) -> Any:
        seen.append(pixels_of(pipe, call()[0].shape))
        raise _Seen

    with quiet([pipe]), suppress(_Seen), watched(network_of(pipe), look):
        generate(Arm(), [pipe], [prompt], settings)
    return seen[0] if seen else None


class _Seen(Exception):  # noqa: N818 - it is no error
    """Ends a run that has shown what it is asked for."""


class Listener:
    """Hears what the network says, and makes the terms of a correction of it."""

    def __init__(self, pipe: Any) -> None:
        self._conditional = layout_of(network_of(pipe)).conditional
        self._name = type(pipe).__name__
        self._outputs: list[torch.Tensor] = []  # of the network since the last step
        self._terms: Terms | None = None
        self.shape = (0, False)  # channels of the latent, and whether there is guidance

    def watch(self, call: Callable[[], Any]) -> Any:
        """Takes note of what the network gave."""
        output = call()
        self._outputs.append(output[0])
        return output

    def terms(self, step: int, sample: torch.Tensor) -> torch.Tensor:
        """What can be combined at a step whose latent the network saw as ``sample``, (B, C, ...); see `Terms.at`.

        Raises:
            ValueError: the network is not called once a step on what the scheduler steps.
        """
        outputs, self._outputs = self._outputs, []
        times = len(outputs[0]) / len(sample) if len(outputs) == 1 else 0  # that the latents are in the batch
        if times in (1, 2):
            if self._terms is None:
                self.shape = sample.shape[1], times == 2
                self._terms = Terms(*self.shape, self._conditional)
            terms = self._terms.at(step, outputs[0], torch.cat([sample] * int(times)))
            if terms.shape[:-1] == sample.shape:
                return terms
        raise ValueError(
            f"{self._name} cannot be fitted: of one step, the network has to be called once, on the latents that the "
            "scheduler steps, or on these twice for guidance."
        )

    def corrected(self, prediction: torch.Tensor, terms: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """See `Terms.corrected`."""
        assert self._terms is not None
        return self._terms.corrected(prediction, terms, weights)


@contextmanager
def _following(scheduler: Any, change: Change | None = None) -> Iterator[Path]:
    """Within it the path of one run is kept; see `follow` for ``change``."""
    path = Path()

    def follow(
        step: Callable[..., Any],
        model_output: torch.Tensor,
        timestep: Any,
        sample: torch.Tensor,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        seen = scheduler.scale_model_input(sample, timestep)
        path.scaled = path.scaled or not torch.equal(seen, sample)
        if change is not None:
            once = functools.partial(_once, scheduler, timestep, sample, args, kwargs)
            model_output = change(model_output, len(path.times), seen, once)
        output = step(model_output, timestep, sample, *args, **kwargs)
        path.latents[len(path.times) :] = [x.detach().float().cpu() for x in (sample, output[0])]
        path.times.append(float(timestep))
        path.schedule = path.schedule or scheduler.timesteps.tolist()
        return output

    with stepping(scheduler, follow):
        yield path


def _once(
    scheduler: Any, timestep: Any, sample: torch.Tensor, args: Any, kwargs: Any, output: torch.Tensor, seed: int = 0
) -> torch.Tensor:
    """Where a step leads, without making it: on a copy, as schedulers remember steps."""
    if "generator" in kwargs:  # the run's own must not be drawn from
        kwargs = {**kwargs, "generator": torch.Generator().manual_seed(seed)}
    return type(scheduler).step(copy.deepcopy(scheduler), output, timestep, sample, *args, **kwargs)[0].float()

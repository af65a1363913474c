"""Fits a correction: what to add to the predictions of a short run, so that it goes where a run of many steps goes.

Step by step, on all prompts at once: the short run stands somewhere, the long run of the same seeds is known, and the
combination of what the network said that leads nearest to it, by least squares, is fitted and taken. So every step
makes up for what the steps before it left. A handful of numbers a step is fitted to thousands of pixels, so that a
few prompts are enough; some of them are held out to show it.
"""

from __future__ import annotations

import copy
import functools
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any

import torch

from .. import solvers, videos
from ..active import watched
from ..arms import Arm
from ..config import PropagationConfig
from ..correction import TERMS, Correction, Terms
from ..evaluation.drawing import Settings, check_askable, draw, quiet
from ..evaluation.prompts import Prompt
from ..profile import Fingerprint, Profile, Solver
from ..stages import layout_of, network_of
from .stepping import stepping

logger = logging.getLogger(__name__)

_REFERENCE_STEPS = 150  # at least
_RIDGE = 1e-3  # of a combination's size, in units of its terms: keeps terms that say the same from cancelling out


def fit(
    pipe: Any,
    arm: Arm | str,
    prompts: Sequence[Prompt | str],
    *,
    settings: Settings | None = None,
    held_out: int | None = None,
    reference: Arm | str | None = None,
    seed: int = 0,
) -> Profile:
    """Fits the correction of a short run, on this pipeline at this guidance scale.

    All prompts are drawn at once, by the short run and by the reference.

    Args:
        pipe: a pipeline that draws from prompts, or from classes.
        arm: the short run: a solver and its steps, ``"ddim-trailing:8"``, or with a plan.
        prompts: the last ``held_out`` (by default a third) do not fit, but show whether others gain too. Texts get
            seeds that count up from ``seed``.
        settings: guidance, size.
        reference: the run of many steps that it should go along with, ``"dpm++-trailing:150"``; by default 150 steps of
            the arm's own solver, or a few more.

    Returns:
        A profile for ``fd.enable(pipe, key_steps=...)`` once it is saved; its config has the correction, and
        ``measured`` how far from the reference the last latents are, with and without, relative to their size.

    Raises:
        ValueError: the arm has no steps of its own, its solver draws noise at every step or calls the network more
            than once, the reference's solver scales latents otherwise, or the pipeline does not sample in a way that
            can be followed.
    """
    arm, settings = Arm.parse(arm) if isinstance(arm, str) else arm, settings or Settings()
    named = [Prompt(p, seed + number) if isinstance(p, str) else p for number, p in enumerate(prompts)]
    held_out = len(named) // 3 if held_out is None else held_out
    steps = _short(arm, pipe)[1]
    if not 0 <= held_out < len(named):
        raise ValueError(f"Of {len(named)} prompts {held_out} are held out: at least one has to fit.")
    check_askable([pipe], named)
    if len(named) > 1 and not videos.in_batches(pipe):
        raise ValueError(f"{type(pipe).__name__} draws one video at a time; give one prompt.")
    check_fits(pipe, arm, named[0], settings)
    if reference is None:
        reference = Arm(arm.solver, steps * ceil(_REFERENCE_STEPS / steps))
    long = follow(pipe, Arm.parse(reference) if isinstance(reference, str) else reference, named, settings)
    return fit_to(long, pipe, arm, held_out)


def check_fits(pipe: Any, arm: Arm, prompt: Prompt, settings: Settings) -> None:
    """Raises ValueError if the first step of a short run shows that it cannot be fitted: before any long run."""
    _short(arm, pipe)
    fitting = _Fitting(pipe, _Path(), (), 1)

    def check(prediction: torch.Tensor, order: int, sample: torch.Tensor, once: Once) -> torch.Tensor:
        fitting.look(prediction, order, sample, once)
        raise _Fits

    with suppress(_Fits), watched(network_of(pipe), fitting.watch):
        follow(pipe, arm, [prompt], settings, check)


class _Fits(Exception):  # noqa: N818 - it is no error
    """Ends a run whose first step can be fitted."""


@dataclass(frozen=True)
class Followed:
    """A run over some prompts, and where it went."""

    arm: Arm
    prompts: tuple[Prompt, ...]
    settings: Settings
    path: _Path


def follow(
    pipe: Any, arm: Arm, prompts: Sequence[Prompt], settings: Settings, change: Change | None = None
) -> Followed:
    """Draws prompts with an arm and keeps where its latents go; see `_following` for ``change``."""
    with quiet([pipe]), arm.applied(pipe), _following(pipe.scheduler, change) as path:
        draw(arm, [pipe], prompts, settings)
    return Followed(arm, tuple(prompts), settings, path)


def fit_to(long: Followed, pipe: Any, arm: Arm, held_out: int) -> Profile:
    """Fits a short run to a long one that was followed before, but for the last ``held_out`` prompts; see `fit`."""
    solver, steps = _short(arm, pipe)
    prompts, config = long.prompts, arm.propagation or PropagationConfig("all", prior_noise=None)
    plain = follow(pipe, arm, prompts, long.settings).path
    if plain.scaled != long.path.scaled:
        reason = f"{long.arm.spec} scales latents otherwise than {arm.spec}"
        raise ValueError(f"{reason}; fit it to a run of its own solver.")
    fitting = _Fitting(pipe, long.path, plain.times, len(prompts) - held_out)
    with watched(network_of(pipe), fitting.watch):
        corrected = follow(pipe, arm, prompts, long.settings, fitting.change).path
    error, error_before = (path.errors(long.path, held_out) for path in (corrected, plain))
    measured = {
        "reference": long.arm.spec,
        "guidance": long.settings.guidance,
        "prompts": {"fitted": len(prompts) - held_out, "held out": held_out},
        "error": error,
        "error_uncorrected": error_before,
    }
    notes = [f"arm {arm.spec}, corrected"]
    if held_out and error["held out"] >= error_before["held out"]:
        notes.append("NOT CONFIRMED: on held-out prompts it is no better than without its correction.")
        logger.warning("The correction of %s does not help on held-out prompts: fit it on more.", arm.spec)
    model = Fingerprint.of(pipe, network_of(pipe))
    return Profile(model, solver, steps, replace(config, correction=fitting.correction(steps)), measured, tuple(notes))


def _short(arm: Arm, pipe: Any) -> tuple[Solver, int]:
    """The solver and the steps of an arm, if it can be fitted."""
    if arm.step_count is None:
        raise ValueError(f"A correction is fitted for a number of steps, as in ddim-trailing:8; {arm.spec!r} has none.")
    if arm.peers:
        raise ValueError(f"A correction is fitted for a solver and a plan; leave {arm.peers[0].name} out.")
    if arm.propagation is not None and arm.propagation.correction is not None:
        raise ValueError(f"{arm.spec!r} has a correction already; leave it out to fit another.")
    with arm.applied(pipe):
        calls = solvers.network_calls(pipe.scheduler, arm.step_count)
        if calls != arm.step_count:
            raise ValueError(
                f"A correction is fitted for one network call a step; {arm.spec} makes {calls} in {arm.step_count}."
            )
        return Solver.of(pipe.scheduler), arm.step_count


@dataclass
class _Path:
    """Where a run went: the latent before each step, and the last."""

    times: list[float] = field(default_factory=list)  # of the steps, descending
    latents: list[torch.Tensor] = field(default_factory=list)  # (B, C, ...), on the CPU; one more than times
    scaled: bool = False  # whether the network sees them scaled, as it does where they grow with the noise

    def at(self, time: float) -> torch.Tensor:
        """The latent at a timestep, (B, C, ...); between two of the run linearly."""
        after = next((i for i, of_step in enumerate(self.times) if of_step <= time), len(self.times))
        if after in (0, len(self.times)):
            return self.latents[after]
        before = self.times[after - 1]
        share = (before - time) / (before - self.times[after])
        return torch.lerp(self.latents[after - 1], self.latents[after], share)

    def errors(self, reference: _Path, held_out: int) -> dict[str, float]:
        """How far the last latents are from those of another run, relative to their size, by split of the prompts."""
        last, there = self.latents[-1], reference.latents[-1]
        parts = {"fitted": slice(len(last) - held_out), "held out": slice(len(last) - held_out, None)}
        return {
            name: float((last[rows] - there[rows]).norm() / there[rows].norm())
            for name, rows in parts.items()
            if len(last[rows])
        }


Once = Callable[..., torch.Tensor]  # from a prediction (and a seed) to where a step of it leads
Change = Callable[[torch.Tensor, int, torch.Tensor, Once], torch.Tensor]


@contextmanager
def _following(scheduler: Any, change: Change | None = None) -> Iterator[_Path]:
    """Within it the path of one run is kept. ``change`` may change the predictions that steps are made of.

    It is given a prediction, the order of the step, the latent as the network saw it, and what would come of it.
    """
    path = _Path()

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


class _Fitting:
    """Fits the weights of one step after another while a run goes on.

    Args:
        reference: where the run should go.
        times: the timesteps of the run.
        rows: how many of the images fit, the first ones.
    """

    def __init__(self, pipe: Any, reference: _Path, times: Sequence[float], rows: int) -> None:
        self._reference, self._times, self._rows = reference, times, rows
        self._prompted = layout_of(network_of(pipe)).prompted
        self._name = type(pipe).__name__
        self._outputs: list[torch.Tensor] = []  # of the network since the last step
        self._terms: Terms | None = None
        self._shape = (0, False)  # channels of the latent, and whether there is guidance
        self._weights: list[tuple[float, ...]] = []

    def correction(self, steps: int) -> Correction:
        """For a run of so many steps, of which a pipeline that starts from a picture leaves the first ones out."""
        left_out = [(0.0,) * len(TERMS)] * (steps - len(self._weights))
        return Correction((*left_out, *self._weights), *self._shape)

    def watch(self, call: Callable[[], Any]) -> Any:
        """Takes note of what the network gave."""
        output = call()
        self._outputs.append(output[0])
        return output

    def change(self, prediction: torch.Tensor, order: int, sample: torch.Tensor, once: Once) -> torch.Tensor:
        """The prediction of a step with the best combination of its terms added."""
        terms, gain, base = self.look(prediction, order, sample, once)
        following = self._times[order + 1] if order + 1 < len(self._times) else float("-inf")
        missing = self._reference.at(following).to(base.device) - base
        weights = _least_squares((gain[..., None] * terms)[: self._rows], missing[: self._rows])
        self._weights.append(tuple(weights.tolist()))
        assert self._terms is not None
        return self._terms.corrected(prediction, terms, weights.to(terms))

    def look(
        self, prediction: torch.Tensor, order: int, sample: torch.Tensor, once: Once
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What can be combined at a step, how far that moves, and where it leads without correction."""
        return self._terms_at(order, sample), *self._gain(prediction, once)

    def _terms_at(self, order: int, sample: torch.Tensor) -> torch.Tensor:
        outputs, self._outputs = self._outputs, []
        times = len(outputs[0]) / len(sample) if len(outputs) == 1 else 0  # that the latents are in the batch
        if times in (1, 2):
            if self._terms is None:
                self._shape = sample.shape[1], times == 2
                self._terms = Terms(*self._shape, self._prompted)
            terms = self._terms.at(order, outputs[0], torch.cat([sample] * int(times)))
            if terms.shape[:-1] == sample.shape:
                return terms
        raise ValueError(
            f"{self._name} cannot be fitted: of one step, the network has to be called once, on the latents that the "
            "scheduler steps, or on these twice for guidance."
        )

    def _gain(self, prediction: torch.Tensor, once: Once) -> tuple[torch.Tensor, torch.Tensor]:
        """How far a step moves with its prediction, by element, and where it leads without correction."""
        base, more = once(prediction), prediction.clone()
        if not self._weights and not torch.equal(base, once(prediction, 1)):
            raise ValueError(
                "The solver draws noise at every step, so that no run leads where another does; not fitted."
            )
        more[:, : self._shape[0]] += 1
        return once(more) - base, base


def _least_squares(terms: torch.Tensor, missing: torch.Tensor) -> torch.Tensor:
    """The weights of terms (..., n) that sum up to what is missing (...), as nearly as can be; (n,), double."""
    matrix, target = terms.reshape(-1, terms.shape[-1]).cpu().double(), missing.flatten().cpu().double()
    size = matrix.square().mean(0).sqrt()
    scaled = matrix / size.where(size > 0, 1)
    normal = scaled.T @ scaled / len(target) + _RIDGE * torch.eye(len(size), dtype=torch.double)
    return torch.linalg.solve(normal, scaled.T @ target / len(target)) / size.where(size > 0, 1)

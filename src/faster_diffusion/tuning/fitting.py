"""Fits a correction: what to add to the predictions of a short run, so that it goes where a run of many steps goes.

Step by step, on all prompts at once: the short run stands somewhere, the long run of the same seeds is known, and the
combination of what the network said that leads nearest to it, by least squares, is fitted and taken. So every step
makes up for what the steps before it left. A handful of numbers a step is fitted to thousands of pixels, so that a
few prompts are enough; some of them are held out to show it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from math import ceil
from pathlib import Path as Folder
from typing import Any

import torch

from ..arms import Arm
from ..engine.interception import watched
from ..generation import videos
from ..generation.prompts import Prompt, seeded
from ..generation.sampling import Settings, check_askable
from ..models import schedulers
from ..models.calls import pixels_of
from ..models.fingerprint import Fingerprint
from ..models.pipelines import network_of
from ..models.schedulers import Solver
from ..options.config import PropagationConfig
from ..options.correction import TERMS, Correction
from ..options.profile import Profile
from . import placement
from .following import Followed, Listener, Once, Path, follow, guidance_in
from .kept import follow_and_keep
from .steps import places

logger = logging.getLogger(__name__)

_REFERENCE_STEPS = 150  # at least
RUNS = {False: 1, True: 4}  # fits that are tried, by whether timesteps are optimised
_RIDGE = 1e-5  # of a combination's size, in units of its terms: keeps terms that say the same from cancelling out


def fit(
    pipe: Any,
    arm: Arm | str,
    prompts: Sequence[Prompt | str],
    *,
    settings: Settings | None = None,
    held_out: int | None = None,
    reference: Arm | str | None = None,
    place: bool = False,
    seed: int = 0,
    folder: str | Folder | None = None,
    progress: bool = False,
) -> Profile:
    """Fits the correction of a short run, on this pipeline at this guidance scale.

    The short run generates images of all prompts at once, the reference ``settings.batch_size`` at a time.

    Args:
        pipe: a pipeline that generates from prompts, or from classes.
        arm: the short run: a solver and its steps, ``"ddim-trailing:8"``, or with a plan.
        prompts: the last ``held_out`` (by default a third) do not fit, but show whether others gain too. Texts get
            seeds that count up from ``seed``.
        settings: guidance, size.
        reference: the run of many steps that it should go along with, ``"dpm++-trailing:150"``; by default 150 steps of
            the arm's own solver, or a few more; with ``place`` 150 of DPM-Solver++.
        place: whether to optimise the timesteps of the short run too: where the reference shows that it errs least, or
            at a power law of noise levels, whichever comes nearest; see `steps`. Its solver has to take timesteps of
            one's own, as that of ``"dpm++1-trailing:8"`` does.
        folder: where the reference is kept, batch by batch; called again after it was killed, it goes on from there.
        progress: whether to show a progress bar on stderr.

    Returns:
        A profile for ``fd.enable(pipe, key_steps=...)`` once it is saved; its config has the correction, and
        ``measured`` how far from the reference the last latents are, with and without, relative to their size.

    Raises:
        ValueError: the arm has no steps of its own, its solver adds noise at every step or calls the network more
            than once, the reference's solver scales latents otherwise, or the pipeline does not sample in a way that
            can be followed; or its timesteps cannot be optimised.
    """
    arm, settings = Arm.parse(arm) if isinstance(arm, str) else arm, settings or Settings()
    if arm.profile is not None:
        raise ValueError(f"{arm.spec!r} is made already; give a solver and its steps, such as ddim-trailing:8.")
    named = seeded(prompts, seed)
    held_out = len(named) // 3 if held_out is None else held_out
    steps = _short(arm, pipe)[1]
    if not 0 <= held_out < len(named):
        raise ValueError(f"Of {len(named)} prompts {held_out} are held out: at least one has to fit.")
    check_askable([pipe], named)
    if len(named) > 1 and not videos.in_batches(pipe):
        raise ValueError(f"{type(pipe).__name__} generates one video at a time; give one prompt.")
    check_fits(pipe, arm, named[0], settings, place=place)
    if reference is None:
        own = Arm(arm.solver, steps * ceil(_REFERENCE_STEPS / steps))
        reference = f"dpm++-trailing:{_REFERENCE_STEPS}" if place else own
    reference = Arm.parse(reference) if isinstance(reference, str) else reference
    kept = None if folder is None else Folder(folder)
    long = follow_and_keep(pipe, reference, named, settings, kept, listen=place, progress=progress)
    return fit_to(long, pipe, arm, held_out, place=place)


def check_fits(pipe: Any, arm: Arm, prompt: Prompt, settings: Settings, *, place: bool = False) -> None:
    """Makes the first step of a short run, before any long one, to see whether it can be fitted.

    Raises:
        ValueError: it cannot; see `fit`.
    """
    steps = _short(arm, pipe)[1]
    if place:
        if arm.propagation is not None:
            raise ValueError(f"Timesteps are optimised for runs that compute all of them; {arm.spec!r} has a plan.")
        if prompt.start is not None:
            raise ValueError("Timesteps are optimised for runs from noise alone; these start from a picture.")
        with arm.applied(pipe):
            pipe.scheduler.set_timesteps(steps)
            placement.signals(schedulers.placed(pipe.scheduler, pipe.scheduler.timesteps.tolist()), ())
    fitting = _Fitting(pipe, Path(), (), 1)

    def check(prediction: torch.Tensor, step: int, sample: torch.Tensor, once: Once) -> torch.Tensor:
        fitting.look(prediction, step, sample, once)
        raise _Fits

    with suppress(_Fits), watched(network_of(pipe), fitting.listener.watch):
        follow(pipe, arm, [prompt], settings, check)


class _Fits(Exception):  # noqa: N818 - it is no error
    """Ends a run whose first step can be fitted."""


def fit_to(long: Followed, pipe: Any, arm: Arm, held_out: int, *, place: bool = False) -> Profile:
    """Fits a short run to a long one that was followed before, but for the last ``held_out`` prompts; see `fit`.

    To optimise its timesteps, the long one must have been listened to.

    Raises:
        ValueError: the arm cannot be fitted, or the long run's solver scales latents otherwise.
    """
    solver, steps = _short(arm, pipe)
    prompts, config = long.prompts, arm.propagation or PropagationConfig("all", prior_noise=None)
    fitted = len(prompts) - held_out
    plain = follow(pipe, arm, prompts, long.settings).path
    if plain.scaled != long.path.scaled:
        reason = f"{long.arm.spec} scales latents otherwise than {arm.spec}"
        raise ValueError(f"{reason}; fit it to a run of its own solver.")

    def fitted_at(timesteps: Sequence[float] | None) -> tuple[Correction, Path]:
        fitting = _Fitting(pipe, long.path, timesteps or plain.times, fitted)
        with watched(network_of(pipe), fitting.listener.watch):
            path = follow(pipe, arm, prompts, long.settings, fitting.change, timesteps).path
        return fitting.correction(path.schedule), path

    tried = {"": None} if not place else places(long, pipe.scheduler, steps, fitted)
    runs = {where: fitted_at(timesteps) for where, timesteps in tried.items()}
    where = max(runs, key=lambda where: runs[where][1].decibels(long.path, fitted))
    correction, path = runs[where]
    error, error_before = (run.errors(long.path, held_out) for run in (path, plain))
    measured = {
        "reference": long.arm.spec,
        "guidance": guidance_in(pipe, long.settings),
        "size": pixels_of(pipe, long.path.latents[-1].shape),
        "prompts": {"fitted": fitted, "held out": held_out},
        "error": error,
        "error_uncorrected": error_before,
    }
    notes = [f"arm {arm.spec}, corrected" + f", at {where}" * place]
    if held_out and error["held out"] >= error_before["held out"]:
        notes.append("NOT CONFIRMED: on held-out prompts it is no better than without its correction.")
        logger.warning("The correction of %s does not help on held-out prompts: fit it on more.", arm.spec)
    model = Fingerprint.of(pipe, network_of(pipe))
    return Profile(model, solver, steps, replace(config, correction=correction), measured, tuple(notes))


def _short(arm: Arm, pipe: Any) -> tuple[Solver, int]:
    """The solver and the steps of an arm, if it can be fitted."""
    if arm.step_count is None:
        raise ValueError(f"A correction is fitted for a number of steps, as in ddim-trailing:8; {arm.spec!r} has none.")
    if arm.third_party:
        raise ValueError(f"A correction is fitted for a solver and a plan; leave {arm.third_party[0].name} out.")
    if arm.propagation is not None and arm.propagation.correction is not None:
        raise ValueError(f"{arm.spec!r} has a correction already; leave it out to fit another.")
    with arm.applied(pipe):
        calls = schedulers.network_calls(pipe.scheduler, arm.step_count)
        if calls != arm.step_count:
            raise ValueError(
                f"A correction is fitted for one network call a step; {arm.spec} makes {calls} in {arm.step_count}."
            )
        return Solver.of(pipe.scheduler), arm.step_count


class _Fitting:
    """Fits the weights of one step after another while a run goes on.

    Args:
        reference: where the run should go.
        times: the timesteps of the run.
        rows: how many of the images fit, the first ones.
    """

    def __init__(self, pipe: Any, reference: Path, times: Sequence[float], rows: int) -> None:
        self._reference, self._times, self._rows = reference, times, rows
        self.listener = Listener(pipe)
        self._weights: list[tuple[float, ...]] = []

    def correction(self, timesteps: Sequence[float]) -> Correction:
        """For a run of these timesteps, of which a pipeline that starts from a picture leaves the first ones out."""
        left_out = [(0.0,) * len(TERMS)] * (len(timesteps) - len(self._weights))
        return Correction((*left_out, *self._weights), *self.listener.shape, tuple(timesteps))

    def change(self, prediction: torch.Tensor, step: int, sample: torch.Tensor, once: Once) -> torch.Tensor:
        """The prediction of a step with the best combination of its terms added."""
        terms, gain, base = self.look(prediction, step, sample, once)
        following = self._times[step + 1] if step + 1 < len(self._times) else float("-inf")
        missing = self._reference.at(following).to(base.device) - base
        weights = _least_squares((gain[..., None] * terms)[: self._rows], missing[: self._rows])
        self._weights.append(tuple(weights.tolist()))
        return self.listener.corrected(prediction, terms, weights.to(terms))

    def look(
        self, prediction: torch.Tensor, step: int, sample: torch.Tensor, once: Once
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What can be combined at a step, how far that moves, and where it leads without correction."""
        return self.listener.terms(step, sample), *self._gain(prediction, once)

    def _gain(self, prediction: torch.Tensor, once: Once) -> tuple[torch.Tensor, torch.Tensor]:
        """How far a step moves with its prediction, by element, and where it leads without correction."""
        base, more = once(prediction), prediction.clone()
        if not self._weights and not torch.equal(base, once(prediction, 1)):
            raise ValueError(
                "The solver adds noise at every step, so that no run leads where another does; not fitted."
            )
        more[:, : self.listener.shape[0]] += 1
        return once(more) - base, base


def _least_squares(terms: torch.Tensor, missing: torch.Tensor) -> torch.Tensor:
    """The weights of terms (..., n) that sum up to what is missing (...), as nearly as can be; (n,), double."""
    matrix, target = terms.reshape(-1, terms.shape[-1]).cpu().double(), missing.flatten().cpu().double()
    size = matrix.square().mean(0).sqrt()
    scaled = matrix / size.where(size > 0, 1)
    normal = scaled.T @ scaled / len(target) + _RIDGE * torch.eye(len(size), dtype=torch.double)
    return torch.linalg.solve(normal, scaled.T @ target / len(target)) / size.where(size > 0, 1)

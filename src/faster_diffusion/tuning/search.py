"""Which plans are worth their seconds: all are measured on a few prompts, those that hold their ground on more."""

from __future__ import annotations

import time as clock
from collections.abc import Mapping, Sequence
from statistics import fmean

from tqdm import tqdm

from ..arms import Arm
from .halving import dominated, pareto_front, survivors
from .lab import CALIBRATION, Lab

_TIMED = 16  # plans whose seconds are measured, at most
_KEPT = 0.5  # fraction of the plans that goes on to more prompts, at most


def measured(lab: Lab, arms: Sequence[Arm], split: str, progress: bool, about: str, batches: int | None = None) -> None:
    """Measures arms on all prompts of a split, or on the first ``batches``."""
    work = [(arm, batch) for batch in lab.batches(split)[:batches] for arm in arms]
    for arm, batch in tqdm(work, desc=about, unit="batch", disable=not progress):
        lab.measure(arm, split, batch)


def best_plans(
    lab: Lab, plans: Sequence[Arm], costs: Mapping[str, float], until: float | None, progress: bool
) -> tuple[list[Arm], bool]:
    """The plans that are worth their seconds, and whether there was time to try all.

    Successive halving over prompts: one batch, two, then all. The cheapest first, so that a small budget goes far.
    """
    batches, seen = lab.batches(CALIBRATION), 1
    alive = sorted(plans, key=lambda arm: costs[arm.spec])
    for upto in sorted({1, min(2, len(batches)), len(batches)}):
        if not _measured_in_time(lab, alive, batches[:upto], until, progress):  # what leads is measured in full still
            known = [arm for arm in alive if lab.measured(arm, CALIBRATION, batches[0])]
            best = leading(lab, known, costs, seen)
            measured(lab, best, CALIBRATION, progress, "what leads")
            return leading(lab, best, costs, None), False
        left, seen = survivors(*_standing(lab, alive, costs, upto), fraction=1 if upto == len(batches) else _KEPT), upto
        alive = [arm for arm in alive if arm.spec in left]
    return leading(lab, alive, costs, None), True


def _measured_in_time(
    lab: Lab, arms: Sequence[Arm], batches: Sequence[range], until: float | None, progress: bool
) -> bool:
    """Measures arms one after another; stops when it is late, and says so by ``False``."""
    for arm in tqdm(arms, desc=f"plans, {batches[-1].stop} prompts", unit="arm", disable=not progress):
        if until is not None and clock.monotonic() > until:
            return False
        for batch in batches:
            lab.measure(arm, CALIBRATION, batch)
    return True


def _standing(
    lab: Lab, arms: Sequence[Arm], costs: Mapping[str, float], batches: int | None
) -> tuple[dict[str, float], dict[str, list[float]]]:
    """Estimated seconds and fidelity by arm."""
    scores = {arm.spec: lab.scores(arm, CALIBRATION, batches=batches) for arm in arms}
    return {spec: costs[spec] for spec in scores}, scores


def leading(lab: Lab, arms: Sequence[Arm], costs: Mapping[str, float], batches: int | None) -> list[Arm]:
    """The Pareto front, and what cannot be told from it, as many as are timed; the cheapest first."""
    seconds, scores = _standing(lab, arms, costs, batches)
    means = {spec: fmean(values) for spec, values in scores.items()}
    best, lost = pareto_front(seconds, means), dominated(seconds, scores)
    close = [spec for spec in seconds if spec not in best and spec not in lost]
    kept = {*best, *sorted(close, key=lambda spec: -means[spec])[: max(0, _TIMED - len(best))]}
    return sorted((arm for arm in arms if arm.spec in kept), key=lambda arm: costs[arm.spec])

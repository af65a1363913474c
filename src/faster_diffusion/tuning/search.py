"""Which plans are worth their seconds: all are measured on a few prompts, those that hold their ground on more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from ..arms import Arm
from ..generation.progress import bar
from .budget import LEADING, PLANS, Pacer, spread
from .halving import dominated, pareto_front, survivors
from .lab import CALIBRATION, Lab

_TIMED = 16  # plans whose seconds are measured, at most
_KEPT = 0.5  # fraction of the plans that goes on to more prompts, at most


def measured(
    pacer: Pacer,
    arms: Sequence[Arm],
    split: str,
    progress: bool,
    about: str,
    part: float = 1.0,
    batches: int | None = None,
) -> list[Arm]:
    """Measures arms on all prompts of a split, or on the first ``batches``, as far as there is time; gives those."""
    found = []
    for arm in bar(arms, about, "arm", progress):
        if all(pacer.measure(arm, split, batch, part) for batch in pacer.lab.batches(split)[:batches]):
            found.append(arm)
    return found


def best_plans(
    pacer: Pacer, plans: Sequence[Arm], costs: Mapping[str, float], progress: bool
) -> tuple[list[Arm], str | None]:
    """The plans that are worth their seconds; and if there was no time to try all, what was left out.

    Successive halving over prompts: one batch, two, then all.
    """
    lab = pacer.lab
    batches, seen = lab.batches(CALIBRATION), 1
    alive = sorted(plans, key=lambda arm: costs[arm.spec])
    for upto in sorted({1, min(2, len(batches)), len(batches)}):
        about = f"plans, {batches[upto - 1].stop} prompts"
        done = measured(pacer, spread(alive), CALIBRATION, progress, about, PLANS, upto)
        if len(done) < len(alive):
            known = [arm for arm in alive if lab.measured(arm, CALIBRATION, batches[0])]
            untried = len(alive) - len(known)
            best = leading(lab, known, costs, seen)
            best = measured(pacer, best, CALIBRATION, progress, "what leads", LEADING)
            left_out = f"{untried} of {len(plans)} plans" if untried else "further prompts for many of the plans"
            return leading(lab, best, costs, None), left_out
        left, seen = survivors(*_standing(lab, alive, costs, upto), fraction=1 if upto == len(batches) else _KEPT), upto
        alive = [arm for arm in alive if arm.spec in left]
    return leading(lab, alive, costs, None), None


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

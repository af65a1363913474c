"""How plans stand against fewer steps at a fidelity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import exp, log
from typing import Any

from ..arms import Arm
from ..models import schedulers
from ..models.schedulers import Solver
from .halving import pareto_front
from .results import FEWER_STEPS, OTHER, PLAN, Figure, Level, Point
from .speed import Times


def own_solver(pipe: Any, names: Sequence[str]) -> str | None:
    """Which of these is a pipeline's own solver, if one is."""
    own = Solver.of(pipe.scheduler)
    return next((name for name in names if Solver.of(schedulers.make(name, pipe.scheduler.config)) == own), None)


def pareto_front_of(points: Sequence[Point]) -> tuple[str, ...]:
    """Arms that nothing beats in time and fidelity at once, the fastest first."""
    ratios = {point.arm: point.ratio.value for point in points}  # which scatter less than seconds on a busy machine
    return tuple(pareto_front(ratios, {point.arm: point.psnr.value for point in points}))


def compared(psnrs: Iterable[float], points: Sequence[Point], own: str | None, times: Times) -> tuple[Level, ...]:
    """The comparison at each of some fidelities; ``own`` is what the pipeline's own solver is called."""
    curves = _curves(points, own or "own")
    return tuple(level(psnr, points, curves, times) for psnr in sorted(set(psnrs)))


def _curves(points: Sequence[Point], own: str) -> dict[str, list[str]]:
    """Solver -> arms of it alone, by number of steps."""
    arms = [Arm.parse(point.arm) for point in points if point.kind == FEWER_STEPS]
    arms.sort(key=lambda arm: arm.step_count or 0)
    curves: dict[str, list[str]] = {}
    for arm in arms:
        curves.setdefault(arm.solver or own, []).append(arm.spec)
    return curves


def level(psnr: float, points: Sequence[Point], curves: Mapping[str, Sequence[str]], times: Times) -> Level:
    """The comparison at a mean of ``psnr`` dB.

    Args:
        curves: solver -> arms of fewer and more steps.
    """
    there = {point.arm: point for point in points if point.psnr.value >= psnr}
    fastest = {kind: _fastest([p for p in there.values() if p.kind == kind]) for kind in (PLAN, OTHER)}
    plan, other = fastest[PLAN], fastest[OTHER]
    means = {point.arm: point.psnr.value for point in points}
    reached = {
        solver: found
        for solver, arms in curves.items()
        if (found := reach(psnr, [(means[arm], times[arm]) for arm in arms if arm in means])) is not None
    }
    ends = reached or {solver: times[arms[-1]] for solver, arms in curves.items()}  # to get there takes longer
    fewer = min(ends, key=lambda solver: sum(ends[solver]), default=None)
    return Level(
        psnr,
        plan.arm if plan else None,
        fewer,
        _gain(ends[fewer], times[plan.arm]) if plan and fewer else None,
        other.arm if other else None,
        _gain(times[other.arm], times[plan.arm]) if plan and other else None,
        falls_short=not reached,
    )


def reach(psnr: float, curve: Sequence[tuple[float, Sequence[float]]]) -> list[float] | None:
    """Seconds of every round in which a curve comes to ``psnr``; between two points logarithmically.

    Args:
        curve: (dB, seconds of every round) by number of steps.
    """
    for number, (merit, seconds) in enumerate(curve):
        if merit < psnr:
            continue
        if not number:
            return list(seconds)
        before, faster = curve[number - 1]
        part = (psnr - before) / (merit - before)
        return [exp((1 - part) * log(a) + part * log(b)) for a, b in zip(faster, seconds, strict=True)]
    return None


def _fastest(points: Sequence[Point]) -> Point | None:
    return min(points, key=lambda point: point.ratio.value, default=None)


def _gain(slower: Sequence[float], faster: Sequence[float]) -> Figure:
    return Figure.median([a / b for a, b in zip(slower, faster, strict=True)])

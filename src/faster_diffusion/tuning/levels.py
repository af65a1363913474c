"""How plans stand against fewer steps at a fidelity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, log

from .results import OTHER, PLAN, Figure, Level, Point
from .speed import Times


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
    fewer = min(reached, key=lambda solver: sum(reached[solver]), default=None)
    return Level(
        psnr,
        plan.arm if plan else None,
        fewer,
        _gain(reached[fewer], times[plan.arm]) if plan and fewer else None,
        other.arm if other else None,
        _gain(times[other.arm], times[plan.arm]) if plan and other else None,
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

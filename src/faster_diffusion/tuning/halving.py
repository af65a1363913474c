"""Which ways of sampling are not worth more prompts. Pure functions of what was measured; always the same answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..measuring.intervals import LEVEL


def pareto_front(costs: Mapping[str, float], merits: Mapping[str, float]) -> list[str]:
    """Those that nothing beats in cost and merit at once, the cheapest first; of equals, the first."""
    best, kept = -np.inf, []
    for name in sorted(costs, key=lambda name: (costs[name], -merits[name])):
        if merits[name] > best:
            best = merits[name]
            kept.append(name)
    return kept


def dominated(costs: Mapping[str, float], scores: Mapping[str, Sequence[float]]) -> set[str]:
    """Those that another, no more costly, beats on the same prompts beyond the interval of the mean difference.

    The interval is Student's, of the paired differences: what is hard for all arms of a prompt does not widen it.

    Args:
        scores: of each the same number of prompts; more is better.
    """
    from scipy.stats import t

    names = list(costs)
    prompts = min((len(scores[name]) for name in names), default=0)
    if prompts < 2:
        return set()
    table, cost = (np.array([values[name] for name in names], np.float64) for values in (scores, costs))
    reach = float(t.ppf((1 + LEVEL) / 2, prompts - 1)) / prompts**0.5
    lost = set()
    for number, name in enumerate(names):
        ahead = table - table[number]
        surely = ahead.mean(axis=1) - reach * ahead.std(axis=1, ddof=1) > 0
        if (surely & (cost <= cost[number])).any():
            lost.add(name)
    return lost


def survivors(costs: Mapping[str, float], scores: Mapping[str, Sequence[float]], fraction: float = 0.5) -> list[str]:
    """Those that go on to more prompts, in their order: not dominated, and at most ``fraction`` of all.

    Where more are left, the fronts go first, one after another; the first one is kept whole.
    """
    lost = dominated(costs, scores)
    left = {name: float(np.mean(scores[name])) for name in costs if name not in lost}
    room, kept = max(1, int(fraction * len(costs))), set[str]()
    while left and len(kept) < room:
        layer = pareto_front({name: costs[name] for name in left}, left)
        kept.update(layer if not kept else layer[: room - len(kept)])
        left = {name: merit for name, merit in left.items() if name not in layer}
    return [name for name in costs if name in kept]

"""Key steps by dynamic programming: the k steps from which what is reused has drifted least. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .drift import Drift
from .former import HasStepIndices


@dataclass(frozen=True)
class Placement(HasStepIndices):
    """Some key steps for a run, and what reuse between them would cost."""

    name: str  # "suggested", "uniform", or what was asked for, such as "paper"
    step_indices: tuple[int, ...]
    drift: float  # of a step from the key step that serves it, the mean over all steps

    @property
    def key_steps(self) -> str:
        """For ``--key-steps``."""
        return ",".join(map(str, self.step_indices))

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return asdict(self)


def place(name: str, drift: Drift, chosen: Collection[int]) -> Placement:
    """Key steps that were chosen otherwise; the first step of the run is always key; steps outside of it are not."""
    keys = [number for number, step in enumerate(drift.step_indices) if not number or step in chosen]
    return Placement(
        name, tuple(drift.step_indices[key] for key in keys), total_drift(drift.matrix, keys) / len(drift.step_indices)
    )


def suggest(drift: Drift, counts: Iterable[int]) -> tuple[Placement, ...]:
    """The best key steps for each of ``counts`` that is no more than the number of steps."""
    steps = drift.step_indices
    wanted = sorted({count for count in counts if count <= len(steps)})
    return tuple(place("suggested", drift, [steps[key] for key in best_keys(drift.matrix, k)]) for k in wanted)


def uniform(drift: Drift, k: int) -> Placement:
    """``k`` key steps as evenly placed as whole numbers allow."""
    steps = drift.step_indices
    return place("uniform", drift, [steps[number * len(steps) // k] for number in range(k)])


def best_keys(drift: np.ndarray, k: int) -> tuple[int, ...]:
    """The ``k`` indices, 0 among them, with the least ``total_drift``.

    A key step and the steps it serves are a segment. The best division of the first j steps into m segments is the best
    over where the last one starts: best(m, j) = min over i of best(m - 1, i) + cost(i, j). O(k n^2).

    Args:
        drift: (n, n); the entry [i, j] for j > i is what reusing step i costs at step j.

    Raises:
        ValueError: ``k`` is not one of 1 to n.
    """
    n = len(drift)
    if not 1 <= k <= n:
        raise ValueError(f"A run of {n} steps can have 1 to {n} key steps; got {k}.")
    # cost[i, j] of the segment with key step i that ends before step j
    cost = np.full((n, n + 1), np.inf)
    cost[:, 1:] = np.where(np.tri(n, dtype=bool).T, np.cumsum(np.triu(drift, 1), axis=1), np.inf)
    best = cost[0]
    starts = []  # of the last segment, by where it ends; an array for each number of segments from 2
    for _ in range(k - 1):
        candidates = best[:n, None] + cost
        starts.append(candidates.argmin(axis=0))
        best = candidates.min(axis=0)
    keys, end = [], n
    for start in reversed(starts):
        end = int(start[end])
        keys.append(end)
    return (0, *reversed(keys))


def total_drift(drift: np.ndarray, keys: Sequence[int]) -> float:
    """The drift (n, n) of every step from the key step that serves it, summed. ``keys`` ascend from 0."""
    ends = [*keys[1:], len(drift)]
    return float(sum(drift[key, key + 1 : end].sum() for key, end in zip(keys, ends, strict=True)))

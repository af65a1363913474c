"""How far what is reused has drifted from every earlier step, measured on random projections of the features."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from .capture import Seen
from .former import HasStepIndices

WIDTH = 1024  # numbers kept of each tensor, a step and row: 4 KiB


@dataclass(frozen=True)
class Drift(HasStepIndices):
    """``matrix[i][j]``: how far the features at the j-th of ``step_indices`` are from those of the earlier i-th.

    As ||f(j) - f(i)||^2 / ||f(j)||^2 of each tensor that is reused, the mean over rows, calls, prompts and tensors. A
    tensor counts by its size: the large ones of the first stages are what the prediction depends on most.
    """

    step_indices: tuple[int, ...]
    matrix: np.ndarray  # (n, n), zero for j <= i

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {"step_indices": [*self.step_indices], "matrix": self.matrix.tolist()}


class Projection:
    """Squared distances of long rows from short ones: the count sketch of Charikar, Chen and Farach-Colton (2002).

    Every element is added, with a random sign, to one of ``width`` numbers chosen at random: for any row x the mean
    of ||sketch(x)||^2 is ||x||^2, its relative deviation at most sqrt(2 / width). Pooling would be as small, and blind
    to what it averages out, the texture that reuse loses first. Rows that are short already stay as they are.
    """

    def __init__(self, width: int = WIDTH) -> None:
        self.width = width
        self._places: dict[tuple[int, torch.device], torch.Tensor] = {}

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows (B, N) as (B, width), or a copy of them if they are short. Rows of one length are projected alike."""
        rows = rows.float()
        length = rows.shape[1]
        if length <= self.width:
            return rows.clone()
        if (length, rows.device) not in self._places:
            # Twice the places, of which the second half counts as negative: sign and place in one number.
            generator = torch.Generator().manual_seed(length)
            places = torch.randint(2 * self.width, (length,), generator=generator, dtype=torch.int32)
            self._places[length, rows.device] = places.to(rows.device)
        places = self._places[length, rows.device]
        plus, minus = rows.new_zeros(len(rows), 2 * self.width).index_add_(1, places, rows).chunk(2, dim=1)
        return plus - minus


class DriftMeter:
    """A watcher that keeps a projection of every step of a run, and after it the drift alone."""

    def __init__(self, width: int = WIDTH) -> None:
        self._project = Projection(width)
        self._sketches: dict[tuple[str, int], dict[int, torch.Tensor]] = defaultdict(dict)  # by tensor and call, step
        self._sizes: dict[tuple[str, int], int] = {}
        self._steps: tuple[int, ...] = ()
        self._drifts: list[np.ndarray] = []

    def __call__(self, seen: Seen) -> None:
        """Takes note of what a stage gave."""
        if seen.role == "reused":
            rows = seen.features.flatten(1)
            self._sketches[seen.name, seen.branch][seen.step] = self._project(rows).cpu()
            self._sizes[seen.name, seen.branch] = rows.shape[1]

    def end_run(self) -> None:
        """Takes the run into account, and forgets its features.

        Raises:
            ValueError: it had other steps than the runs before.
        """
        steps = {tuple(sorted(by_step)) for by_step in self._sketches.values()}
        step_indices = steps.pop()
        if steps or (self._drifts and step_indices != self._steps):
            raise ValueError("The runs had different steps, so that their drift has no mean.")
        self._steps = step_indices
        drifts = [_drift(by_step) for by_step in self._sketches.values()]
        self._drifts.append(np.average(drifts, axis=0, weights=[self._sizes[key] for key in self._sketches]))
        self._sketches.clear()

    def result(self) -> Drift:
        """The mean over all runs."""
        return Drift(self._steps, np.mean(self._drifts, axis=0))


def _drift(by_step: dict[int, torch.Tensor]) -> np.ndarray:
    """Of one tensor; entries of ``by_step`` have the shape (rows, width)."""
    features = torch.stack([by_step[step] for step in sorted(by_step)], dim=1).double()  # (rows, n, width)
    squares = torch.cdist(features, features, compute_mode="donot_use_mm_for_euclid_dist").square()
    relative = squares / features.square().sum(-1)[:, None, :]  # of the later step
    drift: np.ndarray = relative.mean(0).triu(1).numpy()
    return drift

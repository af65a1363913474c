"""The gaps between key steps while sampling, as a gate chooses them."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy

import torch

from ..options.forecast import Forecast
from ..options.gate import Gate
from .history import History


def relative_error(forecast: torch.Tensor, prediction: torch.Tensor) -> float:
    """|forecast - prediction| / |prediction| of the worst sample, (B, ...) each."""
    difference, size = (x.float().flatten(1).norm(dim=1) for x in (forecast - prediction, prediction))
    return float((difference / size.clamp_min(1e-12)).max())


class Pace:
    """The gaps between the key steps of one branch of calls."""

    def __init__(self, gate: Gate, forecast: Forecast) -> None:
        self._gate = gate
        self._predictions = History(forecast)
        self._last = 0

    def mapped(self, function: Callable[[torch.Tensor], torch.Tensor]) -> Pace:
        """Another pace, for predictions that are ``function`` of those before."""
        other = copy(self)
        other._predictions = self._predictions.mapped(function)
        return other

    def next_key(self, step: int, prediction: torch.Tensor) -> int:
        """The step that has to be key after key step ``step``, which gave ``prediction``, (B, ...)."""
        points, gap = len(self._predictions.values), 1
        if points:
            error = relative_error(self._predictions.at([step]), prediction)
            gap = self._gate.next_gap(step - self._last, error, degree=points - 1)
        self._predictions.add(step, prediction.clone())
        self._last = step
        return step + gap

"""What the last key steps computed, carried on to later steps as a forecast says."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import torch

from ..options.forecast import Forecast
from .tensors import leaves, map_tensors


class History:
    """Nested tensors of the last key steps, as many as a forecast needs."""

    def __init__(self, forecast: Forecast) -> None:
        self._forecast = forecast
        self._steps: deque[int] = deque(maxlen=forecast.order + 1)
        self.values: deque[Any] = deque(maxlen=forecast.order + 1)  # the newest last

    def add(self, step: int, value: Any) -> None:
        """The value of a key step. One that is not later than the last begins another pass through the steps."""
        if self._steps and step <= self._steps[-1]:
            self._steps.clear()
            self.values.clear()
        self._steps.append(step)
        self.values.append(value)

    def mapped(self, function: Callable[[Any], Any]) -> History:
        """Another history, with ``function`` applied to every value."""
        other = History(self._forecast)
        for step, value in zip(self._steps, self.values, strict=True):
            other.add(step, function(value))
        return other

    def at(self, steps: Sequence[int], part: str | None = None) -> Any:
        """The forecast for some steps, one after another along the first dimension; of all, or of a ``part`` by name.

        Always tensors of its own, for the network to change as it likes.
        """
        values = [value if part is None else value[part] for value in self.values]
        tensors = ([x for x in leaves(value) if isinstance(x, torch.Tensor)] for value in values)
        points = {id(same[-1]): same for same in zip(*tensors, strict=True)}
        rows = [self._forecast.weights(self._steps, step) for step in steps]
        return map_tensors(lambda newest: _combined(points[id(newest)], rows), values[-1])


def _combined(points: Sequence[torch.Tensor], rows: Sequence[Sequence[float]]) -> torch.Tensor:
    """The sums of ``points`` weighted by each of the ``rows``, one after another along the first dimension."""
    return torch.cat([_sum(points, weights) for weights in rows])


def _sum(points: Sequence[torch.Tensor], weights: Sequence[float]) -> torch.Tensor:
    """Exactly a copy of the last point where it alone counts."""
    total = points[-1] * weights[-1]
    for point, weight in zip(points[:-1], weights[:-1], strict=True):
        total = total.add(point, alpha=weight) if weight else total
    return total

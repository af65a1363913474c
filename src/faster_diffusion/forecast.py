"""What a reused feature or prediction is taken to be at a later step: a polynomial through the last key steps."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch

from .trees import leaves, map_tensors


@dataclass(frozen=True)
class Forecast:
    """How features or predictions are carried from the last key steps to the steps after them.

    The polynomial of degree ``order`` through the last ``order + 1`` key steps, in the index of the step; of lower
    degree while there are fewer of them. Order 0 is a copy of the last key step, which is the paper's.
    """

    order: int = 1  # 0 copies, 1 is linear, 2 quadratic
    damping: float = 1.0  # share of the polynomial, the rest is the copy: less is safer where keys lie far apart

    def __post_init__(self) -> None:
        if self.order not in (0, 1, 2, 3):
            raise ValueError(f"Forecast.order is the degree of a polynomial, 0 to 3; got {self.order!r}.")
        if not 0 <= self.damping <= 1:
            raise ValueError(f"Forecast.damping is a share, 0 to 1; got {self.damping}.")

    @classmethod
    def parse(cls, spec: Forecast | int | None) -> Forecast:
        """Reads the degree of a polynomial; ``None`` copies.

        Raises:
            ValueError: it is neither.
        """
        if isinstance(spec, Forecast):
            return spec
        if spec is None or (isinstance(spec, int) and not isinstance(spec, bool)):
            return cls(spec or 0)
        raise ValueError(f"forecast is None, the degree of a polynomial, or fd.Forecast(order, damping); got {spec!r}.")

    def weights(self, keys: Sequence[int], order: int) -> list[float]:
        """What the values of the key steps ``keys`` (ascending) count for at step ``order``; they sum to 1.

        Lagrange's basis polynomials, blended with the copy of the last.
        """
        weights = [self.damping * prod((order - k) / (key - k) for k in keys if k != key) for key in keys]
        weights[-1] += 1 - self.damping
        return weights


class History:
    """Nested tensors of the last key steps, as many as a forecast needs."""

    def __init__(self, forecast: Forecast) -> None:
        self._forecast = forecast
        self._orders: deque[int] = deque(maxlen=forecast.order + 1)
        self.values: deque[Any] = deque(maxlen=forecast.order + 1)  # the newest last

    def add(self, order: int, value: Any) -> None:
        """The value of a key step. One that is not later than the last begins another pass through the steps."""
        if self._orders and order <= self._orders[-1]:
            self._orders.clear()
            self.values.clear()
        self._orders.append(order)
        self.values.append(value)

    def mapped(self, function: Callable[[Any], Any]) -> History:
        """Another history, with ``function`` applied to every value."""
        other = History(self._forecast)
        for order, value in zip(self._orders, self.values, strict=True):
            other.add(order, function(value))
        return other

    def at(self, orders: Sequence[int], part: str | None = None) -> Any:
        """The forecast for some steps, one after another along the first dimension; of all, or of a ``part`` by name.

        Always tensors of its own, for the network to change as it likes.
        """
        values = [value if part is None else value[part] for value in self.values]
        tensors = ([x for x in leaves(value) if isinstance(x, torch.Tensor)] for value in values)
        points = {id(same[-1]): same for same in zip(*tensors, strict=True)}
        rows = [self._forecast.weights(self._orders, order) for order in orders]
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

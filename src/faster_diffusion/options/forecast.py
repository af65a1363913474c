"""What a reused feature or prediction is taken to be at a later step: a polynomial through the last key steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod


@dataclass(frozen=True)
class Forecast:
    """How features or predictions are carried from the last key steps to the steps after them.

    The polynomial of degree ``order`` through the last ``order + 1`` key steps, in the index of the step; of lower
    degree while there are fewer of them. Degree 0 is a copy of the last key step, which is the paper's (Sec. 3.2).

    Raises:
        ValueError: a degree beyond 0 to 3, or a damping beyond 0 to 1.
    """

    order: int = 1  # 0 copies, 1 is linear, 2 quadratic
    damping: float = 1.0  # fraction of the polynomial, the rest is the copy: less is safer where keys lie far apart

    def __post_init__(self) -> None:
        if self.order not in (0, 1, 2, 3):
            raise ValueError(f"Forecast.order is the degree of a polynomial, 0 to 3; got {self.order!r}.")
        if not 0 <= self.damping <= 1:
            raise ValueError(f"Forecast.damping is a fraction, 0 to 1; got {self.damping}.")

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

    def weights(self, keys: Sequence[int], step: int) -> list[float]:
        """What the values of the key steps ``keys`` (ascending) count for at ``step``; they sum to 1.

        Lagrange's basis polynomials, blended with the copy of the last.
        """
        weights = [self.damping * prod((step - k) / (key - k) for k in keys if k != key) for key in keys]
        weights[-1] += 1 - self.damping
        return weights

"""When the next step has to be key, decided while sampling: step-size control, as solvers of equations do it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Gate:
    """Makes a step key when reuse would go too far astray, besides the steps that are key anyway.

    Every key step tells how far off the forecast from the key steps before it would have been, which costs nothing.
    The next gap is chosen so that this error stays below ``tolerance``: what is reused drifts no further than that, as
    far as the last error tells, and never longer than ``longest`` steps. A batch shares its key steps; its worst
    sample decides.

    Raises:
        ValueError: ``tolerance`` is not above 0, or ``longest`` is less than 1.
    """

    tolerance: float = 0.05  # error of a forecast prediction relative to the prediction; 0.02 to 0.2 is sensible
    longest: int = 10  # most steps from one key step to the next

    def __post_init__(self) -> None:
        if self.tolerance <= 0:
            raise ValueError(f"Gate.tolerance is a relative error above 0; got {self.tolerance}.")
        if not isinstance(self.longest, int) or self.longest < 1:
            raise ValueError(f"Gate.longest is a number of steps, at least 1; got {self.longest!r}.")

    @classmethod
    def parse(cls, spec: Gate | float | None) -> Gate | None:
        """Reads a tolerance; ``None`` is no gate.

        Raises:
            ValueError: it is neither.
        """
        if spec is None or isinstance(spec, Gate):
            return spec
        if isinstance(spec, (int, float)) and not isinstance(spec, bool):
            return cls(spec)
        raise ValueError(f"gate is None, a relative error, or fd.Gate(tolerance, longest); got {spec!r}.")

    def next_gap(self, gap: int, error: float, degree: int) -> int:
        """The steps to the next key step, after ``gap`` steps came to ``error`` with a forecast of some ``degree``.

        The error of a polynomial of that degree grows with the power ``degree + 1`` of the gap. At most twice the gap.
        """
        fitting = self.longest if error == 0 else int(0.9 * gap * (self.tolerance / error) ** (1 / (degree + 1)))
        return max(1, min(fitting, 2 * gap, self.longest))

"""What a tuning found, as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean, median
from typing import Any

from ..measuring import intervals
from ..measuring.intervals import Interval

PLAN, FEWER_STEPS, OTHER = "plan", "fewer steps", "other method"


@dataclass(frozen=True)
class Figure:
    """A figure of several, and how far it may be off."""

    value: float
    interval: Interval | None
    count: int | None = field(default=None, compare=False)  # of what; none if that is not known

    @classmethod
    def mean(cls, values: Sequence[float]) -> Figure:
        """The mean of values, with its interval."""
        return cls(fmean(values), intervals.mean(values), len(values))

    @classmethod
    def median(cls, values: Sequence[float]) -> Figure:
        """The median of values, with its interval."""
        return cls(median(values), intervals.median(values), len(values))

    @property
    def low(self) -> float:
        """The lower end of the interval; the value itself where there is none."""
        return self.interval[0] if self.interval else self.value


@dataclass(frozen=True)
class Point:
    """A way of sampling that was measured on all calibration prompts."""

    arm: str
    kind: str
    psnr: Figure  # dB to the reference, the mean over images
    psnr_full: Figure | None  # of the first images, to the same solver's run of as many steps without reuse
    held_out: Figure | None  # the same as psnr on prompts that nothing was chosen by
    seconds: Figure  # of a call
    ratio: Figure  # of the time of the baseline, round by round
    estimate: float  # seconds, from network calls and FLOPs
    sure: float | None = (
        None  # dB that its mean has on calibration, even if it was chosen from all points; see `surely`
    )

    @property
    def foretold(self) -> float:
        """What `estimate` was called in earlier versions."""
        return self.estimate


@dataclass(frozen=True)
class Level:
    """The fastest ways to come to a fidelity on calibration."""

    psnr: float
    plan: str | None  # the fastest plan with at least this mean; None if there is none
    fewer: str | None  # the solver whose curve of fewer steps gets there first, between its points
    gain: Figure | None  # how many times faster the plan is than that curve
    other: str | None  # the fastest other method, the paper's plan among them
    gain_over_other: Figure | None
    falls_short: bool = False  # whether no curve gets there; the gain is then over the fastest of their longest runs


@dataclass(frozen=True)
class Tuning:
    """Everything that was measured; ``to_dict`` is what ``tuning.json`` holds."""

    model: Mapping[str, Any]
    settings: Mapping[str, Any]
    machine: Mapping[str, Any]
    points: tuple[Point, ...]  # all that were timed
    pareto_front: tuple[str, ...]  # arms that nothing beats in time and fidelity at once, the fastest first
    levels: tuple[Level, ...]
    profiles: Mapping[str, str]  # file -> arm
    unfit: Mapping[str, str]  # arm -> why it cannot be used
    tried: int  # ways of sampling that images were generated with
    complete: bool  # whether the budget was enough for all that was to be tried
    left_out: tuple[str, ...] = ()  # what it was not enough for

    @property
    def front(self) -> tuple[str, ...]:
        """What `pareto_front` was called in earlier versions."""
        return self.pareto_front

    def point(self, arm: str) -> Point:
        """What was measured of an arm."""
        return next(point for point in self.points if point.arm == arm)

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return asdict(self, dict_factory=_without_unknown)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Tuning:
        """The inverse of ``to_dict``; reads what earlier versions wrote too."""
        content = _renamed(content, front="pareto_front")
        points = tuple(Point(**_with_figures(_renamed(point, foretold="estimate"))) for point in content["points"])
        levels = tuple(Level(**_with_figures(level)) for level in content["levels"])
        front = tuple(content["pareto_front"])
        left_out = tuple(content.get("left_out", ()))
        return cls(**{**content, "points": points, "levels": levels, "pareto_front": front, "left_out": left_out})


def shown(spec: str) -> str:
    """An arm to read: of the file of a correction the name only."""
    parts = [part.partition("corrected:") for part in spec.split(" + ")]
    return " + ".join(f"{before}{named}{Path(file).name if named else file}" for before, named, file in parts)


def _without_unknown(fields: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """What earlier versions did not measure is left out again."""
    return {name: value for name, value in fields if value or name not in ("count", "sure", "left_out")}


def _renamed(fields: Mapping[str, Any], **names: str) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in fields.items()}


def _with_figures(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _figure(value) if isinstance(value, dict) else value for name, value in fields.items()}


def _figure(content: Mapping[str, Any]) -> Figure:
    ends = content["interval"]
    return Figure(content["value"], ends and (ends[0], ends[1]), content.get("count"))

"""The paper's tables in miniature as pictures: what propagation changes on each task, beside what the paper has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from faster_diffusion.evaluation import Evaluation
from faster_diffusion.evaluation.line_up import BASELINE
from faster_diffusion.evaluation.metrics import Value
from reproduce.paper_rows import Row
from reproduce.paper_rows import fraction as published_fraction

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Found = Sequence[tuple[Row, Evaluation]]

_COLOURS = ("#d55e00", "#0072b2")  # of arms; told apart by the colour-blind too
_PAPER = {"marker": "D", "facecolor": "none", "edgecolor": "black", "s": 22, "zorder": 3, "label": "the paper's"}


def quality(found: Found, arms: Sequence[str]) -> Figure:
    """Fréchet distance of those arms over that without propagation, whose interval is the grey bar."""
    figure, axes = _panel(found)
    for place, (row, evaluation) in enumerate(found):
        plain = evaluation.arm(row.plain).values["fid_real"]
        low, _, high = _relative(plain, plain.value)
        axes.barh(place, high - low, 0.8, low, color="#88888833")
        for number, name in enumerate(arms):
            distance = _relative(evaluation.arm(name).values["fid_real"], plain.value)
            _mark(axes, distance, place - 0.15 + 0.3 * number, _COLOURS[number], "" if place else name)
    _paper(axes, [row.published.fid for row, _ in found])
    return _finish(figure, axes, "Fréchet distance to real images, relative to that without propagation")


def cost(found: Found, arms: Sequence[str]) -> Figure:
    """Time of the whole call of those arms over that without propagation, and the first one's FLOPs."""
    figure, axes = _panel(found)
    for place, (row, evaluation) in enumerate(found):
        for number, name in enumerate(arms):
            ratio = _fraction(evaluation, name, row.plain, "call_seconds")
            label = "" if place else name
            axes.barh(place - 0.2 + 0.4 * number, ratio, 0.38, color=_COLOURS[number], alpha=0.8, label=label)
        flops = _fraction(evaluation, arms[0], row.plain, "flops")
        axes.vlines(flops, place - 0.42, place + 0.42, color="black", label="" if place else "FLOPs")
    _paper(axes, [row.published.seconds for row, _ in found])
    return _finish(figure, axes, "time of the whole call, relative to that without propagation")


def ablations(found: Evaluation) -> Figure:
    """Fidelity of every arm to the baseline images, beside its time."""
    from matplotlib.figure import Figure

    arms = [arm for arm in found.arms if arm.name != BASELINE.name]
    figure = Figure(figsize=(9, 0.3 * len(arms) + 1), layout="constrained")
    fidelity, times = figure.subplots(1, 2, sharey=True)
    for place, arm in enumerate(arms):
        _mark(fidelity, _relative(arm.values["psnr"]), place, _COLOURS[0])
        times.barh(place, _fraction(found, arm.name, BASELINE.name, "call_seconds"), 0.6, color=_COLOURS[1], alpha=0.8)
    _name(fidelity, [arm.name for arm in arms])
    fidelity.set_xlabel("PSNR to the baseline images, dB")
    times.set_xlabel("whole call, relative to the baseline")
    times.axvline(1, color="#888888", linewidth=1)
    for axes in (fidelity, times):
        axes.grid(axis="x", alpha=0.3)
    return figure


def _relative(found: Value, unit: float = 1) -> tuple[float, float, float]:
    """The lower end of its interval, the figure, and the upper end, in such units."""
    low, high = found.interval or (found.value, found.value)
    return low / unit, found.value / unit, high / unit


def _mark(axes: Axes, found: tuple[float, float, float], place: float, colour: str, label: str = "") -> None:
    low, middle, high = found
    ends = [[middle - low], [high - middle]]
    axes.errorbar(middle, place, xerr=ends, fmt="o", markersize=4, color=colour, elinewidth=1, label=label)


def _fraction(evaluation: Evaluation, arm: str, plain: str, key: str) -> float:
    return evaluation.arm(arm).values[key].value / evaluation.arm(plain).values[key].value


def _panel(found: Found) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 0.36 * len(found) + 1.2), layout="constrained")
    axes = figure.subplots()
    axes.axvline(1, color="#888888", linewidth=1)
    _name(axes, [row.title for row, _ in found])
    return figure, axes


def _name(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)  # the first on top


def _paper(axes: Axes, changes: Sequence[tuple[float, float] | None]) -> None:
    ratios = [(published_fraction(change), place) for place, change in enumerate(changes) if change is not None]
    axes.scatter([ratio for ratio, _ in ratios], [place for _, place in ratios], **_PAPER)


def _finish(figure: Figure, axes: Axes, label: str) -> Figure:
    axes.set_xlim(left=0)
    axes.set_xlabel(label)
    axes.grid(axis="x", alpha=0.3)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, fontsize=8, frameon=False)
    return figure

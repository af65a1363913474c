"""Fidelity over cost: every arm a point, and a line through those that take fewer steps or another solver alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from io import BytesIO
from typing import Any

from ..line_up import AS_IT_IS, BASELINE, FEWER_STEPS, KEY_STEPS, THIRD_PARTY
from ..results import ArmResult, Evaluation
from .tables import COSTS, SHARED, cost_key, fraction, shown

_LOOKS = {  # marker and colour by what an arm does; the colours are told apart by the colour-blind too
    AS_IT_IS: ("*", "#888888"),
    FEWER_STEPS: ("s", "#0072b2"),
    KEY_STEPS: ("o", "#d55e00"),
    THIRD_PARTY: ("^", "#009e73"),
}
_PLACES = [  # of a name around its point, in points, the best first
    (away, align)
    for reach in (1, 2, 3, 4)
    for away, align in (
        ((7, 7 * reach - 7), "left"),
        ((-7, 7 * reach - 7), "right"),
        ((7, 7 - 7 * reach), "left"),
        ((-7, 7 - 7 * reach), "right"),
        ((0, 9 * reach), "center"),
        ((0, -9 * reach), "center"),
    )
]
_INK = "#010203"  # black enough, and a colour that nothing else has: a page puts its own in its place


def plotted(evaluation: Evaluation) -> list[str]:
    """The columns that there is a plot of."""
    keys = [key for key in evaluation.columns if key not in COSTS and shown(evaluation, key)]
    return [key for key in keys if len(_points(evaluation, key)) > 1]


def png(figure: Any) -> bytes:
    """A figure as a picture, black on white."""
    return _saved(figure, format="png", dpi=150, facecolor="white")


def svg(figure: Any, label: str) -> str:
    """A figure as an element of a page, in the page's own colour of text."""
    text = _saved(figure, format="svg", transparent=True, metadata={"Date": None}).decode()
    element = text[text.index("<svg") :].replace(_INK, "currentColor")
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    element = re.sub(r' xmlns:xlink="[^"]*"', "", element).replace("xlink:href", "href")
    opening = rf'<svg viewBox="\1" role="img" aria-label="{label}">'
    return re.sub(r'<svg[^>]*?viewBox="([^"]*)"[^>]*>', opening, element, count=1)


def draw(evaluation: Evaluation, key: str) -> Any:
    """The figure of a column."""
    from matplotlib.figure import Figure

    column, cost = evaluation.columns[key], SHARED[str(cost_key(evaluation))]
    drawing = Figure(figsize=(7, 4.5), layout="constrained")
    axes = drawing.add_subplot()
    points = _points(evaluation, key)
    line = sorted((x, y) for arm, x, y in points if arm.kind == FEWER_STEPS)
    axes.plot([x for x, _ in line], [y for _, y in line], color=_LOOKS[FEWER_STEPS][1], linewidth=1)
    for arm, x, y in points:
        marker, colour = _LOOKS[arm.kind]
        low, high = arm.values[key].interval or (y, y)
        ends = [[y - low], [high - y]] if high < float("inf") else None
        seen = arm.kind in axes.get_legend_handles_labels()[1]
        axes.errorbar(x, y, ends, fmt=marker, color=colour, elinewidth=0.6, label=None if seen else arm.kind)
    if evaluation.arm(BASELINE.name).values[key].value == float("inf"):
        axes.axvline(1, color=_LOOKS[AS_IT_IS][1], linestyle=":", linewidth=1, label=f"{cost} of the baseline")
    axes.set_xlabel(f"fraction of {cost} of the baseline", color=_INK)
    axes.set_ylabel(f"{column.title}{f', {column.unit}' if column.unit else ''}", color=_INK)
    axes.set_xlim(0, 1.12 * max(1, *(x for _, x, _ in points)))
    if not column.higher_is_better:
        axes.invert_yaxis()  # better is up
    axes.tick_params(colors=_INK)
    axes.spines[:].set_color(_INK)
    axes.grid(color="#88888844", linewidth=0.5)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, fontsize=8, labelcolor=_INK, frameon=False)
    _name(drawing, axes, [(arm.name, x, y) for arm, x, y in points])
    return drawing


def _name(drawing: Any, axes: Any, points: Sequence[tuple[str, float, float]]) -> None:
    """Writes names beside points, each in the first place around its point where it meets no other name or point."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.transforms import Bbox

    renderer = FigureCanvasAgg(drawing).get_renderer()
    drawing.draw_without_rendering()  # which settles where the axes are
    middles = axes.transData.transform([point[1:] for point in points])
    taken = [Bbox.from_bounds(x - 5, y - 5, 10, 10) for x, y in middles]
    for name, *point in points:
        for place, (away, align) in enumerate(_PLACES):
            text = axes.annotate(
                name, point, away, textcoords="offset points", fontsize=8, color=_INK, ha=align, va="center_baseline"
            )
            box = text.get_window_extent(renderer)
            if place == len(_PLACES) - 1 or (_within(box, axes.bbox) and not any(map(box.overlaps, taken))):
                taken.append(box)
                break
            text.remove()


def _within(inner: Any, outer: Any) -> bool:
    return outer.x0 <= inner.x0 and inner.x1 <= outer.x1 and outer.y0 <= inner.y0 and inner.y1 <= outer.y1


def _points(evaluation: Evaluation, key: str) -> list[tuple[ArmResult, float, float]]:
    """Arms with what they cost and their figures, where these are finite; without those only there to compare with."""
    if cost_key(evaluation) is None:
        return []
    references = {column.reference for column in evaluation.columns.values()} - {BASELINE.name}
    return [
        (arm, fraction(evaluation, arm), arm.values[key].value)
        for arm in evaluation.arms
        if key in arm.values and arm.values[key].value < float("inf") and arm.name not in references
    ]


def _saved(drawing: Any, **options: Any) -> bytes:
    from matplotlib import rc_context

    file = BytesIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "faster-diffusion"}):
        drawing.savefig(file, **options)
    return file.getvalue()

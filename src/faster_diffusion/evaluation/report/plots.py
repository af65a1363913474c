"""Fidelity over cost: every arm a point, and a line through those that take fewer steps or another solver alone."""

from __future__ import annotations

import re
from io import BytesIO
from typing import Any

from ...measuring import labels
from ..line_up import AS_IT_IS, BASELINE, FEWER_STEPS, KEY_STEPS, THIRD_PARTY
from ..results import ArmResult, Evaluation
from .tables import COSTS, SHARED, cost_key, fraction, shown

_LOOKS = {  # marker and colour by what an arm does; the colours are told apart by the colour-blind too
    AS_IT_IS: ("*", "#888888"),
    FEWER_STEPS: ("s", "#0072b2"),
    KEY_STEPS: ("o", "#d55e00"),
    THIRD_PARTY: ("^", "#009e73"),
}
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
    drawn = [line]
    for arm, x, y in points:
        marker, colour = _LOOKS[arm.kind]
        low, high = arm.values[key].interval or (y, y)
        ends = [[y - low], [high - y]] if high < float("inf") else None
        seen = arm.kind in axes.get_legend_handles_labels()[1]
        axes.errorbar(x, y, ends, fmt=marker, color=colour, elinewidth=0.6, label=None if seen else arm.kind)
        drawn += [[(x, low), (x, high)]] if ends is not None else []
    if evaluation.arm(BASELINE.name).values[key].value == float("inf"):
        axes.axvline(1, color=_LOOKS[AS_IT_IS][1], linestyle=":", linewidth=1, label=f"{cost} of the baseline")
        drawn.append([(1, y) for y in axes.get_ylim()])
    axes.set_xlabel(f"fraction of {cost} of the baseline", color=_INK)
    axes.set_ylabel(f"{column.title}{f', {column.unit}' if column.unit else ''}", color=_INK)
    axes.margins(y=0.15)  # room for names above and below
    axes.set_xlim(0, 1.12 * max(1, *(x for _, x, _ in points)))
    if not column.higher_is_better:
        axes.invert_yaxis()  # better is up
    axes.tick_params(colors=_INK)
    axes.spines[:].set_color(_INK)
    axes.grid(color="#88888844", linewidth=0.5)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, fontsize=8, labelcolor=_INK, frameon=False)
    labels.name(drawing, axes, [(arm.name, x, y) for arm, x, y in points], drawn, fontsize=8, color=_INK)
    return drawing


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

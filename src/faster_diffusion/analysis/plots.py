"""The pictures of an analysis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .change import Change
from .drift import Drift
from .pictures import Pictures
from .suggest import Placement
from .timeline import ANSWERED, CALL, KEY, Span, Timeline

KEPT, KEY_STEP, LATER_STEP, BATCHED = "#2f5d9b", "#8fb4dd", "#e08a2b", "#b23a48"
OTHER, INK = "#9a9a9a", "#222222"
NAMED = 12  # stages in a legend at most; of more, the first and the last are named


def change(change: Change) -> Any:
    """Encoder and decoder beside each other, a line a stage, the mean of all in black."""
    figure = _figure(8.4, 3.3)
    axes = figure.subplots(1, 2, sharex=True, sharey=True)
    parts = {"encoder": change.encoder, "decoder": change.decoder}
    for panel, (title, stages), mean in zip(axes, parts.items(), change.of_parts, strict=True):
        _lines(panel, change.step_indices, stages)
        panel.plot(change.step_indices, mean, color=INK, linestyle="--", label="mean")
        panel.set(title=title, xlabel="step", yscale="log")
        panel.grid(alpha=0.3)
        panel.legend(fontsize=7, ncols=2)
    axes[0].set_ylabel("change from the step before\n(mean square, relative)")
    return figure


def drift(drift: Drift, suggestion: Placement | None) -> Any:
    """Key step by later step, and on it the steps that a suggestion's key steps serve."""
    figure = _figure(5.6, 4.6)
    panel = figure.subplots()
    first, last = drift.step_indices[0] - 0.5, drift.step_indices[-1] + 0.5
    seen = np.where(np.tri(len(drift.step_indices), dtype=bool), np.nan, np.sqrt(drift.matrix))
    image = panel.imshow(seen, extent=(first, last, last, first), cmap="magma", interpolation="nearest")
    figure.colorbar(image, label="relative drift (root of the mean square)")
    if suggestion is not None:
        for key, end in zip(suggestion.step_indices, [*suggestion.step_indices[1:], last + 0.5], strict=True):
            panel.plot([key, end - 0.5], [key, key], color="#4fd1c5", linewidth=2)
        panel.set_title(f"lines: what {len(suggestion.step_indices)} suggested key steps serve", fontsize=9)
    panel.set(xlabel="step that reuses", ylabel="key step")
    return figure


def key_steps(suggestions: Sequence[Placement], others: Sequence[Placement]) -> Any:
    """A row of dots for each placement, those of one number together; drift at the right."""
    placements = sorted((*suggestions, *others), key=lambda placement: len(placement.step_indices))
    figure = _figure(9, 0.8 + 0.24 * len(placements))
    panel = figure.subplots()
    for row, placement in enumerate(placements):
        colour = KEPT if placement in suggestions else OTHER
        panel.plot(placement.step_indices, [row] * len(placement.step_indices), "o", color=colour, markersize=5)
        panel.text(1.01, row, f"{placement.drift:.4f}", transform=panel.get_yaxis_transform(), va="center", fontsize=8)
    panel.set_title("drift", loc="right", fontsize=8)
    panel.set_yticks(range(len(placements)), [f"{len(p.step_indices)} {p.name}" for p in placements], fontsize=8)
    panel.set_ylim(len(placements) - 0.5, -0.5)
    panel.set_xlabel("step")
    panel.grid(axis="x", alpha=0.3)
    return figure


def pictures(pictures: Pictures) -> Any:
    """Stages from top to bottom, steps from left to right, what is decoded below."""
    rows = {**pictures.stages, **({"decoded": pictures.decoded} if pictures.decoded else {})}
    columns = len(pictures.step_indices) + (pictures.image is not None)
    figure = _figure(0.9 * columns + 1.1, 0.9 * len(rows) + 0.3)
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for panel in grid.flat:
        panel.axis("off")
    for line, (name, row) in zip(grid, rows.items(), strict=True):
        for panel, picture in zip(line, row, strict=False):
            panel.imshow(picture, interpolation="nearest")
        line[0].text(-0.1, 0.5, name, transform=line[0].transAxes, ha="right", va="center", fontsize=8)
    for panel, step in zip(grid[0], pictures.step_indices, strict=False):
        panel.set_title(f"step {step}", fontsize=8)
    if pictures.image is not None:
        grid[-1, -1].imshow(pictures.image, interpolation="nearest")
        grid[-1, -1].set_title("image", fontsize=8)
    return figure


def timelines(timelines: Sequence[Timeline]) -> Any:
    """The runs below one another on one clock, a row a stage."""
    from matplotlib.patches import Patch

    heights = [len(timeline.rows) for timeline in timelines]
    figure = _figure(10, 0.2 * sum(heights) + 0.7 * len(timelines) + 0.7)
    axes = figure.subplots(len(timelines), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for panel, timeline in zip(axes, timelines, strict=True):
        for span in timeline.spans:
            _draw(panel, timeline.rows.index(span.name), span)
        panel.set_yticks(range(len(timeline.rows)), timeline.rows, fontsize=7)
        panel.invert_yaxis()
        panel.set_title(f"{timeline.title}: {timeline.seconds:.2f} s", fontsize=9, loc="left")
    axes[-1].set_xlabel("seconds")
    patches = [Patch(color=colour, label=name) for name, colour in _KINDS.items()]
    figure.legend(handles=patches, loc="outside lower center", ncols=3, fontsize=8)
    return figure


_KINDS = {
    "reused part, which key steps compute": KEPT,
    "the rest, key step": KEY_STEP,
    "the rest, later step": LATER_STEP,
    "the rest, several steps in one batch": BATCHED,
    "answered: nothing runs": INK,
    "outside the network": OTHER,
}


def _draw(panel: Any, row: int, span: Span) -> None:
    if span.kind == ANSWERED:
        panel.plot([span.start], [row], marker="|", color=INK, markersize=5)
        return
    if span.kind is None:
        colour = OTHER
    elif span.kept or (span.name == CALL and span.kind == KEY):
        colour = KEPT
    else:
        colour = BATCHED if span.steps > 1 else KEY_STEP if span.kind == KEY else LATER_STEP
    edge = "white" if span.name == CALL else colour  # so that the thinnest is still seen
    panel.broken_barh([(span.start, span.seconds)], (row - 0.4, 0.8), color=colour, edgecolor=edge, linewidth=0.4)


def _lines(panel: Any, steps: Sequence[int], stages: Mapping[str, Sequence[float]]) -> None:
    from matplotlib import colormaps

    colours = colormaps["viridis"](np.linspace(0, 0.92, len(stages)))
    for number, ((name, values), colour) in enumerate(zip(stages.items(), colours, strict=True)):
        named = len(stages) <= NAMED or number in (0, len(stages) - 1)
        panel.plot(steps, values, color=colour, linewidth=1.2, label=name if named else None)


def _figure(width: float, height: float) -> Any:
    """In inches, without a window."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")

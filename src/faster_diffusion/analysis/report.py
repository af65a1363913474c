"""The folder of an analysis: pictures, tables, and a page that shows them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from ..measuring.extras import check_extra
from . import plots
from .suggest import Placement
from .timeline import KEY, chrome_trace

if TYPE_CHECKING:
    from .pipeline import Analysis

DPI = 85


def write(analysis: Analysis, folder: Path) -> Path:
    """Writes everything into a folder, which is made if it is not there. Gives the page, ``analysis.md``.

    Raises:
        ImportError: the extra ``eval`` is not installed.
    """
    check_extra()
    folder.mkdir(parents=True, exist_ok=True)
    figures = {
        "change": plots.change(analysis.change),
        "pictures": plots.pictures(analysis.pictures),
        "timeline": plots.timelines(analysis.timelines),
        "drift": plots.drift(analysis.drift, _most_like_the_plan(analysis)),
        "key_steps": plots.key_steps(analysis.suggestions, analysis.others),
    }
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=DPI, pil_kwargs={"optimize": True})
    _write_csv(folder / "change.csv", _change_rows(analysis))
    _write_csv(folder / "drift.csv", _drift_rows(analysis))
    (folder / "analysis.json").write_text(json.dumps(analysis.to_dict(), indent=1) + "\n")
    (folder / "trace.json").write_text(json.dumps(chrome_trace(analysis.timelines)) + "\n")
    page = folder / "analysis.md"
    page.write_text(_page(analysis))
    return page


def _most_like_the_plan(analysis: Analysis) -> Placement | None:
    """The suggestion that costs most nearly what the plan of the accelerated run does."""
    plan = analysis.others[-1]
    count = len(plan.step_indices)
    return min(analysis.suggestions, key=lambda some: abs(len(some.step_indices) - count), default=None)


def _write_csv(path: Path, rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def _change_rows(analysis: Analysis) -> Iterator[Sequence[Any]]:
    change = analysis.change
    stages = {**change.encoder, **change.decoder}
    yield ["step", *stages]
    yield from zip(change.step_indices, *stages.values(), strict=True)


def _drift_rows(analysis: Analysis) -> Iterator[Sequence[Any]]:
    drift = analysis.drift
    yield ["key step", *drift.step_indices]
    for step, row in zip(drift.step_indices, drift.matrix.tolist(), strict=True):
        yield [step, *row]


def _page(analysis: Analysis) -> str:
    encoder, decoder = (fmean(part) for part in analysis.change.of_parts)
    baseline, accelerated = analysis.timelines
    calls = accelerated.calls
    computed = sum(call.kind == KEY for call in calls)
    together = sum(call.steps > 1 for call in calls)
    placements = sorted((*analysis.suggestions, *analysis.others), key=lambda placement: len(placement.step_indices))
    rows = (f"| {len(p.step_indices)} | {p.name} | {p.drift:.4f} | `{p.key_steps}` |" for p in placements)
    prompts = "".join(f"- {prompt}\n" for prompt in analysis.prompts if prompt)
    return f"""# Analysis

`{analysis.pipeline}`, `{analysis.network}`, `{analysis.scheduler}`, {analysis.steps} steps.

{prompts}
## Change from step to step

![Change by step, a line a stage](change.png)

From one step to the next the encoder's features change by {encoder:.2%} of their mean square and the decoder's by
{decoder:.2%}, {decoder / encoder:.1f} times as much; the smaller the change, the less is lost where a step reuses them.

## Features

![Features as pictures, stages by steps](pictures.png)

The first three principal components of a stage's features as red, green and blue, fitted over all of its steps: where a
row keeps shapes and colours, a step can take what an earlier one computed.

## Timeline

![Which stage ran when](timeline.png)

The same call took {baseline.seconds:.2f} s without acceleration and {accelerated.seconds:.2f} s with it, where the
whole network ran in {computed} of {len(calls)} network calls and {together} batches served several steps each;
[trace.json](trace.json) shows every span in ui.perfetto.dev or chrome://tracing.

## Drift

![Drift from every step to every later one](drift.png)

How far what the decoder reads has moved from a key step (row) to a later step (column): what is bright should not be
bridged by reuse.

## Key steps

![Suggested key steps](key_steps.png)

For each number of key steps the placement with the least drift of all; of two placements with as many key steps, the
one with less drift is expected to keep more of the baseline image.

| number | placement | drift | `--key-steps` |
|---|---|---|---|
{chr(10).join(rows)}
"""

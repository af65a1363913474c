"""Reports: `report.md` with plots beside it, and `report.html`, one file that opens offline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...files import write_whole
from ...measuring.store import Store
from ..results import Evaluation
from . import plots
from .pictures import chosen, data_uri
from .sentences import not_measured, sentences
from .tables import figure, tables

__all__ = ["markdown", "page", "tables", "write"]


def write(evaluation: Evaluation, store: Store) -> None:
    """Writes both reports and the plots into the run's folder."""
    folder = store.folder / "plots"
    folder.mkdir(exist_ok=True)
    figures = {key: plots.draw(evaluation, key) for key in plots.plotted(evaluation)}
    for key, drawn in figures.items():
        write_whole(folder / _file(key), plots.png(drawn))
    write_whole(store.folder / "report.md", (markdown(evaluation, with_plots=True) + "\n").encode())
    write_whole(store.folder / "report.html", page(evaluation, store, figures).encode())


def markdown(evaluation: Evaluation, with_plots: bool = False) -> str:
    """All tables with what they mean."""
    parts = [f"# {evaluation.model['name']}", circumstances(evaluation)] if with_plots else []
    for table in tables(evaluation):
        parts += [f"## {table.title}" if with_plots else f"**{table.title}**", table.markdown()]
        parts += sentences(evaluation, table)
    lacking = not_measured(evaluation)
    if lacking:
        parts.append("\n".join(["Not measured:", "", *(f"- {reason}" for reason in lacking)]))
    if with_plots:
        keys = plots.plotted(evaluation)
        parts += [f"![{_alternative(evaluation, key)}](plots/{_file(key)})" for key in keys]
    return "\n\n".join(parts)


def circumstances(evaluation: Evaluation) -> str:
    """What was generated with what, on what."""
    settings, machine, part = evaluation.settings, evaluation.machine, evaluation.model["parts"][0]
    hardware = machine["gpu"] or f"{machine['processor']}, {machine['torch_threads']} threads"
    steps = " + ".join(map(str, settings["steps"]))
    guidance = "" if settings["guidance"] is None else f", guidance {settings['guidance']:g}"
    return (
        f"{len(evaluation.prompts)} prompts; {part['scheduler']}, {steps} steps{guidance}, {part['dtype']}, "
        f"batches of {settings['batch_size']}; {hardware}; torch {machine['torch']}, diffusers {machine['diffusers']}. "
        "Arrows say which way is better; [ ] are 95 % intervals, ( ) ratios to the baseline."
    )


def page(evaluation: Evaluation, store: Store, figures: Mapping[str, Any]) -> str:
    """The report as one page without any address outside it, with figures by column."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("faster_diffusion.evaluation.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    drawn = [arm for arm in evaluation.arms if arm.failed is None]
    return environment.get_template("report.html.jinja").render(
        model=evaluation.model["name"] or evaluation.model["parts"][0]["pipeline"],
        circumstances=circumstances(evaluation),
        tables=[(table, sentences(evaluation, table)) for table in tables(evaluation)],
        plots=[plots.svg(drawn, _alternative(evaluation, key)) for key, drawn in figures.items()],
        arms=[arm.name for arm in drawn],
        prompts=[_Shown.of(evaluation, store, number) for number in chosen(evaluation)],
        lacking=not_measured(evaluation),
    )


@dataclass(frozen=True)
class _Shown:
    """A prompt with its images, one an arm, and what is said of each."""

    text: str
    seed: int
    images: tuple[str, ...]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, evaluation: Evaluation, store: Store, number: int) -> _Shown:
        prompt, drawn = evaluation.prompts[number], [arm for arm in evaluation.arms if arm.failed is None]
        return cls(
            prompt.text,
            prompt.seed,
            tuple(data_uri(store.image(arm.name, number)) for arm in drawn),
            tuple(_note(evaluation, arm, number) for arm in drawn),
        )


def _note(evaluation: Evaluation, arm: Any, number: int) -> str:
    if "psnr" not in arm.values:
        return ""
    column = evaluation.columns["psnr"]
    value = arm.values["psnr"].each[number]
    return f"{figure(column, value)} {'' if value == float('inf') else column.unit}".strip()


def _file(key: str) -> str:
    return f"{''.join(letter if letter.isalnum() else '-' for letter in key)}.png"


def _alternative(evaluation: Evaluation, key: str) -> str:
    """A plot in words, for those who do not see it."""
    return f"{evaluation.columns[key].title} over cost, a point an arm; the figures are in the tables"

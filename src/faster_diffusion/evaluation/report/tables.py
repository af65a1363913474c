"""Results as tables: what an arm costs and how near it stays to another, and how good its images are by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...measuring.tables import markdown
from ..line_up import BASELINE
from ..metrics import METRICS, Value
from ..results import EQUAL, ArmResult, Column, Evaluation

COSTS = ("call_seconds", "network_seconds", "flops", "peak_memory")

SHARED = {"call_seconds": "the time", "flops": "the FLOPs"}  # what fidelity is seen beside: time, if it was measured


@dataclass(frozen=True)
class Cell:
    """A figure and, apart from it, how far it may be off or what it is relative to the baseline's."""

    figure: str
    aside: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of cells under headings; the first cell of a row names the arm."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    keys: tuple[str, ...]  # columns shown

    def markdown(self) -> str:
        """As Markdown."""
        rows = ([f"{cell.figure} {cell.aside}".strip() for cell in row] for row in self.rows)
        return markdown(self.headings, rows)


def tables(evaluation: Evaluation) -> list[Table]:
    """One with the costs and the fidelity to the baseline images, one for each other reference, one for the rest."""
    measured = {key: column for key, column in evaluation.columns.items() if shown(evaluation, key)}
    costs = [key for key in COSTS if key in measured]
    references = dict.fromkeys(column.reference for column in measured.values() if column.reference)
    made: list[Table] = []
    for reference in references:
        keys = [key for key, column in measured.items() if column.reference == reference]
        title = "Cost, and fidelity to" if reference == BASELINE.name else "Fidelity to"
        made.append(_table(evaluation, f"{title} {reference}", costs + keys if not made else keys))
    rest = [key for key, column in measured.items() if column.reference is None and key not in costs]
    if not made and costs:
        made.append(_table(evaluation, "Cost", costs))
    if rest:
        made.append(_table(evaluation, "The images by themselves", rest))
    return made


def figure(column: Column, value: float) -> str:
    """A value as people read it."""
    if value == float("inf"):
        return EQUAL
    shown = f"{value:{column.form}}"
    return shown if shown.strip("-0.%") else shown.removeprefix("-")


def cell(evaluation: Evaluation, key: str, arm: ArmResult) -> Cell:
    """A figure of an arm, with its interval; a cost with its ratio to the baseline's."""
    column, value = evaluation.columns[key], arm.values.get(key)
    if value is None:
        return Cell("-")
    shown = f"{figure(column, value.value)} {column.unit}".strip() if value.value != float("inf") else EQUAL
    if key in COSTS:
        base = evaluation.arm(BASELINE.name).values[key].value
        return Cell(shown, f"({value.value / base:.2f})")
    return Cell(shown, _interval(column, value))


def cost_key(evaluation: Evaluation) -> str | None:
    """The column that arms are told apart by in cost."""
    return next((key for key in SHARED if shown(evaluation, key)), None)


def fraction(evaluation: Evaluation, arm: ArmResult) -> float:
    """What an arm costs, relative to the baseline."""
    key = cost_key(evaluation)
    return arm.values[str(key)].value / evaluation.arm(BASELINE.name).values[str(key)].value


def shown(evaluation: Evaluation, key: str) -> bool:
    """Whether a column was measured, of as many images as it takes to say something."""
    return any(key in arm.values for arm in evaluation.arms) and len(evaluation.prompts) >= least(evaluation, key)


def least(evaluation: Evaluation, key: str) -> int:
    """The images that it takes for a column to say something; of metrics of one's own, one."""
    metric = METRICS.get(evaluation.columns[key].metric)
    return metric.least if metric else 1


def _interval(column: Column, value: Value) -> str:
    if value.interval is None:
        return ""
    low, high = (figure(column, end) for end in value.interval)
    return "" if low == high else f"[{low}, {high}]"


def _table(evaluation: Evaluation, title: str, keys: Sequence[str]) -> Table:
    headings = ["arm"]
    for key in keys:
        column = evaluation.columns[key]
        headings.append(column.name + (" ↑" if column.higher_is_better else " ↓" if key not in COSTS else ""))
    rows = []
    for arm in evaluation.arms:
        if arm.failed is None:
            rows.append((_name(arm), *(cell(evaluation, key, arm) for key in keys)))
    return Table(title, tuple(headings), tuple(rows), tuple(keys))


def _name(arm: ArmResult) -> Cell:
    return Cell(arm.name, "" if arm.name == arm.spec else f"({arm.spec})")

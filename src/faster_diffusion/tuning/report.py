"""A tuning to read: ``tuning.md`` and the picture of its Pareto front."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..arms import Arm
from ..measuring import labels, tables
from ..measuring.verdicts import FEWEST
from . import profiles
from .results import FEWER_STEPS, OTHER, PLAN, Figure, Level, Point, Tuning, shown

_LOOKS = {PLAN: ("o", "#d55e00"), OTHER: ("^", "#009e73")}
_CURVES = ("#0072b2", "#56b4e9", "#999999", "#cc79a7", "#222222", "#8c564b")


def write(found: Tuning, folder: Path) -> None:
    """Writes both."""
    (folder / "tuning.md").write_text(markdown(found), encoding="utf-8")
    picture(found).savefig(folder / "pareto-front.png", dpi=130, facecolor="white")


def markdown(found: Tuning) -> str:
    """What was found, in tables and sentences."""
    title = "## Against fewer steps and other methods"
    sections = [*_front(found), "", title, "", *_levels(found), "", *_profiles(found)]
    return "\n".join([*_head(found), "", *sections, ""])


def picture(found: Tuning) -> Any:
    """Fidelity over time: plans as points, fewer steps as a curve a solver, the Pareto front as a line."""
    from matplotlib.figure import Figure as Drawing

    drawing = Drawing(figsize=(8, 5), layout="constrained")
    axes = drawing.add_subplot()
    plain = [point for point in found.points if point.kind == FEWER_STEPS]
    solvers = dict.fromkeys(Arm.parse(point.arm).solver for point in plain)
    drawn = []
    for solver, colour in zip(solvers, _CURVES * len(solvers), strict=False):
        curve = [point for point in plain if Arm.parse(point.arm).solver == solver]
        curve.sort(key=lambda point: Arm.parse(point.arm).step_count or 0)
        axes.plot(*_places(curve), color=colour, marker=".", linewidth=1, label=f"fewer steps, {solver or 'own'}")
        drawn.append(list(zip(*_places(curve), strict=True)))
    for kind, (marker, colour) in _LOOKS.items():
        some = [point for point in found.points if point.kind == kind]
        axes.plot(*_places(some), marker, color=colour, alpha=0.6, label=kind)
    best = [found.point(arm) for arm in found.pareto_front]
    axes.plot(*_places(best), color=_LOOKS[PLAN][1], linewidth=1.5, label="Pareto front")
    axes.set_xscale("log")
    axes.set_xlabel("time of a call, relative to the baseline")
    axes.set_ylabel(f"PSNR to {found.settings['reference']}, dB")
    axes.grid(alpha=0.3, which="both")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=7, frameon=False)
    others = [(point.arm, point.ratio.value, point.psnr.value) for point in found.points if point.kind == OTHER]
    if others:
        front = list(zip(*_places(best), strict=True))
        labels.name(drawing, axes, others, [*drawn, front], fontsize=7)
    return drawing


def _places(points: Sequence[Point]) -> tuple[list[float], list[float]]:
    return [point.ratio.value for point in points], [point.psnr.value for point in points]


def _head(found: Tuning) -> Iterator[str]:
    settings, machine = found.settings, found.machine
    yield f"# Tuning of {found.model['name'] or found.model['pipeline']}"
    yield ""
    if found.left_out:
        yield f"**The budget was not enough for everything. Left out: {'; '.join(found.left_out)}.**"
        yield ""
    guidance = settings["settings"]["guidance"]
    rounds = settings["timed"]["rounds"]
    prompts = found.points[0].psnr.count or settings["prompts"]["calibration"]
    times = f"the median of {rounds}" if rounds else "estimated from network calls and FLOPs"
    yield (
        f"Fidelity is PSNR to {settings['reference']}, the mean over {prompts} prompts"
        f"{f', guidance {guidance:g}' if guidance is not None else ''}; times are of a call that generates one image, "
        f"{times}, relative to {found.points[0].arm}. Brackets are 95 % intervals. "
        f"{found.tried} ways of sampling were tried"
        f"{'.' if found.complete else ', and the budget ended before all were.'}"
    )
    yield ""
    yield (
        f"{machine['gpu'] or machine['processor']}, {machine['torch_threads']} threads, torch {machine['torch']}, "
        f"diffusers {machine['diffusers']}; load {machine['load_average'][0]:.1f} at the end."
    )


def _front(found: Tuning) -> Iterator[str]:
    yield "## Pareto front: nothing is faster and nearer at once"
    yield ""
    rows = []
    for arm in found.pareto_front:
        point = found.point(arm)
        fidelity = (text(figure, ".1f") for figure in (point.psnr, point.held_out, point.psnr_full))
        rows.append([shown(arm), *fidelity, *(text(figure, ".3f") for figure in (point.ratio, point.seconds))])
    yield tables.markdown(["arm", "PSNR", "held-out", "to its full run", "time", "seconds"], rows)


def _levels(found: Tuning) -> Iterator[str]:
    rows = []
    for level in found.levels:
        fewer = (level.fewer or "none") + (", longer than tried" if level.falls_short else "")
        cells = [f"{level.psnr:g} dB", shown(level.plan or "none"), fewer, gain(level)]
        rows.append([*cells, level.other or "none", text(level.gain_over_other, ".2f", "×")])
    head = ["PSNR at least", "fastest plan", "best curve of fewer steps", "plan is faster by", "fastest other", "by"]
    yield tables.markdown(head, rows)


def _profiles(found: Tuning) -> Iterator[str]:
    yield "## Profiles"
    yield ""
    for file, arm in found.profiles.items():
        yield f"- `{file}`: `{shown(arm)}`; {_stands_for(file, found.point(arm))}"
    lacking = [
        level for level in found.levels if not any(profiles.promise(file) == level.psnr for file in found.profiles)
    ]
    if lacking and found.points[0].sure is not None:
        those = ", ".join(f"{level.psnr:g}" for level in lacking)
        yield f"- None for {those} dB: nothing that is faster than the baseline surely has that."
    elif found.points[0].psnr.count is not None and found.points[0].psnr.count < FEWEST:
        few = f"{found.points[0].psnr.count} prompts to choose by are too few to be sure of a fidelity"
        yield f"- None that promises a fidelity: {few}; {FEWEST} are the least, 16 are better."
    for arm, why in found.unfit.items():
        yield f"- Not tried: `{arm}`. {why}"


def _stands_for(file: str, point: Point) -> str:
    """What a profile promises, and whether held-out prompts confirm it."""
    promised, confirmed = profiles.promise(file), profiles.kept(file, point)
    verdict = {True: ", confirmed", False: ", NOT confirmed", None: ""}[confirmed]
    if promised is not None and confirmed is None and point.held_out is not None:
        verdict = f", too few prompts to confirm it ({FEWEST} are the least)"
    stands = f"promises {promised:.1f} dB" if promised is not None else f"{text(point.psnr, '.1f')} dB"
    return f"{stands}, held-out {text(point.held_out, '.1f')} dB{verdict}; {text(point.ratio, '.3f')} of the time."


def gain(level: Level) -> str:
    """How much faster the plan of a level is than fewer steps."""
    more = "> " if level.falls_short and level.gain else ""
    return more + text(level.gain, ".2f", "×")


def text(figure: Figure | None, form: str, unit: str = "") -> str:
    """A figure with its interval."""
    if figure is None:
        return "–"
    ends = f" [{figure.interval[0]:{form}}, {figure.interval[1]:{form}}]" if figure.interval else ""
    return f"{figure.value:{form}}{unit}{ends}"

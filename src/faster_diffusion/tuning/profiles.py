"""Which ways of sampling become profiles, and their files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..arms import Arm
from ..measuring.verdicts import FEWEST
from ..models.fingerprint import Fingerprint
from ..models.pipelines import network_of
from ..models.schedulers import Solver
from ..options.config import PropagationConfig
from ..options.profile import SUFFIX, Profile
from .results import PLAN, Point, Tuning, shown


def choose(points: Sequence[Point], psnrs: Sequence[float], max_seconds: float | None) -> dict[str, str]:
    """File -> arm: the fastest at each fidelity, and the best within a time, as far as there are any.

    All are faster than the baseline. What is promised is what the mean surely has on calibration, although the arm is
    chosen from many; of too few prompts nothing is sure.
    """
    able = [point for point in points if not Arm.parse(point.arm).third_party and point.ratio.value < 1]
    chosen = {}
    for psnr in sorted(set(psnrs)):
        for point in fastest(able, psnr):
            chosen[f"fastest-at-{psnr:g}dB{SUFFIX}"] = point.arm
    if max_seconds is not None:
        within = [point for point in able if point.seconds.value <= max_seconds]
        for point in sorted(within, key=lambda point: -point.psnr.low)[:1]:
            chosen[f"best-within-{max_seconds:g}s{SUFFIX}"] = point.arm
    return chosen


def fastest(points: Sequence[Point], psnr: float, kind: str | None = None) -> list[Point]:
    """The fastest that surely has ``psnr`` on calibration, if there is one."""
    sure = [point for point in points if point.sure is not None and point.sure >= psnr and kind in (None, point.kind)]
    return sorted(sure, key=lambda point: point.ratio.value)[:1]


def promise(file: str) -> float | None:
    """The PSNR that a profile stands for, dB; none for the best within a time, which promises that alone."""
    value = file.removesuffix(SUFFIX).partition("-at-")[2]
    return float(value.removesuffix("dB")) if value else None


def kept(file: str, point: Point) -> bool | None:
    """Whether held-out prompts confirm what a profile promises: with their whole interval, not their mean alone.

    None where nothing is promised, or they are too few to tell.
    """
    promised, held_out = promise(file), point.held_out
    if promised is None or held_out is None or (held_out.count is not None and held_out.count < FEWEST):
        return None
    return held_out.low >= promised


def write(pipe: Any, found: Tuning, folder: Path) -> None:
    """The profiles of a tuning, each with what was measured."""
    folder.mkdir(exist_ok=True)
    for file, spec in found.profiles.items():
        profile(pipe, found, file, found.point(spec)).save(folder / file)


def profile(pipe: Any, found: Tuning, file: str, point: Point) -> Profile:
    """A point as options for ``fd.enable``."""
    arm = Arm.parse(point.arm)
    with arm.applied(pipe):
        solver = Solver.of(pipe.scheduler)
    config = arm.propagation or PropagationConfig("all", prior_noise=None)
    confirmed = kept(file, point)
    measured = {
        "promise_psnr": promise(file),
        "psnr": asdict(point.psnr),
        "held_out_psnr": point.held_out and asdict(point.held_out),
        "held_out_keeps_promise": confirmed,
        "psnr_to_full_run": point.psnr_full and asdict(point.psnr_full),
        "time_ratio": asdict(point.ratio),
        "seconds": asdict(point.seconds),
        "reference": found.settings["reference"],
        "guidance": found.settings.get("guidance", found.settings["settings"]["guidance"]),
        "size": found.settings.get("size"),
        "baseline_steps": found.settings["settings"]["steps"][0],
        "machine": {key: value for key, value in found.machine.items() if key != "load_average"},
    }
    notes = [f"arm {shown(point.arm)}"]
    if confirmed is False:
        assert point.held_out is not None
        figure, ends = point.held_out.value, point.held_out.interval
        between = f" [{ends[0]:.1f}, {ends[1]:.1f}]" if ends else ""
        promised = f"{promise(file):g} dB promised"
        notes.append(f"NOT CONFIRMED: {figure:.1f}{between} dB on held-out prompts, for {promised}.")
    elif confirmed is None and promise(file) is not None:
        notes.append(unconfirmed(point))
    if point.kind != PLAN:
        notes.append("No plan was faster than this at its fidelity.")
    steps = arm.steps(measured["baseline_steps"])
    return Profile(Fingerprint.of(pipe, network_of(pipe)), solver, steps, config, measured, tuple(notes))


def unconfirmed(point: Point) -> str:
    """Why there is no verdict on what is promised."""
    count = point.held_out.count if point.held_out is not None else 0
    return f"Neither confirmed nor refuted: {count} held-out prompts are too few to tell, {FEWEST} are the least."

"""The times of a tuning anew, as on another machine. Fidelity does not depend on that, and stays as it was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..arms import Arm
from ..files import locked
from ..generation.prompts import Prompt
from ..generation.sampling import Settings, quiet
from ..measuring.identity import identity
from ..measuring.machine import machine
from . import levels, speed
from .records import Records
from .results import Tuning
from .space import Space


def retime(
    found: Tuning,
    pipe: Any,
    prompts: Sequence[Prompt],
    out: Path,
    rounds: int = 7,
    progress: bool = False,
) -> Tuning:
    """Times all that a tuning timed, here and now; profiles stay those that it chose.

    Args:
        found: files of corrections that it names have to be there.
        pipe: what was tuned, or a copy of it on another device or in another precision.
        prompts: a call generates images of all of them.
        out: a folder, which is made; times that are in it already are not measured again.

    Raises:
        ValueError: ``out`` holds times of something else.
        BlockingIOError: another process is writing to ``out``.
    """
    arms = [Arm.parse(point.arm) for point in found.points]
    asked = found.settings["settings"]
    settings = Settings(**{**asked, "steps": tuple(asked["steps"])})
    out.mkdir(parents=True, exist_ok=True)
    with locked(out), quiet([pipe]):
        records = Records(out, {"model": identity(pipe), "arms": [arm.spec for arm in arms]})
        own = levels.own_solver(pipe, Space(**found.settings["space"]).plain_solvers)
        times = speed.time(pipe, arms, prompts, settings, rounds, records, progress)
    baseline = arms[0].spec
    timed = [speed.figures(times, arm.spec, baseline) for arm in arms]
    points = tuple(
        replace(point, seconds=seconds, ratio=ratio)
        for point, (seconds, ratio) in zip(found.points, timed, strict=True)
    )
    return replace(
        found,
        settings={**found.settings, "timed": {"images": len(prompts), "rounds": len(times[baseline])}},
        machine=machine(),
        points=points,
        pareto_front=levels.pareto_front_of(points),
        levels=levels.compared((level.psnr for level in found.levels), points, own, times),
    )

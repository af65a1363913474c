"""An evaluation: arms sample the same prompts from the same seeds, in turn, and are judged by their images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..arms import Arm
from ..files import locked, write_json
from ..generation.filmstrip import cut
from ..generation.prompts import Prompt
from ..generation.sampling import Settings, check_askable, frames_drawn
from ..measuring.extras import check_extra
from ..measuring.identity import identity, versions
from ..measuring.machine import machine
from ..measuring.store import Store
from . import report
from .interleaved import Turns
from .judging import Judges
from .line_up import BASELINE, default_arms, kind_of, line_up
from .results import ArmResult, Evaluation


def evaluate(
    pipe: Any,
    arms: Sequence[Arm | str] = (),
    prompts: Sequence[Prompt] = (),
    settings: Settings | None = None,
    judges: Judges | None = None,
    *,
    out: Path,
    name: str = "",
    reports: bool = True,
    progress: bool = False,
) -> Evaluation:
    """Samples every prompt with every arm, judges the images, and writes ``results.json`` and the images to ``out``.

    A run that was stopped is gone on with when it is called again with the same arguments.

    Args:
        pipe: a pipeline that generates images or videos from prompts or classes, and from pictures where prompts have a
            start; or several, each of which goes on from the images of the one before, such as DeepFloyd-IF's stages.
        arms: ways of sampling (see ``Arm.parse``); the baseline is added if it is missing. By default the paper's plan
            with and without noise, ``uniform:4``, and a half to a fifth of the steps by several solvers.
        prompts: see ``read_prompts`` and ``embedded_prompts``.
        out: a folder, which is made.
        name: the model's, for the reports.
        reports: whether to write ``report.html``, ``report.md`` and plots too.
        progress: whether to show a progress bar on stderr.

    Raises:
        ValueError: something is not understood, or ``out`` holds another evaluation.
        BlockingIOError: another process is writing to ``out``.
        ImportError: the extra ``eval`` is not installed.
    """
    check_extra()
    out.mkdir(parents=True, exist_ok=True)
    with locked(out):
        return _evaluate(pipe, arms, prompts, settings, judges, out, name, reports, progress)


def _evaluate(
    pipe: Any,
    arms: Sequence[Arm | str],
    prompts: Sequence[Prompt],
    settings: Settings | None,
    judges: Judges | None,
    out: Path,
    name: str,
    reports: bool,
    progress: bool,
) -> Evaluation:
    pipes = list(pipe) if isinstance(pipe, (list, tuple)) else [pipe]
    settings, judges = settings or Settings(), judges or Judges()
    contest = line_up(arms or default_arms(settings.steps[0]), judges.references)
    if not prompts:
        raise ValueError("There are no prompts.")
    if len(settings.steps) != len(pipes):
        raise ValueError(f"{len(pipes)} pipelines need a number of steps each, not {len(settings.steps)}.")
    check_askable(pipes, prompts)
    settings = replace(settings, frames=frames_drawn(pipes[-1], settings))
    parts = [identity(part) for part in pipes]
    manifest: dict[str, Any] = {
        "model": {"name": name, "parts": parts},
        "prompts": [replace(prompt, picture=None).to_dict() for prompt in prompts],
        "arms": {arm.name: arm.spec for arm in contest},
        "settings": settings.to_dict(),
        "versions": versions(),
    }
    store = Store(out, manifest, settings.batch_size)
    turns = Turns(pipes, contest, prompts, settings, store, [BASELINE.name, *judges.references])
    turns.generate(progress)
    first = cut(store.image(BASELINE.name, 0), settings.frames or 1)[0]
    material = judges.material(prompts, parts[0]["device"], first.size, settings.frames)
    columns = judges.columns(material)
    able = [arm.name for arm in contest if arm.name not in turns.failed]
    values = judges.verdict(material, columns, able, store, progress)
    found = Evaluation(
        model=manifest["model"],
        settings=settings.to_dict(),
        machine=machine(),
        judges={
            "features": judges.features,
            "clip": judges.clip,
            "real": f"{material.real.source} ({material.real.count})" if material.real else None,
        },
        prompts=tuple(prompts),
        columns=columns,
        arms=tuple(
            ArmResult(arm.name, arm.spec, kind_of(arm), turns.failed.get(arm.name), values.get(arm.name, {}))
            for arm in contest
        ),
    )
    write_json(out / "results.json", found.to_dict())
    if reports:
        report.write(found, store)
    return found

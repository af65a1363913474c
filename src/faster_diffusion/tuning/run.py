"""A tuning: search over prompts by successive halving, real times for what is left, held-out prompts to confirm."""

from __future__ import annotations

import time as clock
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..arms import Arm
from ..files import write_json
from ..generation.prompts import Prompt, seeded
from ..generation.sampling import Settings, check_askable, generate, quiet
from ..measuring.extras import check_extra
from ..measuring.identity import identity, versions
from ..measuring.machine import machine
from ..models.pipelines import network_of
from ..options.profile import SUFFIX
from . import levels, placement, profiles, report, search, speed
from .fitting import check_fits, fit_to
from .following import Followed, follow
from .lab import CALIBRATION, HELD_OUT, Lab
from .records import Records
from .results import FEWER_STEPS, OTHER, PLAN, Figure, Point, Tuning
from .space import Space, decoded_otherwise, without_guidance
from .speed import Speed, Times

LEVELS = (25.0, 30.0, 35.0, 40.0, 45.0, 50.0)  # dB

_OTHER_SEEDS = 1_000_000  # between the images that choose and those that corrections are fitted to
_NO_ESTIMATE = "What it saves is not known, so that its time has to be measured (rounds)."
_SEARCH = 0.6  # fraction of the budget after which nothing new is tried


def tune(
    pipe: Any,
    prompts: Sequence[Prompt | str],
    *,
    out: str | Path,
    settings: Settings | None = None,
    calibration: int | None = None,
    min_psnr: float = 35.0,
    max_seconds: float | None = None,
    budget_minutes: float | None = None,
    space: Space | None = None,
    reference: str = "dpm++-trailing:150",
    rounds: int = 7,
    seed: int = 0,
    name: str = "",
    progress: bool = False,
) -> Tuning:
    """Finds the fastest ways to sample a pipeline at a given fidelity, here and now, and writes profiles of them.

    Fidelity is PSNR to a run of many steps; it does not depend on the machine, times do. A tuning that was stopped is
    gone on with when it is called again with the same arguments; with another space too, and what both have in common
    is not generated again.

    Args:
        pipe: a pipeline that generates images from prompts.
        prompts: the first ``calibration`` choose, the others confirm. Texts get seeds that count up from ``seed``.
        calibration: by default 16, or half of the prompts if they are fewer than 32.
        out: a folder, which is made.
        settings: guidance, size, images generated at once; its steps are those of the baseline.
        min_psnr: dB that a profile is wanted for, beside those of ``LEVELS``.
        max_seconds: of a call that generates one image; the best within them gets a profile too.
        budget_minutes: about how long it may take; without it all of ``space`` is tried.
        space: what is tried.
        reference: the run of many steps, as an arm.
        rounds: how often each time is measured; with 0 times are estimated from network calls and FLOPs, and do not
            depend on what else the machine does.
        name: the model's, for the report.
        progress: whether to show progress bars on stderr.

    Raises:
        ValueError: something is not understood, or ``out`` holds another tuning.
        ImportError: the extra ``eval`` is not installed.
    """
    check_extra()
    started, settings, space = clock.monotonic(), settings or Settings(batch_size=4), space or Space()
    named = seeded(prompts, seed)
    if len(named) < 2:
        raise ValueError(f"Tuning needs two prompts or more, to choose by and to confirm with; got {len(named)}.")
    if calibration is not None and not 0 < calibration < len(named):
        raise ValueError(
            f"calibration={calibration} of {len(named)} prompts leaves none to confirm with. "
            f"Give more prompts, or a calibration of at most {len(named) - 1}."
        )
    check_askable([pipe], named)
    if settings.guidance is not None and settings.guidance <= 1:
        space = replace(space, guidance=())  # there is no other half to leave out
    count = calibration or min(16, len(named) // 2)
    split = {CALIBRATION: named[:count], HELD_OUT: named[count:]}
    manifest: dict[str, Any] = {
        "model": {"name": name, **identity(pipe)},
        "prompts": {key: [prompt.to_dict() for prompt in part] for key, part in split.items()},
        "settings": settings.to_dict(),
        "reference": Arm.parse(reference).spec,
        "fitted": space.fitted,
        "versions": versions(),
    }
    records = Records(Path(out), manifest)
    full = [Arm.parse(f"{solver}:{steps}") for solver, steps in (*space.runs, *space.short_runs)]
    lab = Lab(pipe, split, settings, Arm.parse(reference), full, records)
    until = None if budget_minutes is None else started + 60 * _SEARCH * budget_minutes
    with quiet([pipe]):
        own = levels.own_solver(pipe, space.plain_solvers)
        baselines, unfit = _able(pipe, [lab.baseline, *space.baselines(own=own is None)])
        if not rounds:
            unfit |= {arm.spec: _NO_ESTIMATE for arm in baselines if arm.third_party}
            baselines = [arm for arm in baselines if not arm.third_party]
        speeds = _speed(lab, space)
        search.measured(lab, baselines, CALIBRATION, progress, "fewer steps")
        corrected, unfit_corrected = _corrected(lab, space, until, progress)
        plans, unfit_plans = _able(pipe, [*corrected, *space.plans(network_of(pipe), _placed(lab, space))])
        gated = [] if until is not None and clock.monotonic() > until else [arm for arm in plans if arm.gated]
        search.measured(lab, gated, CALIBRATION, progress, "gates", batches=1)  # their cost is known from sampling
        plans = [arm for arm in plans if arm in gated or not arm.gated]
        costs = _costs(lab, speeds, (*baselines, *plans))
        finalists, complete = search.best_plans(lab, plans, costs, until, progress)
        halved, unfit_halved = _able(pipe, without_guidance(finalists if complete else (), space.guidance))
        search.measured(lab, halved, CALIBRATION, progress, "half batches")
        costs |= _costs(lab, speeds, (*finalists, *halved))
        finalists = search.leading(lab, list(dict.fromkeys([*finalists, *halved])), costs, None)
        timed = [*baselines, *(decoded_otherwise(finalists) if rounds else finalists)]
        times = (
            speed.time(pipe, timed, split[CALIBRATION][:1], settings, rounds, records, progress)
            if rounds
            else {arm.spec: [costs[arm.spec]] for arm in timed}
        )
        points = _points(lab, baselines, timed, times, costs)
        chosen = profiles.choose(points, (*LEVELS, min_psnr), max_seconds)
        plain = [point.arm for psnr in LEVELS for point in profiles.fastest(points, psnr, FEWER_STEPS)]
        confirmed = dict.fromkeys(_generated_as(Arm.parse(arm), baselines) for arm in (*chosen.values(), *plain))
        search.measured(lab, list(confirmed), HELD_OUT, progress, "held-out prompts")
    points = _points(lab, baselines, timed, times, costs)
    found = Tuning(
        model=manifest["model"],
        settings={
            **{key: manifest[key] for key in ("settings", "reference")},
            "space": space.to_dict(),
            "prompts": {key: len(part) for key, part in split.items()},
            "timed": {"images": 1, "rounds": len(times[lab.baseline.spec]) if rounds else 0},
        },
        machine=machine(),
        points=tuple(points),
        pareto_front=levels.pareto_front_of(points),
        levels=levels.compared({*LEVELS, min_psnr}, points, own, times),
        profiles=chosen,
        unfit={**unfit, **unfit_corrected, **unfit_plans, **unfit_halved},
        tried=len(list((records.folder / "fidelity").glob("*.json"))),
        complete=complete,
    )
    profiles.write(pipe, found, records.folder / "profiles")
    write_json(records.folder / "tuning.json", found.to_dict())
    report.write(found, records.folder)
    return found


def _able(pipe: Any, arms: Iterable[Arm]) -> tuple[list[Arm], dict[str, str]]:
    """The different arms that fit a pipeline, and why the others do not."""
    reasons = {arm: arm.applicable(pipe) for arm in dict.fromkeys(arms)}
    return [arm for arm in reasons if reasons[arm] is None], {arm.spec: why for arm, why in reasons.items() if why}


def _speed(lab: Lab, space: Space) -> Speed:
    """Measured once for what a tuning reuses, so that its ranking stays the same."""
    known, reuse = lab.records.fact("speed"), space.fitting(network_of(lab.pipe))
    if known is not None and (speed := Speed.from_dict(known)).fractions.keys() >= set(reuse):
        return speed
    measured = Speed.measured(lab.pipe, lab.prompts[CALIBRATION][:1], lab.settings, reuse)
    lab.records.put_fact("speed", measured.to_dict())
    return measured


def _costs(lab: Lab, speeds: Speed, arms: Iterable[Arm]) -> dict[str, float]:
    """Estimated seconds by arm."""
    steps = lab.settings.steps[0]
    return {arm.spec: speeds.estimate(arm, lab.pipe, steps, lab.scores(arm, CALIBRATION, "computed")) for arm in arms}


def _corrected(lab: Lab, space: Space, until: float | None, progress: bool) -> tuple[list[Arm], dict[str, str]]:
    """Short runs, each with a correction that is fitted once for a tuning, and why others cannot be fitted."""
    folder = lab.records.folder / "corrections"
    pairs = zip(range(space.fitted), cycle(lab.prompts[CALIBRATION]), strict=False)
    prompts = [replace(prompt, seed=prompt.seed + _OTHER_SEEDS + number) for number, prompt in pairs]
    corrected, unfit = [], {}
    long: Followed | None = None
    for solver, steps, place in tqdm(space.corrected_runs, desc="corrections", unit="run", disable=not progress):
        if until is not None and clock.monotonic() > until:
            break
        name, arm = f"{solver}-{steps}" + ("-placed" if place else ""), Arm(solver, steps)
        path = folder / f"{name}{SUFFIX}"
        try:
            if not path.is_file():
                check_fits(lab.pipe, arm, prompts[0], lab.settings, place=place)
                long = long or follow(lab.pipe, lab.reference, prompts, lab.settings, listen=True)
                made = fit_to(long, lab.pipe, arm, held_out=0, place=place)
                folder.mkdir(exist_ok=True)
                made.save(path)
            corrected.append(Arm.parse(f"{arm.spec} + all + corrected:{path}"))
        except ValueError as error:
            unfit[f"{arm.spec} + all + corrected:{path.name}"] = str(error)
    return corrected, unfit


def _placed(lab: Lab, space: Space) -> dict[tuple[str, int], dict[int, list[int]]]:
    """Where key steps are best, however many, from a full run of the first batch by every solver."""
    known: dict[str, dict[str, list[int]]] = lab.records.fact("placements") or {}
    placed = {}
    for solver, steps in space.runs:
        spec = f"{solver}:{steps}"
        if spec not in known:
            known[spec] = {str(keys): list(where) for keys, where in _least_moving_keys(lab, solver, steps).items()}
            lab.records.put_fact("placements", known)
        placed[solver, steps] = {int(keys): where for keys, where in known[spec].items()}
    return placed


def _least_moving_keys(lab: Lab, solver: str, steps: int) -> Mapping[int, Sequence[int]]:
    arm, batch = Arm.parse(f"{solver}:{steps}"), lab.batches(CALIBRATION)[0]
    with arm.applied(lab.pipe), placement.recorded(lab.pipe.scheduler) as predictions:
        prompts = [lab.prompts[CALIBRATION][number] for number in batch]
        lab.keep(arm, CALIBRATION, batch, generate(arm, [lab.pipe], prompts, lab.settings))
        try:
            influence = placement.influences(lab.pipe.scheduler)
        except ValueError:
            return {}
    if len(predictions) != len(influence):
        return {}
    return placement.least_moving_keys(placement.inner_products(predictions), influence, range(1, len(influence) + 1))


def _points(
    lab: Lab, baselines: Sequence[Arm], arms: Sequence[Arm], times: Times, costs: Mapping[str, float]
) -> list[Point]:
    """All that is known of arms that were timed."""
    points = []
    for arm in arms:
        measured = _generated_as(arm, baselines)
        full = lab.scores(measured, CALIBRATION, "psnr_full")
        held_out = lab.scores(measured, HELD_OUT) if lab.complete(measured, HELD_OUT) else []
        seconds, ratio = speed.figures(times, arm.spec, lab.baseline.spec)
        kind = OTHER if arm.third_party or arm.propagation else FEWER_STEPS
        points.append(
            Point(
                arm=arm.spec,
                kind=kind if arm in baselines else PLAN,
                psnr=Figure.mean(lab.scores(measured, CALIBRATION)),
                psnr_full=Figure.mean(full) if full else None,
                held_out=Figure.mean(held_out) if held_out else None,
                seconds=seconds,
                ratio=ratio,
                estimate=costs[measured.spec],
            )
        )
    return points


def _generated_as(arm: Arm, baselines: Sequence[Arm]) -> Arm:
    """The arm by whose images one is judged: all decoded at once, as the search generates the images of plans."""
    if arm.propagation is None or arm in baselines:
        return arm
    return replace(arm, propagation=replace(arm.propagation, parallel=True), name="")

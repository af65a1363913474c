"""A tuning: search over prompts by successive halving, real times for what is left, held-out prompts to confirm."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import cycle, product
from pathlib import Path
from statistics import fmean
from typing import Any

from ..arms import Arm
from ..files import locked, write_json
from ..generation.progress import bar
from ..generation.prompts import Prompt, seeded
from ..generation.sampling import Settings, check_askable, generate, quiet
from ..measuring.extras import check_extra
from ..measuring.identity import identity, versions
from ..measuring.machine import machine
from ..measuring.verdicts import surely
from ..models.pipelines import network_of
from ..options.profile import SUFFIX, Profile
from . import levels, placement, profiles, report, search, speed
from .budget import CORRECTED, FEWER, LEADING, REFERENCE, TIMES, Budget, Pacer, most_telling_first
from .fitting import RUNS, check_fits, fit_to
from .following import Followed, guidance_in, size_of
from .halving import pareto_front
from .kept import follow_and_keep
from .lab import CALIBRATION, HELD_OUT, Lab
from .records import Records
from .results import FEWER_STEPS, OTHER, PLAN, Figure, Point, Tuning
from .space import Space, decoded_otherwise, without_guidance
from .speed import Speed, Times

LEVELS = (25.0, 30.0, 35.0, 40.0, 45.0, 50.0)  # dB

_OTHER_SEEDS = 1_000_000  # between the images that choose and those that corrections are fitted to
_NO_ESTIMATE = "What it saves is not known, so that its time has to be measured (rounds)."
_FEW_ROUNDS = 3  # of times, where there is no time for all


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
        budget_minutes: how long it may take: what tells most is tried first, and the report opens with what was left
            out. The baseline and a batch of ``reference`` are sampled in any case. By default ``space`` is tried whole.
        space: what is tried.
        reference: the run of many steps, as an arm.
        rounds: how often each time is measured; with 0 times are estimated from network calls and FLOPs, and do not
            depend on what else the machine does.
        name: the model's, for the report.
        progress: whether to show progress bars on stderr.

    Raises:
        ValueError: something is not understood, or ``out`` holds another tuning.
        BlockingIOError: another process is writing to ``out``.
        ImportError: the extra ``eval`` is not installed.
    """
    check_extra()
    settings, space = settings or Settings(batch_size=4), space or Space()
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
    folder, budget = Path(out), Budget(budget_minutes)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder), quiet([pipe]):
        records = Records(folder, manifest)
        own = levels.own_solver(pipe, space.plain_solvers)
        full = [] if budget_minutes is not None else [*space.runs, *space.short_runs]
        full_runs = [Arm.parse(f"{solver}:{steps}") for solver, steps in full]
        lab = Lab(pipe, split, settings, Arm.parse(reference), full_runs, records)
        pacer = Pacer(lab, _speed(lab, space, hurry=budget_minutes is not None), budget)
        baselines, unfit = _baselines(pacer, space.baselines(own=own is None), rounds, progress)
        finalists, unfit_plans = _finalists(pacer, space, progress)
        times, rounds, unfit_times = _timed(pacer, baselines, finalists, rounds, progress)
        unfit = {**unfit, **unfit_plans, **unfit_times}
        timed = list(map(Arm.parse, times))
        points = _points(lab, baselines, timed, times, pacer)
        chosen = profiles.choose(points, (*LEVELS, min_psnr), max_seconds)
        plain = [point.arm for psnr in LEVELS for point in profiles.fastest(points, psnr, FEWER_STEPS)]
        confirmed = dict.fromkeys(_generated_as(Arm.parse(arm), baselines) for arm in (*chosen.values(), *plain))
        _confirm(pacer, list(confirmed), progress)
        points = _points(lab, baselines, timed, times, pacer)
        found = Tuning(
            model=manifest["model"],
            settings={
                **{key: manifest[key] for key in ("settings", "reference")},
                "space": space.to_dict(),
                "prompts": {key: len(part) for key, part in split.items()},
                "timed": {"images": 1, "rounds": rounds},
                "guidance": guidance_in(pipe, settings),
                "size": size_of(pipe, named[0], settings),
            },
            machine=machine(),
            points=tuple(points),
            pareto_front=levels.pareto_front_of(points),
            levels=levels.compared({*LEVELS, min_psnr}, points, own, times),
            profiles=chosen,
            unfit=unfit,
            tried=len(list((records.folder / "fidelity").glob("*.json"))),
            complete=not budget.left_out,
            left_out=tuple(budget.left_out),
        )
        profiles.write(pipe, found, records.folder / "profiles")
        write_json(records.folder / "tuning.json", found.to_dict())
        report.write(found, records.folder)
    return found


def _baselines(pacer: Pacer, wanted: Sequence[Arm], rounds: int, progress: bool) -> tuple[list[Arm], dict[str, str]]:
    """What plans have to beat, measured; the pipeline as it is first, which is measured in any case."""
    lab, budget = pacer.lab, pacer.budget
    able, unfit = _able(lab.pipe, [lab.baseline, *wanted])
    if not rounds:
        unfit |= {arm.spec: _NO_ESTIMATE for arm in able if arm.third_party}
        able = [arm for arm in able if not arm.third_party]
    pacer.limit(CALIBRATION, (), REFERENCE, least=1)
    prompts = len(lab.prompts[CALIBRATION])
    budget.leave_out(prompts - lab.count(CALIBRATION), prompts, "prompts to choose by")
    for batch in lab.batches(CALIBRATION):
        pacer.measure_anyway(lab.baseline, CALIBRATION, batch)
    budget.begin()
    done = search.measured(pacer, most_telling_first(able[1:]), CALIBRATION, progress, "fewer steps", FEWER)
    budget.leave_out(len(able) - 1 - len(done), len(able) - 1, "runs of fewer steps and of other methods")
    return [arm for arm in able if arm in done or arm == lab.baseline], unfit


def _finalists(pacer: Pacer, space: Space, progress: bool) -> tuple[list[Arm], dict[str, str]]:
    """The plans and corrected runs that are worth being timed, and why others could not be tried."""
    lab, budget = pacer.lab, pacer.budget
    corrected, unfit = _corrected(pacer, space, progress)
    plans, unfit_plans = _able(lab.pipe, [*corrected, *space.plans(network_of(lab.pipe), _placed(pacer, space))])
    gates = [arm for arm in plans if arm.gated]
    gated = search.measured(pacer, gates, CALIBRATION, progress, "gates", CORRECTED, 1)  # cost is known from sampling
    budget.leave_out(len(gates) - len(gated), len(gates), "gated plans")
    plans = [arm for arm in plans if arm in gated or not arm.gated]
    finalists, left_out = search.best_plans(pacer, plans, pacer.costs(plans), progress)
    halved, unfit_halved = _able(lab.pipe, without_guidance(() if left_out else finalists, space.guidance))
    if left_out:
        budget.left_out.append(left_out)
    done = search.measured(pacer, halved, CALIBRATION, progress, "half batches", LEADING)
    budget.leave_out(len(halved) - len(done), len(halved), "plans without the unconditional half at their end")
    both = list(dict.fromkeys([*finalists, *done]))
    return search.leading(lab, both, pacer.costs(both), None), {**unfit, **unfit_plans, **unfit_halved}


def _timed(
    pacer: Pacer, baselines: Sequence[Arm], finalists: Sequence[Arm], rounds: int, progress: bool
) -> tuple[Times, int, dict[str, str]]:
    """Seconds by arm, in how many rounds they were measured, and which arms have none.

    Where there is no time for all, that of the arms that lead by estimate is measured, in fewer rounds if need be.
    """
    lab, budget = pacer.lab, pacer.budget
    arms = [*baselines, *(decoded_otherwise(finalists) if rounds else finalists)]
    costs = {arm.spec: pacer.seconds(_generated_as(arm, baselines)) for arm in arms}
    means = {arm.spec: fmean(lab.scores(_generated_as(arm, baselines), CALIBRATION)) for arm in arms}
    front = {lab.baseline.spec, *pareto_front(costs, means)}
    leading = [arm for arm in arms if arm.spec in front]
    for some, count in product((arms, leading), dict.fromkeys((rounds, min(rounds, _FEW_ROUNDS)))):
        if count and budget.has((count + 1) * sum(costs[arm.spec] for arm in some), TIMES):
            budget.leave_out(len(arms) - len(some), len(arms), "times, of what others lead by estimate")
            budget.leave_out(rounds - count, rounds, "rounds of times")
            prompts = lab.prompts[CALIBRATION][:1]
            return speed.time(lab.pipe, some, prompts, lab.settings, count, lab.records, progress), count, {}
    if rounds:
        budget.left_out.append("times, which are estimated from network calls and FLOPs instead")
    unknown = [arm for arm in arms if arm.third_party]
    return (
        {arm.spec: [costs[arm.spec]] for arm in arms if arm not in unknown},
        0,
        {arm.spec: _NO_ESTIMATE for arm in unknown},
    )


def _confirm(pacer: Pacer, arms: Sequence[Arm], progress: bool) -> None:
    """Measures what became a profile, and what that is compared with, on the held-out prompts there is time for."""
    lab, prompts = pacer.lab, len(pacer.lab.prompts[HELD_OUT])
    if arms:
        pacer.limit(HELD_OUT, arms, 1.0, least=0)
    search.measured(pacer, arms, HELD_OUT, progress, "held-out prompts", math.inf)
    pacer.budget.leave_out(prompts - lab.count(HELD_OUT), prompts, "prompts to confirm with")


def _able(pipe: Any, arms: Iterable[Arm]) -> tuple[list[Arm], dict[str, str]]:
    """The different arms that fit a pipeline, and why the others do not."""
    reasons = {arm: arm.applicable(pipe) for arm in dict.fromkeys(arms)}
    return [arm for arm in reasons if reasons[arm] is None], {arm.spec: why for arm, why in reasons.items() if why}


def _speed(lab: Lab, space: Space, hurry: bool) -> Speed:
    """Measured once for what a tuning reuses, so that its ranking stays the same; in a hurry by a single try."""
    known, reuse = lab.records.fact("speed"), space.fitting(network_of(lab.pipe))
    if known is not None and (speed := Speed.from_dict(known)).fractions.keys() >= set(reuse):
        return speed
    tries = {"tries": 1} if hurry else {}
    measured = Speed.measured(lab.pipe, lab.prompts[CALIBRATION][:1], lab.settings, reuse, **tries)
    lab.records.put_fact("speed", measured.to_dict())
    return measured


def _corrected(pacer: Pacer, space: Space, progress: bool) -> tuple[list[Arm], dict[str, str]]:
    """Short runs, each with a correction that is fitted once for a tuning, and why others cannot be fitted."""
    lab, folder = pacer.lab, pacer.lab.records.folder / "corrections"
    pairs = zip(range(space.fitted), cycle(lab.prompts[CALIBRATION]), strict=False)
    prompts = [replace(prompt, seed=prompt.seed + _OTHER_SEEDS + number) for number, prompt in pairs]
    corrected, unfit, late = [], {}, 0
    long: Followed | None = None
    for solver, steps, place in bar(space.corrected_runs, "corrections", "run", progress):
        name, arm = f"{solver}-{steps}" + ("-placed" if place else ""), Arm(solver, steps)
        path = folder / f"{name}{SUFFIX}"
        try:
            if not _is_whole(path):
                seconds = (1 + RUNS[place]) * pacer.seconds(arm) + (0 if long else pacer.seconds(lab.reference))
                if not pacer.has(len(prompts) * seconds, CORRECTED):
                    late += 1
                    continue
                check_fits(lab.pipe, arm, prompts[0], lab.settings, place=place)
                with pacer.spent(len(prompts) * seconds):
                    long = long or follow_and_keep(
                        lab.pipe, lab.reference, prompts, lab.settings, folder / "reference", listen=True
                    )
                    made = fit_to(long, lab.pipe, arm, held_out=0, place=place)
                folder.mkdir(exist_ok=True)
                made.save(path)
            corrected.append(Arm.parse(f"{arm.spec} + all + corrected:{path}"))
        except ValueError as error:
            unfit[f"{arm.spec} + all + corrected:{path.name}"] = str(error)
    pacer.budget.leave_out(late, len(space.corrected_runs), "corrected runs")
    return corrected, unfit


def _is_whole(profile: Path) -> bool:
    try:
        return bool(Profile.load(profile))
    except (OSError, ValueError):
        return False


def _placed(pacer: Pacer, space: Space) -> dict[tuple[str, int], dict[int, list[int]]]:
    """Where key steps are best, however many, from a full run of the first batch by every solver."""
    lab, late = pacer.lab, 0
    known: dict[str, dict[str, list[int]]] = lab.records.fact("placements") or {}
    placed = {}
    for solver, steps in space.runs:
        spec = f"{solver}:{steps}"
        if spec not in known:
            seconds = len(lab.batches(CALIBRATION)[0]) * pacer.seconds(Arm.parse(spec))
            if not pacer.has(seconds, CORRECTED):
                late += 1
                continue
            known[spec] = {str(keys): list(where) for keys, where in _least_moving_keys(lab, solver, steps).items()}
            lab.records.put_fact("placements", known)
        placed[solver, steps] = {int(keys): where for keys, where in known[spec].items()}
    pacer.budget.leave_out(late, len(space.runs), "full runs that tell where key steps are best")
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


def _points(lab: Lab, baselines: Sequence[Arm], arms: Sequence[Arm], times: Times, pacer: Pacer) -> list[Point]:
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
                estimate=pacer.seconds(measured),
            )
        )
    sure = surely([lab.scores(_generated_as(arm, baselines), CALIBRATION) for arm in arms])
    return points if sure is None else [replace(each, sure=low) for each, low in zip(points, sure, strict=True)]


def _generated_as(arm: Arm, baselines: Sequence[Arm]) -> Arm:
    """The arm by whose images one is judged: all decoded at once, as the search generates the images of plans."""
    if arm.propagation is None or arm in baselines:
        return arm
    return replace(arm, propagation=replace(arm.propagation, parallel=True), name="")

"""Measures a case: every arm's time, FLOPs and memory, or why it cannot be used."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any

import torch

from ..arms import Arm
from ..measuring.flops import Flops, count_flops
from ..measuring.machine import machine
from ..measuring.timing import Timings, interleave
from ..models.stages import stage_names
from .cases import BASELINE, GRAPHS, Case
from .memory import peak_memory
from .prepared import Prepared, prepare

logger = logging.getLogger(__name__)

COMPILED_WARM_UP = 2  # the second call meets shapes that the first one made dynamic
GRAPHS_WARM_UP = 4  # after these, a graph of each size of batch runs once as it is, and is recorded in the next call


@dataclass
class Outcome:
    """What became of an arm."""

    arm: Arm
    reason: str | None = None  # why there is nothing else
    flops: Flops | None = None
    timings: Timings = field(default_factory=Timings)
    memory: int | None = None


def measure(case: Case, rounds: int, memory: bool = True) -> dict[str, Any]:
    """A case's report, as JSON has it.

    Every arm is first tried in one eager call, in which FLOPs are counted and which warms up. Those that can be used
    are then timed in turn.
    """
    outcomes = {arm.name: Outcome(arm) for arm in case.arms}
    _free()
    try:
        prepared = prepare(case)
    except Exception as error:
        reason = _reason(error)
        outcomes = {arm.name: Outcome(arm, reason) for arm in case.arms}
    else:
        _measure(case, prepared, outcomes, rounds, memory)
    return {
        "name": case.name,
        "case": case.to_dict(),
        "rounds": rounds,
        "memory": memory,
        "machine": machine(),
        "arms": _rows(outcomes),
    }


def set_mode(prepared: Prepared, mode: str) -> None:
    """Compiles the network in place or lays it out anew, as one of ``cases.MODES`` says."""
    torch.compiler.reset()  # what other cases compiled counts against the limit of recompilations
    network: Any = prepared.network
    graphs = "reduce-overhead" if mode in GRAPHS else None
    if mode == "channels-last":
        network.to(memory_format=torch.channels_last)
    elif mode == "regional":
        network.compile_repeated_blocks(dynamic=True)
    elif mode in ("stages", "stage-graphs"):
        for stage in chain(*stage_names(network)):
            network.get_submodule(stage).compile(mode=graphs)
        if graphs:  # a call of the network is one step for them; the engine says so where it is on
            network.register_forward_pre_hook(lambda *_: torch.compiler.cudagraph_mark_step_begin())
    else:
        network.compile(mode=graphs)


def _measure(case: Case, prepared: Prepared, outcomes: dict[str, Outcome], rounds: int, memory: bool) -> None:
    for outcome in outcomes.values():
        _attempt(_try, outcome, prepared, case)
    if case.mode != "eager":
        set_mode(prepared, case.mode)
        for outcome in outcomes.values():
            _attempt(_warm_up, outcome, prepared, case)
    usable = {name: outcome for name, outcome in outcomes.items() if outcome.reason is None}
    timings = interleave(
        prepared.network,
        {name: partial(_attempt, _sample, outcome, prepared, case) for name, outcome in usable.items()},
        rounds,
        warm_up=0,
        within=lambda name: usable[name].arm.applied(prepared.pipe),
    )
    for name, outcome in usable.items():
        outcome.timings = timings[name]
        if memory and outcome.reason is None:
            outcome.memory = _peak_memory(case, outcome.arm, prepared)


def _attempt(step: Callable[[Outcome, Prepared, Case], None], outcome: Outcome, prepared: Prepared, case: Case) -> None:
    """Takes a step with an arm that has not failed yet; what goes wrong is the arm's reason."""
    if outcome.reason is None:
        try:
            step(outcome, prepared, case)
        except Exception as error:
            outcome.reason = _reason(error)
        if outcome.reason is not None:
            _free()


def _try(outcome: Outcome, prepared: Prepared, case: Case) -> None:
    arm = outcome.arm
    outcome.reason = arm.applicable(prepared.pipe)
    if outcome.reason is None:
        with arm.applied(prepared.pipe):
            outcome.flops = count_flops(prepared.network, partial(_sample, outcome, prepared, case))


def _warm_up(outcome: Outcome, prepared: Prepared, case: Case) -> None:
    for _ in range(GRAPHS_WARM_UP if case.mode in GRAPHS else COMPILED_WARM_UP):
        with outcome.arm.applied(prepared.pipe):
            _sample(outcome, prepared, case)


def _sample(outcome: Outcome, prepared: Prepared, case: Case) -> None:
    prepared.sample(outcome.arm.steps(case.steps))


def _peak_memory(case: Case, arm: Arm, prepared: Prepared) -> int | None:
    try:
        return peak_memory(case, arm, prepared)
    except RuntimeError as error:
        logger.warning("The memory of %s was not measured: %s", arm.name, _reason(error))
        return None


def _rows(outcomes: dict[str, Outcome]) -> dict[str, Any]:
    base = next(outcome for outcome in outcomes.values() if outcome.arm == BASELINE)
    return {name: _row(outcome, base) for name, outcome in outcomes.items()}


def _row(outcome: Outcome, base: Outcome) -> dict[str, Any]:
    if outcome.reason is not None or outcome.flops is None:
        return {"reason": outcome.reason}
    row = {
        **outcome.timings.to_dict(),
        "flops": outcome.flops.network,
        "call_flops": outcome.flops.call,
        "peak_memory_bytes": outcome.memory,
    }
    if base.reason is None and base.flops is not None:
        row |= {
            "flops_ratio": outcome.flops.network / base.flops.network,
            "unet_ratio": outcome.timings.unet_seconds / base.timings.unet_seconds,
            "call_ratio": outcome.timings.call_seconds / base.timings.call_seconds,
        }
    return row


def _reason(error: Exception) -> str:
    if isinstance(error, torch.cuda.OutOfMemoryError):
        return "out of memory"
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]


def _free() -> None:
    """Gives back what the case or the arm before left."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()

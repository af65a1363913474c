"""Seconds of arms: estimated for the ranking of many, and measured, interleaved, for those that matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import partial
from statistics import fmean, median
from typing import Any

from ..arms import Arm
from ..generation.progress import bar
from ..generation.prompts import Prompt
from ..generation.sampling import Settings, generate
from ..measuring.timing import in_turn, interleave
from ..models import schedulers
from ..models.pipelines import network_of
from .records import Records
from .results import Figure

Times = dict[str, list[float]]  # seconds of every round by arm

_FEW, _MANY = 6, 18  # steps of the runs that the speed is estimated from
_TRIES = 3


@dataclass(frozen=True)
class Speed:
    """What a call is made of: seconds a network call, a step of the scheduler, and beside them."""

    call: float
    step: float
    rest: float
    fractions: Mapping[str, float]  # what is reused -> the fraction of a network call that is still computed, by FLOPs

    @classmethod
    def measured(
        cls, pipe: Any, prompts: Sequence[Prompt], settings: Settings, reuse: Sequence[str], tries: int = _TRIES
    ) -> Speed:
        """From a few short runs."""
        few, many = Arm.parse(f"steps:{_FEW}"), Arm.parse(f"steps:{_MANY}")
        one = Arm.parse(f"steps:{_MANY} + 0, + output")
        runs = _rounds(pipe, [few, many, one], prompts, settings, tries, warm_up=True)
        few_s, many_s, one_s = (median(runs[arm.spec]) for arm in (few, many, one))
        both = max(0.0, (many_s - few_s) / (_MANY - _FEW))
        call = min(both, max(0.0, (many_s - one_s) / (_MANY - 1)))
        fractions = {kind: _fraction(pipe, kind, prompts[:1], settings) for kind in reuse}
        return cls(call, both - call, max(0.0, few_s - _FEW * both), fractions)

    def estimate(self, arm: Arm, pipe: Any, steps: int, computed: Sequence[float] = ()) -> float:
        """Seconds of an arm; what third-party methods save is not known.

        Args:
            computed: network calls of some of its images, which only sampling tells where a gate decides.
        """
        calls = network_calls(arm, pipe, steps)
        if computed:
            return self.rest + self.call * fmean(computed) + self.step * calls
        return self.rest + self.call * self._computed(arm, calls) + self.step * calls

    def _computed(self, arm: Arm, calls: int) -> float:
        """Network calls as planned, those that are computed in part as such a part."""
        computed: float = calls
        if arm.propagation is not None:
            keys = arm.propagation.key_steps.orders(calls)
            until = arm.propagation.guidance_until
            halved = 0 if until is None else sum(step >= until * calls for step in keys)
            reused = (calls - len(keys)) * self.fractions.get(str(arm.propagation.reuse), 0.0)
            computed = len(keys) - halved / 2 + reused
        return computed

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Speed:
        """The inverse of ``to_dict``; reads what earlier versions wrote too."""
        return cls(**{"fractions" if name == "shares" else name: value for name, value in content.items()})


def network_calls(arm: Arm, pipe: Any, steps: int) -> int:
    """How often a run of the solver evaluates the network, nothing reused (the number of function evaluations, NFE)."""
    config = pipe.scheduler.config
    scheduler = schedulers.make(arm.solver, config) if arm.solver else type(pipe.scheduler).from_config(config)
    return schedulers.network_calls(scheduler, arm.steps(steps))


def time(
    pipe: Any,
    arms: Sequence[Arm],
    prompts: Sequence[Prompt],
    settings: Settings,
    rounds: int,
    records: Records,
    progress: bool = False,
) -> Times:
    """Seconds of a call for ``prompts``, round by round; rounds that were measured before are not redone."""
    specs = [arm.spec for arm in arms]
    known = records.fact("times") or {}
    times: Times = known["seconds"] if known.get("arms") == specs else {spec: [] for spec in specs}
    done = len(times[specs[0]])
    with bar(rounds, "timing", "round", progress, initial=done) as shown:
        for number in range(done, rounds):
            measured = _rounds(pipe, in_turn(arms, number), prompts, settings, 1, warm_up=number == done)
            times = {spec: [*times[spec], *measured[spec]] for spec in specs}
            records.put_fact("times", {"arms": specs, "seconds": times})
            shown.update()
    return times


def figures(times: Times, arm: str, baseline: str) -> tuple[Figure, Figure]:
    """Seconds of an arm, and their ratio to the baseline's, round by round."""
    ratios = [a / b for a, b in zip(times[arm], times[baseline], strict=True)]
    return Figure.median(times[arm]), Figure.median(ratios)


def _rounds(
    pipe: Any, arms: Sequence[Arm], prompts: Sequence[Prompt], settings: Settings, rounds: int, warm_up: bool
) -> Times:
    by_name = {arm.spec: arm for arm in arms}

    def within(name: str) -> AbstractContextManager[Any]:
        return by_name[name].applied(pipe)

    calls = {name: partial(generate, arm, [pipe], prompts, settings) for name, arm in by_name.items()}
    timings = interleave(network_of(pipe), calls, rounds, int(warm_up), within)
    return {name: timing.call for name, timing in timings.items()}


def _fraction(pipe: Any, reuse: str, prompts: Sequence[Prompt], settings: Settings) -> float:
    """Of the FLOPs of the network, what a step that is not key computes."""
    arm = Arm.parse(f"steps:2 + 0, + {reuse} + sequential")
    with arm.applied(pipe) as handle:
        generate(arm, [pipe], prompts, settings)
        assert handle is not None
        summary = handle.summary()
    return 1 - summary.flops_saved * (summary.computed + summary.reused) / summary.reused

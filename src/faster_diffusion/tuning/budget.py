"""How long a tuning may take, what fits into that, and what did not."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, zip_longest

from ..arms import Arm
from .lab import CALIBRATION, Lab
from .speed import Speed

REFERENCE = 0.25  # part of the budget that the runs of many steps may take, which others are compared with

# Parts of what is left then, after which no more is begun of
FEWER, CORRECTED, PLANS, LEADING, TIMES = 0.3, 0.4, 0.6, 0.7, 0.85

now = time.monotonic


class Budget:
    """A time within which work has to end; without minutes there is time for everything."""

    def __init__(self, minutes: float | None) -> None:
        self.minutes = minutes
        self.left_out: list[str] = []  # what there was no time for, in words
        self._begun = now()
        self._end = self._begun + 60 * (minutes or 0)

    def begin(self) -> None:
        """Makes the parts of the budget those of what is left now."""
        self._begun = now()

    def has(self, seconds: float, part: float = 1.0) -> bool:
        """Whether work that takes so long is done before a part of the budget is over."""
        if self.minutes is None:
            return True
        return now() + seconds <= self._begun + part * (self._end - self._begun)

    def leave_out(self, some: int, of: int, what: str) -> None:
        """Keeps that there was no time for some of many things, if so."""
        if some:
            self.left_out.append(f"{some if some < of else 'all'} {'of ' if some < of else ''}{of} {what}")


class Pacer:
    """Measures in a lab what there is time for: by an estimate, set right by how long the work before took."""

    def __init__(self, lab: Lab, speed: Speed, budget: Budget) -> None:
        self.lab, self.budget, self._speed = lab, budget, speed
        self._estimated = self._taken = 0.0  # seconds of work

    def has(self, seconds: float, part: float = 1.0) -> bool:
        """Whether there is time for work of an estimated time before a part of the budget is over."""
        pace = self._taken / self._estimated if self._estimated else 1.0  # images of a batch take less than alone
        return self.budget.has(seconds * pace, part)

    @contextmanager
    def spent(self, seconds: float) -> Iterator[None]:
        """Within it work is done that was estimated to take so long."""
        begun = now()
        yield
        self._estimated, self._taken = self._estimated + seconds, self._taken + now() - begun

    def seconds(self, arm: Arm) -> float:
        """Estimated seconds of an image; as of a plain run where what it saves is not known."""
        computed = self.lab.scores(arm, CALIBRATION, "computed")
        if arm.third_party or (arm.gated and not computed):
            arm = replace(arm, propagation=None, third_party=(), name="")
        return self._speed.estimate(arm, self.lab.pipe, self.lab.settings.steps[0], computed)

    def costs(self, arms: Iterable[Arm]) -> dict[str, float]:
        """The same by arm."""
        return {arm.spec: self.seconds(arm) for arm in arms}

    def of_batch(self, arm: Arm, split: str, batch: range) -> float:
        """Estimated seconds until the fidelity of a batch is known."""
        if self.lab.measured(arm, split, batch):
            return 0.0
        return len(batch) * (self.seconds(arm) + self._of_reference(split, batch))

    def measure(self, arm: Arm, split: str, batch: range, part: float = 1.0) -> bool:
        """Measures the fidelity of a batch, if there is time; whether it is known now."""
        if self.lab.measured(arm, split, batch):
            return True
        if not self.has(self.of_batch(arm, split, batch), part):
            return False
        self.measure_anyway(arm, split, batch)
        return True

    def measure_anyway(self, arm: Arm, split: str, batch: range) -> None:
        """Measures it, whether there is time or not."""
        with self.spent(self.of_batch(arm, split, batch)):
            self.lab.measure(arm, split, batch)

    def limit(self, split: str, arms: Sequence[Arm], part: float, least: int) -> None:
        """Leaves out those batches of a split after the first ``least`` that there is no time for.

        Time for the reference, and for arms beside it.
        """
        seconds = 0.0
        for number, batch in enumerate(self.lab.batches(split)):
            seconds += len(batch) * self._of_reference(split, batch)
            seconds += sum(len(batch) * self.seconds(arm) for arm in arms if not self.lab.measured(arm, split, batch))
            if number >= least and not self.has(seconds, part):
                self.lab.limit(split, number)
                return

    def _of_reference(self, split: str, batch: range) -> float:
        return 0.0 if self.lab.has_reference(split, batch) else self.seconds(self.lab.reference)


def spread(items: Sequence[Arm]) -> list[Arm]:
    """The middle first, then the quarters, and so on: however few are tried, they are from everywhere."""
    found, parts = [], [items]
    while parts:
        parts = [part for part in parts if part]
        found += [part[len(part) // 2] for part in parts]
        parts = [half for part in parts for half in (part[: len(part) // 2], part[len(part) // 2 + 1 :])]
    return found


def most_telling_first(arms: Sequence[Arm]) -> list[Arm]:
    """Solvers in turn, each by numbers of steps as `spread` has them; other methods likewise."""
    groups: dict[str | None, list[Arm]] = {}
    for arm in arms:
        groups.setdefault("" if arm.third_party or arm.propagation else arm.solver, []).append(arm)
    turns = zip_longest(*map(spread, groups.values()))
    return [arm for arm in chain.from_iterable(turns) if arm is not None]

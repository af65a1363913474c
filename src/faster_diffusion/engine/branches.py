"""The network calls of a step, told apart: a loop may make several (one for each prompt, or a guider's)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from .trajectory import Trajectory

Branch = TypeVar("Branch")


class Branches(Generic[Branch]):
    """What belongs to the first, the second, ... network call of every step; made anew for another trajectory."""

    def __init__(self, make: Callable[[], Branch]) -> None:
        self._make = make
        self._branches: list[Branch] = []
        self._trajectory: Trajectory | None = None
        self._step, self._calls = -1, 0

    def turn(self, trajectory: Trajectory, step: int) -> Branch:
        """The branch of the present call, which is one of ``step``."""
        if trajectory is not self._trajectory:
            self._branches.clear()
            self._trajectory, self._step = trajectory, -1
        self._calls = self._calls + 1 if step == self._step else 0
        self._step = step
        if self._calls == len(self._branches):
            self._branches.append(self._make())
        return self._branches[self._calls]

    @property
    def number(self) -> int:
        """Which of the calls of its step the present one is, from 0."""
        return self._calls

    def __len__(self) -> int:
        return len(self._branches)

    def __iter__(self) -> Iterator[Branch]:
        return iter(self._branches)

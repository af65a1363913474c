"""The network calls of a step, told apart: a loop may make several (one for each prompt, or a guider's)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from .course import Course, Move
from .trajectory import Trajectory

Branch = TypeVar("Branch")


class Branches(Generic[Branch]):
    """What belongs to the first, the second, ... network call of every step; made anew for another pass."""

    def __init__(self, make: Callable[[], Branch]) -> None:
        self._make = make
        self._branches: list[Branch] = []
        self._course = Course()
        self._calls = 0
        self._back, self._width = False, 0  # whether the loop went back to the present step; calls of that before
        self.move = Move.BEGINS  # what the present call is to the one before

    def turn(self, trajectory: Trajectory, step: int) -> Branch:
        """The branch of the present call, which is one of ``step``."""
        self.move = self._course.make(trajectory, step)
        self._calls = self._calls + 1 if self.move is Move.STAYS else 0
        if self.move is Move.STAYS and self._back and self._calls == self._width:
            self.move, self._calls = Move.BEGINS, 0  # a loop that went back to the first step now goes forth from it
        if self.move is not Move.STAYS:
            self._width = len(self._branches) if self.move is Move.GOES_BACK else 0
            self._back = self.move is Move.GOES_BACK
        if self.move in (Move.BEGINS, Move.GOES_BACK):
            self._branches.clear()
        if self._calls == len(self._branches):
            self._branches.append(self._make())
        return self._branches[self._calls]

    @property
    def number(self) -> int:
        """Which of the calls of its step the present one is, from 0."""
        return self._calls

    @property
    def first(self) -> Branch:
        """That of the first call of a step."""
        return self._branches[0]

    def __len__(self) -> int:
        return len(self._branches)

    def __iter__(self) -> Iterator[Branch]:
        return iter(self._branches)

"""Which way a sampling loop goes through the steps."""

from __future__ import annotations

from enum import Enum

from .trajectory import Trajectory


class Move(Enum):
    """What a call or step is to the one before."""

    BEGINS = "the first of a pass through the steps"
    STAYS = "of the same step"
    GOES_ON = "of a later step"
    GOES_BACK = "of an earlier step, but not from the beginning"


class Course:
    """Follows a loop from step to step.

    Loops may go through the same timesteps several times, each time for another image: what belongs to one pass is
    of no use to the next.
    """

    def __init__(self) -> None:
        self._trajectory: Trajectory | None = None
        self.first = -1  # step of the present pass
        self._last = -1

    def move(self, trajectory: Trajectory, step: int) -> Move:
        """What a step is to the last one that was made; makes none."""
        if trajectory is not self._trajectory:
            return Move.BEGINS
        if step >= self._last:
            return Move.GOES_ON if step > self._last else Move.STAYS
        return Move.BEGINS if step <= self.first < self._last else Move.GOES_BACK

    def make(self, trajectory: Trajectory, step: int) -> Move:
        """The same, and makes it."""
        move = self.move(trajectory, step)
        if move in (Move.BEGINS, Move.GOES_BACK):
            self.first = step
        self._trajectory, self._last = trajectory, step
        return move

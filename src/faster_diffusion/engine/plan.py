"""Which steps of the scheduler are key, as the scheduler stands now."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable

import torch

from ..options.key_steps import KeySteps
from .trajectory import Trajectory


class Plan:
    """The key steps of a run. Follows the scheduler when that is set anew.

    Args:
        timesteps: gives the scheduler's timesteps, shape (n,).
        inputs: gives what the network is called with for them, where that is something else, shape (n,).
        upcoming: gives the step that the scheduler takes next, ``None`` where it does not know.
    """

    def __init__(
        self,
        key_steps: KeySteps,
        timesteps: Callable[[], torch.Tensor],
        inputs: Callable[[], torch.Tensor] | None = None,
        upcoming: Callable[[], int | None] = lambda: None,
    ) -> None:
        self.key_steps, self._timesteps, self._inputs, self._upcoming = key_steps, timesteps, inputs, upcoming
        self._trajectory: Trajectory | None = None
        self._keys: tuple[int, ...] = ()

    @property
    def trajectory(self) -> Trajectory:
        """The steps of the scheduler; another object whenever they are others."""
        timesteps = torch.as_tensor(self._timesteps())
        if self._trajectory is None or not self._trajectory.is_of(timesteps):
            self._trajectory = Trajectory(timesteps, self._inputs() if self._inputs else None)
            self._keys = self.key_steps.orders(len(timesteps))
        return self._trajectory

    def step_of(self, t: torch.Tensor | float | int) -> int | None:
        """The step with timestep or input ``t``; ``None`` if that is unclear."""
        return self.trajectory.step_of(t, self._upcoming())

    @property
    def propagates(self) -> bool:
        """Whether any step is not key."""
        return len(self.trajectory) > len(self._keys)

    def is_key(self, step: int) -> bool:
        """Whether a step is key."""
        return self.next_key(step - 1) == step < len(self.trajectory)

    def next_key(self, step: int) -> int:
        """The first key step after ``step``; the number of steps if there is none."""
        steps = len(self.trajectory)
        position = bisect_right(self._keys, step)
        return self._keys[position] if position < len(self._keys) else steps

    def reuses_from(self, step: int) -> bool:
        """Whether ``step`` or any later one is not key."""
        return len(self._keys) - bisect_left(self._keys, step) < len(self.trajectory) - step

    def reused_after(self, step: int, keys: int) -> bool:
        """Whether the step after key step ``step``, or after one of the next ``keys`` key steps, is not key."""
        for _ in range(1 + keys):
            until = self.next_key(step)
            if until > step + 1:
                return True
            step = until
        return False

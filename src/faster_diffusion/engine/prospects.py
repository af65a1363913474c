"""Whether reuse can be hoped for in a run, and why it failed to come."""

from __future__ import annotations

from collections import Counter
from enum import Enum

from torch import nn

from ..options.key_steps import Uniform
from .cache import CacheEntry
from .counts import Counts
from .course import Move
from .plan import Plan


class Obstacle(Enum):
    """Why a step that the plan does not make key was computed: what was seen, and what to do."""

    CHANGES = (
        "what the network is conditioned on (prompt, size, control, scales, adapters) changes from step to step",
        "Keep it the same between key steps to accelerate the run, or call fd.disable.",
    )
    BACKWARDS = (
        "the loop goes through the scheduler's timesteps backwards",
        "Take a scheduler that has them in the order of the loop, as DDIMInverseScheduler has.",
    )
    GAPS = (
        "the loop leaves steps of the scheduler out, and what is kept serves up to the next key step only",
        "Loop over all of scheduler.timesteps, or give the key_steps that the loop meets.",
    )
    GATE = ("the gate found every forecast too far off", "Give the gate a greater tolerance.")
    TIMESTEPS = (
        "the timesteps that it was called with do not tell the step",
        "Loop over scheduler.timesteps itself.",
    )
    GRADIENTS = ("gradients were on", "Sample under torch.no_grad().")
    KEYS = ("all steps that the loop took are key", "Take more steps, or fewer key steps.")


class Prospects:
    """What can still be expected of a run, from what happened in it."""

    def __init__(self, plan: Plan) -> None:
        self.obstacles: Counter[Obstacle] = Counter()
        self._plan = plan
        self._reused = False  # in this pass through the steps
        self._in_vain = False  # whether a step of this pass was computed that should have been reused

    def begin(self) -> None:
        """A pass through the steps begins."""
        self._reused = False

    def reused(self) -> None:
        """A call was answered from what was kept."""
        self._reused, self._in_vain = True, False

    def key_step(self, step: int, move: Move, entry: CacheEntry | None, changed: bool) -> None:
        """A step was computed though the plan did not want it.

        Args:
            entry: what was kept for its branch.
            changed: whether that does not hold any more.
        """
        if self._plan.is_key(step):
            return
        if move is Move.GOES_BACK:
            self.computed(Obstacle.BACKWARDS)
        elif changed:
            self.computed(Obstacle.CHANGES)
        else:
            self.computed(Obstacle.GATE if entry is not None and entry.pace is not None else Obstacle.GAPS)

    def computed(self, obstacle: Obstacle) -> None:
        """A call was computed, since something stood against reuse."""
        self.obstacles[obstacle] += 1
        self._in_vain = self._in_vain or not self._reused

    def reuse_from(self, step: int) -> bool:
        """Whether this pass has reused something, or is going to, at ``step`` or later, as far as can be known."""
        return self._reused or (not self._in_vain and self._plan.reuses_from(step))

    def failure(self, counts: Counts, network: str) -> str | None:
        """Why a run of a network of this class reused nothing; ``None`` if it did, or was not to.

        Says what was seen, what that means for image and time, and what to do.
        """
        keys = self._plan.key_steps
        if counts.reused or (counts.computed and keys.rule == Uniform(1)):
            return None
        if not counts.computed:
            return f"the network was not called as {network}. Enable the very network that the sampling loop calls."
        if not self._plan.propagates:
            seen = f"with key_steps={keys} all of {counts.steps} steps are key"
            return f"{seen}. The image is right and took as long as ever. Take more steps, or fewer keys."
        (obstacle, _), *_ = self.obstacles.most_common(1) or [(Obstacle.KEYS, 0)]
        seen, remedy = obstacle.value
        return f"every step was computed, since {seen}. The image is right and took as long as ever. {remedy}"


def by_itself(network: nn.Module) -> str:
    """What to say of a network that was enabled by itself and sampled in no run."""
    return (
        f"this {type(network).__name__} was enabled by itself, so that it is accelerated within "
        "handle.sampling(scheduler) only; elsewhere it is right and as slow as ever. To accelerate a pipeline that "
        "calls it, use fd.enable(pipe)."
    )

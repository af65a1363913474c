"""What is kept of a key step for the steps after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from .conditions import Conditions
from .guidance import Guidance
from .history import History
from .pace import Pace
from .tensors import size_in_bytes
from .trajectory import Trajectory


@dataclass
class CacheEntry:
    """What is kept of a key step for the steps key < step < until, for one branch of calls."""

    trajectory: Trajectory
    key: int
    until: int
    conditions: Conditions
    residuals: dict[str, Any]
    history: History | None  # what the last key steps computed; None when it is not needed any more
    pace: Pace | None  # where a gate decides about key steps
    predictions: dict[int, torch.Tensor] = field(default_factory=dict)  # by step
    rebuild: Callable[[torch.Tensor], Any] | None = None  # from a prediction to what the network returns

    def covers(self, trajectory: Trajectory, step: int) -> bool:
        """Whether a step can be answered from what is kept, if its conditions are still those of the key step."""
        return (
            self.trajectory is trajectory
            and self.key < step < self.until
            and (step in self.predictions or self.history is not None)
        )

    def answer(self, step: int) -> Any:
        """What the network returns for a step whose prediction is there; it is not kept any longer."""
        assert self.rebuild is not None
        return self.rebuild(self.predictions.pop(step))

    def halved(self, guidance: Guidance, conditions: Conditions) -> CacheEntry:
        """The same for the conditional half of the batch."""
        return replace(
            self,
            conditions=conditions,
            history=None if self.history is None else self.history.mapped(guidance.part),
            pace=None if self.pace is None else self.pace.mapped(guidance.part),
            residuals=guidance.part(self.residuals),
            predictions=guidance.part(self.predictions),
        )

    def nbytes(self) -> int:
        """Memory of all that is kept, bytes."""
        history = [] if self.history is None else list(self.history.values)
        return size_in_bytes([history, self.residuals, self.predictions])

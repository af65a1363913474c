"""Guidance whose unconditional half is not computed: late in sampling, what the halves differ by hardly changes.

Classifier-free guidance doubles the batch, and pipelines hand the network the same latents twice. From some step on
the conditional half is computed alone; the difference of the other half to it is carried on from the key steps before.
"""

from __future__ import annotations

from typing import Any

import torch

from ..options.forecast import Forecast
from .call import NetworkCall
from .conditions import Conditions
from .history import History
from .tensors import map_tensors


class Guidance:
    """The difference between the two halves, for one branch of calls.

    Args:
        conditional: 1 where the second half of a batch is the conditional one, as is usual; 0 where the first is.
    """

    def __init__(self, forecast: Forecast, conditional: int) -> None:
        self.conditional = conditional
        self._forecast = forecast
        self._differences = History(forecast)
        self._conditions: Conditions | None = None  # of the calls that the differences are from

    def serves(self, call: NetworkCall) -> bool:
        """Whether the difference is known under the conditions of a call."""
        return self._conditions is not None and self._conditions.still_hold(call.conditions)

    def learn(self, step: int, prediction: torch.Tensor, call: NetworkCall) -> None:
        """Takes note of what a key step predicted for both halves, (2 B, ...)."""
        if len(prediction) % 2:
            return
        if not self.serves(call):
            self._differences = History(self._forecast)
            self._conditions = Conditions(call.conditions)
        halves = prediction.chunk(2)
        self._differences.add(step, halves[1 - self.conditional] - halves[self.conditional])

    def complete(self, step: int, half: torch.Tensor) -> torch.Tensor:
        """Both halves, (2 B, ...), from the conditional one, (B, ...)."""
        other = half + self._differences.at([step])
        return torch.cat([other, half] if self.conditional else [half, other])

    def part(self, tree: Any) -> Any:
        """The conditional half of tensors that hold both."""
        return map_tensors(lambda x: x.chunk(2)[self.conditional], tree)

"""Guidance whose unprompted half is not computed: late in sampling, what the halves differ by hardly changes.

Classifier-free guidance doubles the batch, and pipelines hand the network the same latents twice. From some step on
the prompted half is computed alone; the difference of the other half to it is carried on from the key steps before.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from .call import NetworkCall
from .conditions import Conditions
from .forecast import Forecast, History
from .trees import map_tensors


class Guidance:
    """The difference between the two halves, for one lane of calls.

    Args:
        prompted: 1 where the second half of a batch is the prompted one, as is usual; 0 where the first is.
    """

    def __init__(self, forecast: Forecast, prompted: int) -> None:
        self.prompted = prompted
        self._forecast = forecast
        self._differences = History(forecast)
        self._conditions: Conditions | None = None  # of the calls that the differences are from

    def serves(self, call: NetworkCall, network: nn.Module) -> bool:
        """Whether the difference is known under the conditions of a call."""
        return self._conditions is not None and self._conditions.still_hold(call.conditions, network)

    def learn(self, order: int, prediction: torch.Tensor, call: NetworkCall, network: nn.Module) -> None:
        """Takes note of what a key step predicted for both halves, (2 B, ...)."""
        if len(prediction) % 2:
            return
        if not self.serves(call, network):
            self._differences = History(self._forecast)
            self._conditions = Conditions(call.conditions, network)
        halves = prediction.chunk(2)
        self._differences.add(order, halves[1 - self.prompted] - halves[self.prompted])

    def complete(self, order: int, half: torch.Tensor) -> torch.Tensor:
        """Both halves, (2 B, ...), from the prompted one, (B, ...)."""
        other = half + self._differences.at([order])
        return torch.cat([other, half] if self.prompted else [half, other])

    def part(self, tree: Any) -> Any:
        """The prompted half of tensors that hold both."""
        return map_tensors(lambda x: x.chunk(2)[self.prompted], tree)


def is_guided(call: NetworkCall) -> bool:
    """Whether the batch of a call is the same latents twice."""
    return call.batch % 2 == 0 and torch.equal(*call.sample.chunk(2))

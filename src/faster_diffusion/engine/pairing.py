"""Whether the batch of a call is a guided one: the same latents twice, without and with the prompt."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from math import isclose

import torch
from torch import nn

from ..models.layout import Layout
from ..models.rows import Rows
from .call import NetworkCall
from .conditions import Conditions


class Pairing:
    """Tells of the calls of one branch what the rows of their batch are.

    Equal latents alone do not tell: edits, perturbed attention and images of one seed have them too. So the pipeline
    says what it knows; else the latents must come in pairs, and what the halves are conditioned on must differ.

    Args:
        known: gives what the pipeline says, ``None`` where it does not.
    """

    def __init__(self, network: nn.Module, layout: Layout, known: Callable[[], Rows | None]) -> None:
        self._network, self._layout, self._known = network, layout, known
        self._conditions: Conditions | None = None
        self._differ = False  # the conditions of the halves, under these conditions

    def rows(self, call: NetworkCall) -> Rows:
        """What the rows of the batch of a call are."""
        known, sample = self._known(), call.sample
        if known is Rows.OTHER or known is Rows.SINGLE:
            return known
        halves = sample.chunk(2)
        if call.batch % 2 == 0 and torch.equal(*halves):
            paired = known is Rows.PAIRED or (not _repeats(halves[0]) and self._conditioned_apart(call))
            return Rows.PAIRED if paired else Rows.OTHER
        return Rows.OTHER if known is Rows.PAIRED or _repeats(sample) else Rows.SINGLE

    def _conditioned_apart(self, call: NetworkCall) -> bool:
        if self._conditions is None or not self._conditions.still_hold(call.conditions):
            self._conditions = Conditions(call.conditions)
            first, second = (NetworkCall(self._network, self._layout, *call.half(half), call.state) for half in (0, 1))
            alike = Conditions(first.conditions).still_hold(second.conditions)
            self._differ = not alike
        return self._differ


def _repeats(rows: torch.Tensor) -> bool:
    """Whether any two of some rows are the same, (B, ...)."""
    if len(rows) < 2:
        return False
    sums = rows.flatten(1).float().sum(1).tolist()  # rules nearly all out with one copy from the device
    pairs = combinations(range(len(rows)), 2)
    return any(isclose(sums[i], sums[j], rel_tol=1e-3, abs_tol=0.1) and torch.equal(rows[i], rows[j]) for i, j in pairs)

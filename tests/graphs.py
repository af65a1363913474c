"""CUDA graphs as a CPU can have them: a backend of ``torch.compile`` whose outputs are overwritten as a graph's are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch._dynamo.mutation_guard import GenerationTracker
from torch._inductor.cudagraph_trees import MarkStepBox


class Graphs:
    """What its graphs gave becomes NaN when the first graph of another step runs.

    Steps are told apart as ``torch._inductor.cudagraph_trees`` does: by their marks if there ever were any, else every
    call of something compiled is one.
    """

    def __init__(self) -> None:
        self.runs = 0
        self._given: list[torch.Tensor] = []
        self._step = 0

    def __call__(self, module: Callable[..., Sequence[Any]], _: Sequence[Any]) -> Callable[..., Sequence[Any]]:
        def run(*args: Any) -> Sequence[Any]:
            self._begin(MarkStepBox.mark_step_counter or GenerationTracker.generation)
            self.runs += 1
            outputs = [x.clone() if isinstance(x, torch.Tensor) else x for x in module(*args)]
            self._given += [x for x in outputs if isinstance(x, torch.Tensor)]
            return outputs

        return run

    def _begin(self, step: int) -> None:
        if step != self._step:
            for tensor in self._given:
                tensor.fill_(torch.nan)
            self._given.clear()
            self._step = step

"""How much the features of each stage change from one sampling step to the next, as the paper asked of the UNet."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import torch

from .capture import Seen
from .former import HasStepIndices


@dataclass(frozen=True)
class Change(HasStepIndices):
    """Relative mean square change by stage: ||f(o) - f(o - 1)||^2 / ||f(o)||^2, the mean over rows, calls and prompts.

    Rows are samples; with guidance, half of them are without the prompt.
    """

    step_indices: tuple[int, ...]  # the steps o, each with one before it
    encoder: dict[str, tuple[float, ...]]  # stage -> a value a step
    decoder: dict[str, tuple[float, ...]]

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {"step_indices": [*self.step_indices], "encoder": self.encoder, "decoder": self.decoder}

    @property
    def of_parts(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The mean over the stages of the encoder, and over those of the decoder; a value a step each."""
        return _mean(self.encoder), _mean(self.decoder)


class ChangeMeter:
    """A watcher that keeps the features of one step, and numbers of all."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, int], tuple[int, torch.Tensor]] = {}  # (stage, branch) -> step, features
        self._changes: dict[str, dict[str, dict[int, list[torch.Tensor]]]] = {
            role: defaultdict(lambda: defaultdict(list)) for role in ("encoder", "decoder")
        }

    def __call__(self, seen: Seen) -> None:
        """Takes note of what a stage gave."""
        if seen.role not in self._changes:
            return
        features = seen.features.float().flatten(1)
        step, last = self._last.get((seen.name, seen.branch), (None, features))
        if step == seen.step - 1 and last.shape == features.shape:
            change = (features - last).square().sum(1) / features.square().sum(1)
            self._changes[seen.role][seen.name][seen.step].append(change.mean())
        self._last[seen.name, seen.branch] = seen.step, seen.features.flatten(1).clone()

    def result(self) -> Change:
        """The change over all runs so far.

        Raises:
            ValueError: no run had two steps.
        """
        step_indices = sorted({step for by_step in self._changes["encoder"].values() for step in by_step})
        if not step_indices:
            raise ValueError("Change is measured between steps; a run of at least two is needed.")
        encoder, decoder = (
            {
                stage: tuple(torch.stack(by_step[step]).mean().item() for step in step_indices)
                for stage, by_step in self._changes[role].items()
            }
            for role in ("encoder", "decoder")
        )
        return Change(tuple(step_indices), encoder, decoder)


def _mean(stages: dict[str, tuple[float, ...]]) -> tuple[float, ...]:
    return tuple(sum(values) / len(values) for values in zip(*stages.values(), strict=True))

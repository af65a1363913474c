"""What happened in a run, in numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from .call import NetworkCall
from .tensors import map_tensors


@dataclass
class Calls:
    """The network calls on latents of one shape."""

    arguments: tuple[tuple[Any, ...], dict[str, Any]]  # of the first, without data
    computed: int = 0  # calls in which the whole network ran
    reused: int = 0  # calls in which only what is not reused ran
    computed_half: int = 0  # those of the computed without the unconditional half of the batch
    reused_half: int = 0  # those of the reused

    def add(self, *, computed: bool, half: bool = False) -> None:
        """Counts one call."""
        self.computed += computed
        self.reused += not computed
        self.computed_half += half and computed
        self.reused_half += half and not computed


@dataclass
class Counts:
    """What happened in a run."""

    steps: int = 0  # of the scheduler's trajectory
    calls: dict[torch.Size, Calls] = field(default_factory=dict)  # by shape of the latent
    control_computed: int = 0  # calls of a control network
    control_reused: int = 0  # calls of a control network answered by the residuals of a key step
    batches: int = 0  # times the decoder ran; fewer than the calls when steps are decoded together
    key_steps: list[int] = field(default_factory=list)  # one entry a computed call
    noisy_steps: int = 0  # steps whose latent has prior noise
    cache_bytes: int = 0  # peak of kept features and of predictions that wait for their step

    def like(self, call: NetworkCall, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Calls:
        """The calls on latents of the shape that this one has."""
        shape = call.sample.shape
        if shape not in self.calls:
            self.calls[shape] = Calls(map_tensors(lambda x: torch.empty_like(x, device="meta"), (args, kwargs)))
        return self.calls[shape]

    @property
    def computed(self) -> int:
        """Network calls in which the whole network ran."""
        return sum(calls.computed for calls in self.calls.values())

    @property
    def reused(self) -> int:
        """Network calls in which only what is not reused ran."""
        return sum(calls.reused for calls in self.calls.values())

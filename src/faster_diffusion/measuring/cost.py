"""What generating images costs: seconds of the call and of the networks in it, and peak memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from .timing import NetworkTimer


@dataclass(frozen=True)
class Cost:
    """Of one call that generated ``images`` images."""

    images: int
    call_seconds: float
    network_seconds: float
    peak_memory_bytes: int | None  # of a GPU's allocator; one process on a CPU cannot tell arms' peaks apart

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return asdict(self)


def measured(networks: Sequence[nn.Module], generate: Callable[[], list[Any]]) -> tuple[list[Any], Cost]:
    """What ``generate`` gives, and what that took."""
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    with ExitStack() as stack:
        timers = [stack.enter_context(NetworkTimer(network)) for network in networks]
        start = time.perf_counter()
        images = generate()
        if cuda:
            torch.cuda.synchronize()
        seconds = time.perf_counter() - start
    memory = torch.cuda.max_memory_allocated() if cuda else None
    return images, Cost(len(images), seconds, sum(timer.seconds for timer in timers), memory)

"""Fair timing: arms interleaved in one process, warmed up, the time inside the network apart from the whole call."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, TypeVar

import torch
from torch import nn

from ..engine.interception import watched

Arm = TypeVar("Arm")


@dataclass
class Timings:
    """Seconds of one arm, an entry a round."""

    unet: list[float] = field(default_factory=list)
    call: list[float] = field(default_factory=list)

    @property
    def unet_seconds(self) -> float:
        """Median seconds in the network."""
        return median(self.unet)

    @property
    def call_seconds(self) -> float:
        """Median seconds of the whole call."""
        return median(self.call)

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {**asdict(self), "unet_median": self.unet_seconds, "call_median": self.call_seconds}


def interleave(
    unet: nn.Module,
    arms: Mapping[str, Callable[[], Any]],
    rounds: int,
    warm_up: int = 1,
    within: Callable[[str], AbstractContextManager[Any]] = nullcontext,
) -> dict[str, Timings]:
    """Times every arm once a round, so that what the machine does meanwhile falls on all alike.

    Args:
        unet: the network whose calls are timed within an arm's call.
        arms: name -> a call that sets up nothing and samples.
        rounds: measured rounds, after ``warm_up`` unmeasured ones. Every other round runs backwards.
        within: name -> what is set up before an arm's call and taken down after it, untimed.
    """
    timings = {name: Timings() for name in arms}
    for number in range(warm_up + rounds):
        for name in in_turn(list(arms), number):
            with within(name), NetworkTimer(unet) as timer:
                start = time.perf_counter()
                arms[name]()
                _synchronise()
                seconds = time.perf_counter() - start
            if number >= warm_up:
                timings[name].call.append(seconds)
                timings[name].unet.append(timer.seconds)
    return timings


def in_turn(arms: Sequence[Arm], number: int) -> Sequence[Arm]:
    """The arms as round ``number`` takes them: every other round backwards, so that a drift falls on all alike."""
    return arms[:: -1 if number % 2 else 1]


class NetworkTimer:
    """Sums the time spent in calls of a network while it is open, the acceleration engine's own work included."""

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self._watched = watched(network, self._timed)
        self._seconds = 0.0
        self._events: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []

    @property
    def seconds(self) -> float:
        """Seconds in the network so far."""
        if self._events:
            _synchronise()
        return self._seconds + sum(start.elapsed_time(end) / 1000 for start, end in self._events)

    def __enter__(self) -> NetworkTimer:
        self._watched.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._watched.__exit__(*exception)

    def _timed(self, call: Callable[[], Any]) -> Any:
        with self._measured():
            return call()

    @contextmanager
    def _measured(self) -> Iterator[None]:
        parameter = next(self._network.parameters(), None)
        if parameter is not None and parameter.is_cuda:  # events do not make the host wait
            start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            start.record()
            yield
            end.record()
            self._events.append((start, end))
        else:
            begin = time.perf_counter()
            yield
            self._seconds += time.perf_counter() - begin


def _synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()

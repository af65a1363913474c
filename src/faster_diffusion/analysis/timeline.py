"""Which stage ran when in a sampling run, and for how long; also as a trace for Chrome and Perfetto."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from itertools import takewhile
from typing import Any

import torch
from torch import nn

from ..engine.interception import watched
from ..models.layout import unwrap
from ..models.stages import stage_names
from ..options.reuse import Split

KEY, REUSED, ANSWERED = "key", "reused", "answered"  # kinds of network calls: all runs; a part; nothing
CALL = "network call"  # the row of these


@dataclass(frozen=True)
class Span:
    """Something that ran."""

    name: str  # a stage, another module of the pipeline, or the network call as a whole
    start: float  # seconds since the run began
    seconds: float
    step: int | None = None  # of this run, from 0; none for what ran outside of network calls
    kind: str | None = None  # of the network call
    kept: bool = False  # a stage whose output is reused at later steps
    steps: int = 1  # how many steps it ran for in one batch


@dataclass(frozen=True)
class Timeline:
    """A sampling run."""

    title: str
    seconds: float
    rows: tuple[str, ...]  # names of spans, in the order in which they first ran, network calls last
    spans: tuple[Span, ...]

    @property
    def calls(self) -> list[Span]:
        """The network calls as a whole."""
        return [span for span in self.spans if span.name == CALL]

    def seconds_of(self, row: str) -> float:
        """Seconds of all spans of a row."""
        return sum(span.seconds for span in self.spans if span.name == row)

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {**asdict(self), "seconds_by_row": {row: self.seconds_of(row) for row in self.rows}}


def record(
    pipe: Any, network: nn.Module, sample: Callable[[], Any], title: str, split: Split, calls_a_step: int = 1
) -> Timeline:
    """Times what a call of a pipeline runs, by hooks on the network's stages and on the pipeline's other modules.

    Args:
        sample: calls the pipeline, as it is: enabled or not.
        split: what is reused where it is enabled.
        calls_a_step: how many calls of the network a step makes.
    """
    device = getattr(pipe, "_execution_device", None) or next(network.parameters()).device  # the former where offloaded
    recorder = _Recorder(network, split, _beside(pipe, network), _Clock(device))
    with recorder.attached():
        recorder.clock.start()
        sample()
        return recorder.timeline(title, calls_a_step)


def chrome_trace(timelines: Sequence[Timeline]) -> dict[str, Any]:
    """The runs below one another, for ui.perfetto.dev or chrome://tracing."""
    events = [event for process, timeline in enumerate(timelines) for event in _events(timeline, process)]
    return {"traceEvents": events, "displayTimeUnit": "ms"}


def _events(timeline: Timeline, process: int) -> Iterator[dict[str, Any]]:
    """A run as a process, its rows as threads; times in microseconds."""
    place = {row: {"pid": process, "tid": number} for number, row in enumerate(timeline.rows)}
    yield {"ph": "M", "name": "process_name", "pid": process, "args": {"name": timeline.title}}
    for number, row in enumerate(timeline.rows):
        yield {"ph": "M", "name": "thread_name", **place[row], "args": {"name": row}}
        yield {"ph": "M", "name": "thread_sort_index", **place[row], "args": {"sort_index": number}}
    for span in timeline.spans:
        yield {
            "ph": "X",
            "name": span.name,
            "cat": span.kind or "other",
            **place[span.name],
            "ts": span.start * 1e6,
            "dur": span.seconds * 1e6,
            "args": {} if span.step is None else {"step": span.step, "steps in one batch": span.steps},
        }


class _Clock:
    """Moments of the device's work: events in its queue on a GPU, so that nobody waits; elsewhere the host's time."""

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.current_stream(device) if device.type == "cuda" else None

    def start(self) -> None:
        self._start = self.now()

    def now(self) -> Any:
        if self._stream is None:
            return time.perf_counter()
        return self._stream.record_event(torch.cuda.Event(enable_timing=True))

    def seconds(self, moment: Any) -> float:
        """Since the start."""
        if self._stream is None:
            return float(moment - self._start)
        moment.synchronize()
        return float(self._start.elapsed_time(moment)) / 1000


@dataclass
class _Call:
    """A network call, as the sampling loop makes it."""

    ran: bool = False  # something of the network
    kept: bool = False  # what is reused later as well
    steps: int = 1

    @property
    def kind(self) -> str:
        return KEY if self.kept else REUSED if self.ran else ANSWERED


@dataclass
class _Mark:
    name: str
    start: Any
    end: Any
    call: int | None


class _Recorder:
    def __init__(self, network: nn.Module, split: Split, beside: dict[str, nn.Module], clock: _Clock) -> None:
        self.clock = clock
        self._network, self._split, self._beside = network, split, beside
        self._calls: list[_Call] = []
        self._inside = False  # of a network call
        self._starts: dict[str, Any] = {}
        self._marks: list[_Mark] = []

    @contextmanager
    def attached(self) -> Iterator[None]:
        network = unwrap(self._network)
        encoder, decoder = stage_names(network)
        stages = {name: network.get_submodule(name) for name in (*encoder, *decoder)}
        with ExitStack() as stack:
            stack.enter_context(watched(self._network, self._network_call))
            for name in self._split.kept:  # stages, or layers of them
                stack.callback(network.get_submodule(name).register_forward_pre_hook(self._keep).remove)
            for name, module in {**stages, **self._beside}.items():
                start = module.register_forward_pre_hook(lambda *_, name=name: self._start(name))
                end = module.register_forward_hook(lambda *_, name=name: self._end(name))
                stack.callback(start.remove)
                stack.callback(end.remove)
            yield

    def timeline(self, title: str, calls_a_step: int) -> Timeline:
        total = self.clock.seconds(self.clock.now())
        for number, call in enumerate(self._calls):
            if call.ran and self._split.after:  # what a batch predicted is answered in the calls that follow
                following = self._calls[number + calls_a_step :: calls_a_step]
                call.steps = 1 + len([*takewhile(lambda later: not later.ran, following)])
        spans = sorted((self._span(mark, calls_a_step) for mark in self._marks), key=lambda span: span.start)
        rows = dict.fromkeys(span.name for span in spans if span.name != CALL)
        return Timeline(title, total, (*rows, CALL), tuple(spans))

    def _span(self, mark: _Mark, calls_a_step: int) -> Span:
        start = self.clock.seconds(mark.start)
        seconds = self.clock.seconds(mark.end) - start
        if mark.call is None:
            return Span(mark.name, start, seconds)
        call = self._calls[mark.call]
        kept = mark.name in self._split.kept
        return Span(mark.name, start, seconds, mark.call // calls_a_step, call.kind, kept, 1 if kept else call.steps)

    def _network_call(self, call: Callable[[], Any]) -> Any:
        self._calls.append(_Call())
        self._inside = True
        self._start(CALL)
        output = call()
        self._end(CALL)
        self._inside = False
        return output

    def _start(self, name: str) -> None:
        self._starts[name] = self.clock.now()

    def _end(self, name: str) -> None:
        call = len(self._calls) - 1 if self._inside else None
        self._marks.append(_Mark(name, self._starts.pop(name), self.clock.now(), call))
        if self._inside and name != CALL:
            self._calls[-1].ran = True

    def _keep(self, *_: Any) -> None:
        if self._inside:
            self._calls[-1].kept = True


def _beside(pipe: Any, network: nn.Module) -> dict[str, nn.Module]:
    """The other modules of a pipeline; of an autoencoder its decoder, since hooks do not see ``decode``."""
    modules: dict[str, nn.Module] = {}
    for name, module in pipe.components.items():
        if isinstance(module, nn.Module) and module is not network:
            decoder = getattr(module, "decoder", None) if hasattr(module, "decode") else None
            modules |= {f"{name}.decoder": decoder} if isinstance(decoder, nn.Module) else {name: module}
    return modules

"""One stock forward of a network in which some stages hand back what they computed before.

While the call lasts, the stages of the network are replaced by stand-ins. The model's own ``forward`` does the rest:
embeddings, residuals of control networks, upsampling sizes, output head. Hooks below and above (offload, LoRA, compiled
blocks, forward hooks) work as ever, because the real stage is called, or not called, as a whole.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

from .compiled import compiled_around
from .reuse import Split
from .stages import Layout, stage_names
from .trees import map_tensors

Features = dict[str, Any]  # stage name -> output
Argument = tuple[int | str, ...]  # of a stage: its position, where it has one, and its names

HIDDEN: Argument = (0, "hidden_states", "hidden_states_base", "hidden_states_ctrl")  # what one stage hands to the next
SKIPS: Argument = (1, "res_hidden_states_tuple", "res_hidden_states_tuple_base", "res_hidden_states_tuple_ctrl")
SKIP: Argument = ("skip",)  # of Hunyuan-DiT, whose encoder blocks take skip features too
ADAPTED: Argument = ("additional_residuals",)  # features of a T2I-Adapter

StageCall = Callable[[str, nn.Module, tuple[Any, ...], dict[str, Any]], Any]

_locks: WeakKeyDictionary[nn.Module, threading.RLock] = WeakKeyDictionary()
_locks_guard = threading.Lock()


def run_partially(
    network: nn.Module,
    layout: Layout,
    split: Split,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    batch: int,
    steps: int,
    features: Features,
    spread: Callable[[str], Any] | None = None,
) -> Any:
    """Runs some stages for ``steps`` steps in one batch, on one evaluation of the others, which are kept.

    Args:
        args, kwargs: tiled: ``steps`` times the batch of ``batch`` samples along the first dimension.
        features: what the kept stages gave at the key step, each for ``batch`` samples. If it is empty, they run, on
            the first ``batch`` rows, and fill it.
        spread: gives the features of a stage for all ``steps``, where they are not the same for all. Without it they
            are tiled where a stage that runs for all steps reads them.

    Returns:
        The network's output for ``steps * batch`` samples.
    """
    fresh = not features
    wide = layout.joins or spread is not None  # features are tiled where they are made, not where they are read
    entrances = layout.entrances or split.kept[:1]
    encoder = stage_names(network)[0]
    needed = {*encoder, split.kept[-1]}  # of kept decoder blocks, only the last one's output is read
    if split.kept[0] not in encoder:
        needed.update(split.kept)  # layers of blocks: what lies between them in a block reads their outputs

    def keep(name: str, stage: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if fresh:
            if steps > 1:
                narrow_already: tuple[Argument, ...] = ()
                if name not in entrances and not wide:
                    narrow_already = (HIDDEN, SKIP, ADAPTED) if name in encoder else (HIDDEN, SKIP, SKIPS)
                args, kwargs = _map_arguments(
                    _first_of(steps, batch), args, kwargs, but=(*narrow_already, layout.shared)
                )
            output = stage(*args, **kwargs)
            if name not in needed:
                return output
            features[name] = output
        elif name not in needed:
            return None  # whoever reads it is kept as well
        output = features[name]
        if spread is not None:
            return spread(name)
        if wide:
            return map_tensors(lambda x: repeat(x, steps), output)
        # Where the latent is read, adapters and FreeU change in place what the deep part gave, at every step.
        return map_tensors(torch.clone, output) if split.before or name in layout.changed else output

    def compute(name: str, stage: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not wide:
            tiled: tuple[Argument, ...] = ()
            if name == split.after[0]:
                tiled += (HIDDEN,)  # for a single step too: a copy of its own, which FreeU scales in place
            if steps > 1:
                tiled += (SKIPS, SKIP)  # narrow until the block that reads them: only one block's are tiled at a time
            args, kwargs = _map_arguments(lambda x: repeat(x, steps), args, kwargs, only=tiled)
        return stage(*args, **kwargs)

    calls: dict[str, StageCall] = {**dict.fromkeys(split.kept, keep), **dict.fromkeys(split.after, compute)}
    with _stand_ins(network, calls):
        # Not network(...): a network compiled as a whole would be traced with the stand-ins in place.
        return network._call_impl(*args, **kwargs)


def repeat(x: torch.Tensor, times: int) -> torch.Tensor:
    """The rows of a tensor, ``times`` times over."""
    return x.repeat(times, *[1] * (x.ndim - 1))


def _first_of(steps: int, batch: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """The part of the first step in a tensor tiled over steps. Rows may be samples, or all frames of all samples."""

    def narrow(x: torch.Tensor) -> torch.Tensor:
        tiled = x.ndim and x.shape[0] % (steps * batch) == 0
        return x[: x.shape[0] // steps] if tiled else x

    return narrow


def _map_arguments(
    function: Callable[[torch.Tensor], torch.Tensor],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    only: tuple[Argument, ...] | None = None,
    but: tuple[Argument, ...] = (),
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Applies ``function`` to the tensors in all arguments of a stage, in ``only`` these, or in all ``but`` these."""

    def mapped(argument: int | str, value: Any) -> Any:
        chosen = only is None or any(argument in names for names in only)
        return map_tensors(function, value) if chosen and not any(argument in names for names in but) else value

    return tuple(mapped(i, v) for i, v in enumerate(args)), {name: mapped(name, v) for name, v in kwargs.items()}


class _StandIn(nn.Module):
    """Takes a stage's place; other threads that run the same network still meet the stage itself."""

    def __init__(self, name: str, stage: nn.Module, call: StageCall) -> None:
        super().__init__()
        self.stage = stage
        self._name, self._stage_call, self._thread = name, call, threading.get_ident()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        if threading.get_ident() != self._thread:
            return self.stage(*args, **kwargs)
        return self._stage_call(self._name, self.stage, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.stage, name)


@contextmanager
def _stand_ins(network: nn.Module, calls: dict[str, StageCall]) -> Iterator[None]:
    with _locks_guard:
        lock = _locks.setdefault(network, threading.RLock())
    with lock, ExitStack() as stack:
        for name, call in calls.items():
            holder, _, attribute = name.rpartition(".")
            modules = network.get_submodule(holder)._modules
            stage = modules[attribute]
            assert stage is not None
            modules[attribute] = _StandIn(name, stage, call)
            stack.callback(modules.__setitem__, attribute, stage)
        for block in compiled_around(network, calls):  # else traced, and anew for every stand-in
            stack.callback(setattr, block, "_compiled_call_impl", block._compiled_call_impl)
            block._compiled_call_impl = None
        yield

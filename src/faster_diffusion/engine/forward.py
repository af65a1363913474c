"""One stock forward of a network in which some stages hand back what they computed before.

While the call lasts, the stages of the network are replaced by stand-ins. The model's own ``forward`` does the rest:
embeddings, residuals of control networks, upsampling sizes, output head. Hooks below and above (offload, LoRA, compiled
blocks, forward hooks) work as ever, because the real stage is called, or not called, as a whole.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

from ..models.layout import Layout
from ..models.stages import stage_names
from ..options.reuse import Split
from .compiled import eager_around
from .tensors import map_tensors, repeat

Features = dict[str, Any]  # stage name -> output
Argument = tuple[int | str, ...]  # of a stage: its position, where it has one, and its names

HIDDEN: Argument = (0, "hidden_states", "hidden_states_base", "hidden_states_ctrl")  # what one stage hands to the next
SKIPS: Argument = (1, "res_hidden_states_tuple", "res_hidden_states_tuple_base", "res_hidden_states_tuple_ctrl")
SKIP: Argument = ("skip",)  # of Hunyuan-DiT, whose encoder blocks take skip features too
ADAPTED: Argument = ("additional_residuals",)  # features of a T2I-Adapter

StageCall = Callable[[str, nn.Module, tuple[Any, ...], dict[str, Any]], Any]

_locks: WeakKeyDictionary[nn.Module, threading.RLock] = WeakKeyDictionary()
_locks_guard = threading.Lock()


@dataclass(frozen=True)
class Policy:
    """What becomes of a stage where several steps run at once; made once for a run."""

    kept: bool  # handed back what it computed at the key step; else computed for every step
    read: bool = True  # of a kept one: whether a stage that is not kept, or the network itself, reads its output
    narrow: tuple[Argument, ...] = ()  # of a kept one: arguments that come without the rows of other steps
    copied: bool = False  # of a kept one: whether its output is changed in place at every step
    wide: bool = False  # features are tiled where they are made, not where they are read
    tiled: tuple[Argument, ...] = ()  # of a computed one: arguments to be tiled before it reads them ...
    skips: tuple[Argument, ...] = ()  # ... and those only where there are several steps


def policies(network: nn.Module, layout: Layout, split: Split, wide: bool) -> dict[str, Policy]:
    """The policy of each stage of a network, by name.

    Args:
        wide: whether features are tiled where they are made, not where they are read.
    """
    encoder = stage_names(network)[0]
    entrances = layout.entrances or split.kept[:1]
    read = {*encoder, split.kept[-1]}  # of kept decoder blocks, only the last one's output is read
    found = {}
    for name in split.kept:
        narrow: tuple[Argument, ...] = (layout.shared,)
        if name not in entrances and not wide:
            narrow += (HIDDEN, SKIP, ADAPTED) if name in encoder else (HIDDEN, SKIP, SKIPS)
        # Where the latent is read, adapters and FreeU change in place what the deep part gave, at every step.
        copied = bool(split.before) or name in layout.changed
        found[name] = Policy(True, name in read, narrow, copied, wide)
    for name in split.after:
        # For a single step too: a copy of its own, which FreeU scales in place.
        tiled = (HIDDEN,) if name == split.after[0] and not wide else ()
        # Narrow until the block that reads them: only one block's are tiled at a time.
        found[name] = Policy(False, wide=wide, tiled=tiled, skips=() if wide else (SKIPS, SKIP))
    return found


def run_partially(
    network: nn.Module,
    policies: Mapping[str, Policy],
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
        policies: what becomes of each stage, see `policies`.
        args, kwargs: tiled: ``steps`` times the batch of ``batch`` samples along the first dimension.
        features: what the kept stages gave at the key step, each for ``batch`` samples. If it is empty, they run, on
            the first ``batch`` rows, and fill it.
        spread: gives the features of a stage for all ``steps``, where they are not the same for all. Without it they
            are tiled where a stage that runs for all steps reads them.

    Returns:
        The network's output for ``steps * batch`` samples.
    """
    forward = _Forward(policies, batch, steps, features, spread, fresh=not features)
    calls: dict[str, StageCall] = {
        name: forward.keep if policy.kept else forward.compute for name, policy in policies.items()
    }
    with _stand_ins(network, calls):
        # Not network(...): a network compiled as a whole would be traced with the stand-ins in place.
        return network._call_impl(*args, **kwargs)


@dataclass
class _Forward:
    """The calls of stages in one forward of the network."""

    policies: Mapping[str, Policy]
    batch: int
    steps: int
    features: Features
    spread: Callable[[str], Any] | None
    fresh: bool  # whether kept stages run, and fill ``features``

    def keep(self, name: str, stage: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        policy = self.policies[name]
        if self.fresh:
            if self.steps > 1:
                args, kwargs = _map_arguments(_first_of(self.steps, self.batch), args, kwargs, but=policy.narrow)
            output = stage(*args, **kwargs)
            if not policy.read:
                return output
            self.features[name] = output
        elif not policy.read:
            return None  # whoever reads it is kept as well
        if self.spread is not None:
            return self.spread(name)
        if policy.wide:
            return map_tensors(lambda x: repeat(x, self.steps), self.features[name])
        return map_tensors(torch.clone, self.features[name]) if policy.copied else self.features[name]

    def compute(self, name: str, stage: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        policy = self.policies[name]
        tiled = policy.tiled + (policy.skips if self.steps > 1 else ())
        args, kwargs = _map_arguments(lambda x: repeat(x, self.steps), args, kwargs, only=tiled)
        return stage(*args, **kwargs)


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


def lock_of(network: nn.Module) -> threading.RLock:
    """Who holds it may put stand-ins into a network, or knows that there are none."""
    with _locks_guard:
        return _locks.setdefault(network, threading.RLock())


@contextmanager
def _stand_ins(network: nn.Module, calls: dict[str, StageCall]) -> Iterator[None]:
    with lock_of(network), ExitStack() as stack:
        for name, call in calls.items():
            holder, _, attribute = name.rpartition(".")
            modules = network.get_submodule(holder)._modules
            stage = modules[attribute]
            assert stage is not None
            modules[attribute] = _StandIn(name, stage, call)
            stack.callback(modules.__setitem__, attribute, stage)
        stack.enter_context(eager_around(network))
        yield

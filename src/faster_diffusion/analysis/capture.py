"""What the stages of a network give out during a sampling run, seen by plain forward hooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from ..engine.branches import Branches
from ..engine.call import NetworkCall
from ..engine.forward import HIDDEN, SKIP, SKIPS
from ..engine.plan import Plan
from ..engine.tensors import leaves
from ..models.layout import unwrap
from ..models.pipelines import inputs_of
from ..models.stages import layout_of, stage_names
from ..options.key_steps import KeySteps

Role = Literal["input", "encoder", "decoder", "reused"]


@dataclass(frozen=True)
class Seen:
    """A tensor of one network call."""

    step: int  # its index in the scheduler's timesteps, from 0
    steps: int  # of the scheduler
    branch: int  # which of the step's calls, where there are several
    role: Role  # the latent; what a stage gives to the next; what a step that is not key would take from a key step
    name: str  # of the stage; what is reused is named by its reader, as "up_blocks.0:1"
    features: torch.Tensor  # (rows, ...): lent, since the network may change it in place later


Watcher = Callable[[Seen], None]


@contextmanager
def observed(pipe: Any, network: nn.Module, *watchers: Watcher) -> Iterator[Capture]:
    """Within it, each watcher is shown what passes through the network of a pipeline. Nothing is kept here.

    Raises:
        ValueError: in a call, if its timestep is no step of the scheduler's.
    """
    capture = Capture(pipe, unwrap(network), watchers)
    with ExitStack() as stack:
        for hook in capture.hooks():
            stack.callback(hook.remove)
        yield capture


class Capture:
    """The hooks, and where in the run they are."""

    def __init__(self, pipe: Any, network: nn.Module, watchers: tuple[Watcher, ...]) -> None:
        self._network, self._watchers = network, watchers
        self._layout = layout_of(network)
        self._plan = Plan(KeySteps.parse("all"), lambda: pipe.scheduler.timesteps, inputs_of(pipe))
        self._branches: Branches[None] = Branches(lambda: None)
        self._step = self._branch = -1

    @property
    def calls_a_step(self) -> int:
        """How many calls of the network a step makes."""
        return len(self._branches)

    def hooks(self) -> Iterator[Any]:
        """Puts them on, one after another."""
        encoder, decoder = stage_names(self._network)
        yield self._network.register_forward_pre_hook(self._begin, with_kwargs=True)
        for name in encoder:
            yield self._hook(name, lambda name, output: self._stage("encoder", name, output))
        for name in decoder:
            yield self._hook(name, lambda name, output: self._stage("decoder", name, output))
        if self._layout.joins:  # no decoder stage reads what is reused by itself, so it is seen where it comes from
            for name in encoder:
                yield self._hook(name, self._reused)
            return
        for name in decoder:
            arguments = (*SKIPS, *SKIP, *(HIDDEN if name == decoder[0] else ()))
            yield self._network.get_submodule(name).register_forward_pre_hook(
                lambda _, args, kwargs, name=name, arguments=arguments: self._reused(
                    name, [value for key, value in (*enumerate(args), *kwargs.items()) if key in arguments]
                ),
                with_kwargs=True,
            )

    def _hook(self, name: str, take: Callable[[str, Any], None]) -> Any:
        return self._network.get_submodule(name).register_forward_hook(lambda _, __, output: take(name, output))

    def _begin(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        call = NetworkCall(self._network, self._layout, args, kwargs)
        step = self._plan.step_of(call.timestep)
        if step is None:
            raise ValueError(
                f"Timestep {call.timestep} is no step of the scheduler's timesteps, or one of several with that value, "
                "so the steps of this run cannot be told apart."
            )
        self._branches.turn(self._plan.trajectory, step)
        self._step, self._branch = step, self._branches.number
        self._show("input", self._layout.sample, call.sample)

    def _stage(self, role: Role, name: str, output: Any) -> None:
        self._show(role, name, next(_tensors(output)))

    def _reused(self, name: str, tree: Any) -> None:
        for number, features in enumerate(_tensors(tree)):
            self._show("reused", f"{name}:{number}", features)

    def _show(self, role: Role, name: str, features: torch.Tensor) -> None:
        seen = Seen(self._step, len(self._plan.trajectory), self._branch, role, name, features.detach())
        for watcher in self._watchers:
            watcher(seen)


def _tensors(tree: Any) -> Iterator[torch.Tensor]:
    return (leaf for leaf in leaves(tree) if isinstance(leaf, torch.Tensor))

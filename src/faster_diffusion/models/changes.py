"""What a network computes with, read again and again in a run: modules, weights, hooks, settings, adapters.

A few tenths of a millisecond for a network of Stable Diffusion's size, which is why it goes by identity where it can.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter, is_, itemgetter
from typing import Any

import torch
from torch import nn

from .adapters import Adapters
from .forwards import links

_VERSION = attrgetter("_version")
_INTEGERS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}  # by bytes of a number
_SIMPLE = (bool, int, float, str, type(None))
_MOVING = ("group_offloading", "layerwise_casting")  # hooks of diffusers that give a module's weights other places
_HOOKING = ("diffusers.hooks.", "accelerate.")  # whose forwards are known by their hooks
_APART = ("forward", "_old_forward", "_hf_hook", "_diffusers_hook")  # attributes that are read another way


@dataclass(frozen=True)
class State:
    """What a network computes with at one time."""

    equal: list[Any]  # compared by value ...
    same: list[Any]  # ... and by identity

    def is_like(self, other: State) -> bool:
        """Whether the network computes the same in both."""
        if self.equal != other.equal or len(self.same) != len(other.same):
            return False
        return all(map(is_, self.same, other.same)) or all(map(_alike, self.same, other.same))


class Reader:
    """Reads the state of a network.

    Not seen is what others keep in objects of their own, and what is written past torch's counting
    (``parameter.data.copy_(...)``) on an accelerator, where looking would make the host wait for it.
    """

    def __init__(self, root: nn.Module) -> None:
        self._root = root
        self._changes = 0
        self._gather()

    def read(self) -> State:
        """The state now."""
        lengths, entries = self._lengths(), self._entries()
        if lengths != self._gathered[0] or not all(map(is_, entries, self._gathered[1])):
            self._gather()
            lengths, entries = self._gathered
        equal: list[Any] = [*lengths, *map(_VERSION, self._versioned), *map(torch.Tensor.data_ptr, self._still)]
        equal.append(self._samples())
        equal += self._adapters.now()
        same: list[Any] = [*entries, *map(type, self._modules)]
        for read, attributes in self._settings:
            same += read(attributes)
        self._put_on(equal, same)
        return State(equal, same)

    def _gather(self) -> None:
        modules = self._modules = list(self._root.modules())
        fixed = [module for module in modules if not _is_moved(module)]
        eager = [module for module in modules if not isinstance(module, torch.jit.ScriptModule)]
        self._registers: list[Any] = [module._modules for module in eager]
        self._registers += [module._parameters for module in fixed]
        carried = _carried(modules)
        self._registers += [module._buffers for module in fixed if module not in carried]
        self._forwards: dict[int, tuple[Any, Any, list[Any], tuple[str, ...]]] = {}  # by number of the module
        self._attributes = [vars(module) for module in modules]
        of_diffusers = [vars(module) for module in modules if type(module).__module__.startswith("diffusers.")]
        self._settings = [(_settings(attributes), attributes) for attributes in of_diffusers]
        self._counted = of_diffusers
        self._gathered = self._lengths(), self._entries()
        tensors = [e for part in self._registers for e in part.values() if isinstance(e, torch.Tensor)]
        self._versioned = [tensor for tensor in tensors if not tensor.is_inference()]
        # Where anything is moved for a while, storages come and go, and must not be held.
        still = len(fixed) == len(modules) and not any("_hf_hook" in attributes for attributes in self._attributes)
        self._still = [tensor for tensor in tensors if still and type(tensor) in (torch.Tensor, nn.Parameter)]
        self._views = _one_number_each(self._still)
        self._hooks = [part for module in modules for part in (module._forward_pre_hooks, module._forward_hooks)]
        self._adapters = Adapters(modules)

    def _lengths(self) -> list[int]:
        """How many modules, weights and attributes there are."""
        lengths = list(map(len, self._registers))
        lengths += [len(a) - ("forward" in a) - ("_diffusers_hook" in a) for a in self._counted]
        return lengths

    def _entries(self) -> list[Any]:
        """The modules and weights."""
        return list(chain.from_iterable(map(dict.values, filter(None, self._registers))))

    def _samples(self) -> int:
        """How often one number of every weight has changed: what is written past torch's counting changes most."""
        for views in self._views:
            values = torch.cat(views.views)
            if views.last is None or not torch.equal(values, views.last):
                views.last = values
                self._changes += 1
        return self._changes

    def _put_on(self, equal: list[Any], same: list[Any]) -> None:
        """Hooks, and what takes the place of a forward; hooks of diffusers by name, since guiders renew them."""
        for hooks in filter(None, self._hooks):
            same += hooks.values()
        for number in [n for n, attributes in enumerate(self._attributes) if "forward" in attributes]:
            others, names = self._in_place_of_forward(number, self._attributes[number])
            if others or names:
                equal.append((number, len(others), names))
                same += others

    def _in_place_of_forward(self, number: int, attributes: dict[str, Any]) -> tuple[list[Any], tuple[str, ...]]:
        """The functions of others, and the names of diffusers' hooks."""
        names = tuple(getattr(attributes.get("_diffusers_hook"), "hooks", ()))
        tops = attributes["forward"], attributes.get("_old_forward")
        known = self._forwards.get(number)
        if known is None or known[0] is not tops[0] or known[1] is not tops[1] or known[3] != names:
            others = [link.function for link in links(self._modules[number]) if not link.home.startswith(_HOOKING)]
            known = self._forwards[number] = (*tops, others, names)
        return known[2], names


@dataclass
class _Views:
    """Views of one number of each of several weights, (1,) each, as integers of as many bytes."""

    views: list[torch.Tensor]
    last: torch.Tensor | None = None  # what they were, (n,)


def _one_number_each(tensors: list[torch.Tensor]) -> list[_Views]:
    views: dict[Any, list[torch.Tensor]] = defaultdict(list)
    for tensor in tensors:
        kind = _INTEGERS.get(tensor.element_size())
        if tensor.device.type == "cpu" and tensor.numel() and tensor.layout is torch.strided and kind is not None:
            middle = tensor.detach()[tuple(size // 2 for size in tensor.shape)]
            views[kind].append(middle.reshape(1).view(kind))
    return [_Views(of_a_kind) for of_a_kind in views.values()]


def _is_moved(module: nn.Module) -> bool:
    """Whether a module's weights are put elsewhere, or in another form, while it does not run."""
    if isinstance(module, torch.jit.ScriptModule):
        return True
    hook = vars(module).get("_hf_hook")
    names = getattr(vars(module).get("_diffusers_hook"), "hooks", ())
    offloads = any(getattr(part, "offload", False) for part in getattr(hook, "hooks", (hook,)))
    return offloads or any(name in _MOVING for name in names)


def _carried(modules: list[nn.Module]) -> set[nn.Module]:
    """Modules that offloading moves as a whole before every call, so that their buffers become others."""

    def moves(module: nn.Module) -> bool:
        hook = vars(module).get("_hf_hook")
        return any(hasattr(part, "prev_module_hook") for part in getattr(hook, "hooks", (hook,)))

    whole = [module for module in modules if moves(module)]
    return {part for module in whole for part in module.modules()}


_OF_EVERY_MODULE = frozenset(vars(nn.Module())) - {"training"}


def _settings(attributes: dict[str, Any]) -> Any:
    """What reads the settings of a module of diffusers: whatever of its own has no data."""
    names = [name for name in attributes if name not in _OF_EVERY_MODULE and name not in _APART]
    return itemgetter("training", "training", *names)


def _alike(one: Any, other: Any) -> bool:
    return one is other or (type(one) is type(other) and isinstance(one, _SIMPLE) and bool(one == other))

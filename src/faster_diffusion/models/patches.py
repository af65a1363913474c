"""What is in a network besides what diffusers, accelerate and peft put there: whose code it is, and what that means.

The one place that decides it. Code of those three looks at each row of a batch alone, with few exceptions, and lets the
network run its stages; what others put in (hooks, forwards in the place of a class's own, attention processors, classes
of modules) may look across the rows, where several steps would see each other. Another cache decides, like this
library, what is not computed; each would keep what the other made.
"""

from __future__ import annotations

import dis
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any

import torch
from torch import nn

from .families import LAYOUTS
from .forwards import home_of, links, without_arguments

MARK = "batch_independent"  # set to True on a function or a class: what it does to a row depends on that row alone

_QUANTIZED = frozenset(["bitsandbytes", "optimum", "torchao", "gguf"])  # these have layers of their own
_TRUSTED = frozenset(["torch", "diffusers", "accelerate", "peft", "transformers", "faster_diffusion"]) | _QUANTIZED
# Of these, what is not: programs of fixed shapes, what pipelines of diffusers do to the network of theirs, and editing
# by prompt, in which rows look at each other.
_FIXED = ("torch.jit", "torch._C", "torch.fx", "torch.export", "torch._inductor")
_BUT = (*_FIXED, "diffusers.pipelines", "faster_diffusion.tasks")
# What a class of one's own may define without changing what its modules compute.
_PLAIN = frozenset(["__init__", "__repr__", "extra_repr", "__dict__", "__weakref__", "__annotate__"])


@dataclass(frozen=True)
class Cache:
    """Another method of reusing what a network computed."""

    name: str
    remedy: str  # how it is taken off
    goes_alone: bool = False  # whether it goes with steps that are decoded one by one


_OFF = "network.disable_cache(), or HookRegistry.remove_hook where it was put on by a function of its own"
# By the package that it is from ...
_PACKAGES = {
    "DeepCache": Cache("DeepCache", "helper.disable()", goes_alone=True),
    "tgate": Cache("T-GATE", "a network loaded anew"),
    "cache_dit": Cache("cache-dit", "cache_dit.disable_cache(pipe)"),
    "para_attn": Cache("ParaAttention", "a network loaded anew"),
}
# ... and those of diffusers, by how their hooks' names begin.
_HOOKS = {
    "pyramid_attention_broadcast": "Pyramid Attention Broadcast",
    "faster_cache": "FasterCache",
    "fbc_": "First Block Cache",
    "taylorseer_cache": "TaylorSeer",
    "mag_cache": "MagCache",
    "sea_cache": "SeaCache",
    "text_kv_cache": "TextKVCache",
}


@dataclass(frozen=True)
class Patches:
    """What others put into a network."""

    mixing: str | None = None  # what may look across the samples of a batch, in words
    cache: Cache | None = None  # another cache

    def refuse(self, alone: bool) -> None:
        """Raises ``ValueError`` for another cache that this library does not go with.

        Args:
            alone: whether steps are decoded one by one.
        """
        cache = self.cache
        if cache is None or (alone and cache.goes_alone):
            return
        else_ = ", or decode step by step (parallel=False)" if cache.goes_alone else ""
        raise ValueError(
            f"{cache.name} is on the network. It decides as well what is not computed, so that each would reuse what "
            f"the other kept, and the image would be neither's. Take it off ({cache.remedy}){else_}, or leave "
            "Faster Diffusion out."
        )


def patches(root: nn.Module) -> Patches:
    """Looks through a network, compiled or wrapped or not."""
    mixing, found = _global_hooks(), None
    own = {_package(cls.__module__) for module in root.modules() for cls in _known(type(module))} - _PACKAGES.keys()
    classes = {cls: tuple(_of_class(cls)) for cls in set(map(type, root.modules()))}
    for name, module in root.named_modules():
        for what, thing, home in (*classes[type(module)], *_put_in(module)):
            found = found or _PACKAGES.get(_package(home))
            if mixing is None and not _looks_at_rows_alone(thing, home, module, own):
                mixing = f"{what} {_called(thing)} at {name or type(module).__name__}"
        found = found or _diffusers_cache(module)
    return Patches(mixing, found)


def mixes_batch(root: nn.Module) -> bool:
    """Whether anything in a network may look across the samples of a batch."""
    return patches(root).mixing is not None


def _put_in(module: nn.Module) -> Iterator[tuple[str, Any, str]]:
    """What may be others' in a module, beside its class: in words, itself, and where it was written."""
    if isinstance(module, torch.jit.ScriptModule):
        return
    for link in links(module):
        if link.eager is None:
            yield "A replaced forward", link.function, link.home
    for hooks in (module._forward_pre_hooks, module._forward_hooks):
        for hook in hooks.values():
            yield "A forward hook", hook, home_of(hook)
    for hook in getattr(vars(module).get("_diffusers_hook"), "hooks", {}).values():
        yield "A hook", hook, home_of(hook)
    offloading = vars(module).get("_hf_hook")
    for part in getattr(offloading, "hooks", (offloading,) if offloading is not None else ()):
        yield "A hook", part, home_of(part)
    processor = vars(module).get("processor", module._modules.get("processor"))
    if processor is not None:
        yield "A custom attention processor", processor, type(processor).__module__
    for name, value in vars(module).items():
        if callable(value) and name not in ("forward", "_old_forward", "processor") and not isinstance(value, type):
            yield f"A replaced {name}", value, home_of(value)


def _of_class(cls: type) -> Iterator[tuple[str, Any, str]]:
    """What may be others' in a class: its own code, or what took the place of a method of it."""
    for base in cls.__mro__:
        if not _is_trusted(base.__module__):
            if any(hasattr(value, "__get__") for name, value in vars(base).items() if name not in _PLAIN):
                yield "The class", base, base.__module__
        else:
            for name in ("forward", "__call__"):
                if isinstance(vars(base).get(name), FunctionType):
                    yield f"A replaced {name}", vars(base)[name], home_of(vars(base)[name])


def _known(cls: type) -> Iterator[type]:
    return (base for base in cls.__mro__ if base.__name__ in LAYOUTS)


def _looks_at_rows_alone(thing: Any, home: str, module: nn.Module, own: set[str]) -> bool:
    """Whether what it does to a row of a batch depends on that row alone, as far as can be known."""
    thing = without_arguments(thing)
    if getattr(thing, MARK, False):
        return True
    if _is_trusted(home) or _package(home) in _PACKAGES:
        return not type(thing).__name__.startswith("PAG")  # perturbed attention takes its batch apart
    if home == "tomesd.patch":  # within a sample, unless it draws which tokens are merged, for the batch as a whole
        info = getattr(module, "_tome_info", {"args": {"use_rand": True}})
        return not info["args"]["use_rand"]
    if isinstance(thing, type):
        return _package(home) in own  # a network of one's own with a layout, and its blocks
    return isinstance(thing, FunctionType) and not _reads_arguments(thing.__code__)


def _reads_arguments(code: CodeType) -> bool:
    """Whether a function reads what it is called with; one that counts or marks steps may not."""
    count = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 4) + bool(code.co_flags & 8)
    arguments = set(code.co_varnames[:count])
    if arguments & set(code.co_cellvars):
        return True
    return any(
        arguments & set(step.argval if isinstance(step.argval, tuple) else (step.argval,))
        for step in dis.get_instructions(code)
        if step.opname.startswith("LOAD_FAST")
    )


def _is_trusted(home: str) -> bool:
    return home == "builtins" or (_package(home) in _TRUSTED and not home.startswith(_BUT))


def _package(home: str) -> str:
    return home.partition(".")[0]


def _called(thing: Any) -> str:
    """A name for people: ``(cross_attend of my_module)``."""
    thing = without_arguments(thing)
    named = thing if hasattr(thing, "__qualname__") else type(thing)
    return f"({named.__qualname__.rpartition('<locals>.')[2]} of {named.__module__})"


def _diffusers_cache(module: nn.Module) -> Cache | None:
    for hook in getattr(vars(module).get("_diffusers_hook"), "hooks", ()):
        for start, name in _HOOKS.items():
            if hook.startswith(start):
                return Cache(name, _OFF)
        if "cache" in hook:
            return Cache(hook, _OFF)
    return None


def _global_hooks() -> str | None:
    """Hooks for the modules of all networks, of which a profiler may have some."""
    everywhere = torch.nn.modules.module
    for hooks in (everywhere._global_forward_pre_hooks, everywhere._global_forward_hooks):
        for hook in hooks.values():
            if not _looks_at_rows_alone(hook, home_of(hook), nn.Identity(), set()):
                return f"A forward hook {_called(hook)} on all modules"
    return None

"""What really runs when a module is called: the forward of its class, under whatever was put in its place."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn

_COMPILED = "_torchdynamo_orig_callable"  # on what torch.compile makes of a function: that function
_MOST = 32  # links of a chain; guards against one that leads back to itself


@dataclass(frozen=True)
class Link:
    """One of the functions that take the place of a module's forward, the outermost first."""

    holder: Any  # the object that has it ...
    attribute: str  # ... and under which name
    function: Callable[..., Any]

    @property
    def home(self) -> str:
        """The module of Python in which it was written."""
        return home_of(self.function)

    @property
    def eager(self) -> Callable[..., Any] | None:
        """What ``torch.compile`` made it of; ``None`` if it is not compiled."""
        inner: Callable[..., Any] | None = getattr(self.function, _COMPILED, None)
        return inner


def links(module: nn.Module) -> Iterator[Link]:
    """What takes the place of the forward of a module's class, as far down as it can be followed.

    Hooks of accelerate and of diffusers, and what is compiled, are followed; what others wrapped ends the chain.
    """
    if "forward" not in vars(module):
        return
    holder, attribute, function = module, "forward", vars(module)["forward"]
    references = list(getattr(vars(module).get("_diffusers_hook"), "_fn_refs", ()))
    for _ in range(_MOST):
        if function is None or _is_own(function, module):
            return
        link = Link(holder, attribute, function)
        yield link
        if link.eager is not None:
            function = link.eager
        elif link.home.startswith("accelerate."):
            holder, attribute, function = module, "_old_forward", vars(module).get("_old_forward")
        elif link.home == "diffusers.hooks.hooks" and references:
            holder = references.pop()
            attribute = "forward" if holder.original_forward is None else "original_forward"
            function = getattr(holder, attribute)
        else:
            return


def is_forward_compiled(module: nn.Module) -> bool:
    """Whether ``torch.compile`` made any of what takes the place of a module's forward."""
    return any(link.eager is not None for link in links(module))


def home_of(thing: Any) -> str:
    """The module of Python in which a function, or the class of another callable, was written.

    ``functools.wraps`` makes a function look like the one it wraps, so that its own ``__module__`` does not tell.
    """
    thing = without_arguments(thing)
    function = getattr(thing, "__func__", thing)
    written_in = getattr(function, "__globals__", None)
    return str(written_in["__name__"] if written_in is not None else type(thing).__module__)


def without_arguments(thing: Any) -> Any:
    """What ``functools.partial`` was made of, however often; anything else as it is."""
    while isinstance(thing, functools.partial):
        thing = thing.func
    return thing


def _is_own(function: Any, module: nn.Module) -> bool:
    """Whether a function is a module's own method, as its class or one that it inherits from has it."""
    method = getattr(function, "__func__", None)
    return getattr(function, "__self__", None) is module and any(
        vars(cls).get("forward") is method for cls in type(module).__mro__
    )

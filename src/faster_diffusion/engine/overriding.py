"""Attributes that are others for a while, such as a scheduler's ``step`` or the ``__call__`` of a class.

Others may do the same with the same attribute, and end in any order: what they put on stays, what they took off does
not come back, and nothing of ours is left once it is on top.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

_MISSING = object()


@dataclass(eq=False)
class Layer:
    """A value over what an object had of its own, or over another layer."""

    value: Any
    below: Any  # _MISSING where the object inherited the attribute
    on: bool = True


_layers: dict[tuple[int, str], list[Layer]] = {}  # the topmost last
_lock = threading.RLock()  # reentrant: the garbage collector may end something in the middle of anything


def put_on(holder: Any, name: str, value: Any) -> Layer:
    """Gives an object or class an attribute until it is taken off."""
    with _lock:
        _settle(holder, name)
        layer = Layer(value, vars(holder).get(name, _MISSING))
        _layers.setdefault((id(holder), name), []).append(layer)
        _set(holder, name, value)
        return layer


def take_off(holder: Any, name: str, layer: Layer) -> None:
    """Ends a layer; it goes at once, or as soon as what lies over it has gone."""
    with _lock:
        layer.on = False
        _settle(holder, name)


def is_on_top(holder: Any, name: str, layer: Layer) -> bool:
    """Whether nobody has put anything over a layer, or away with it."""
    return vars(holder).get(name, _MISSING) is layer.value


def _settle(holder: Any, name: str) -> None:
    """Takes away what has ended and lies on top."""
    layers = _layers.get((id(holder), name), [])
    while True:
        top = vars(holder).get(name, _MISSING)
        place = next((i for i, layer in enumerate(layers) if layer.value is top and not layer.on), None)
        if place is None:
            break
        _set(holder, name, layers[place].below)
        del layers[place:]
    if not any(layer.on for layer in layers):
        _layers.pop((id(holder), name), None)


def _set(holder: Any, name: str, value: Any) -> None:
    if isinstance(holder, type):
        if value is _MISSING:
            delattr(holder, name)
        else:
            setattr(holder, name, value)
    elif value is _MISSING:
        vars(holder).pop(name, None)
    else:
        vars(holder)[name] = value


@contextmanager
def overridden(instance: Any, **attributes: Any) -> Iterator[dict[str, Any]]:
    """Within it the instance has these attributes; gives those of the names that it had of its own before."""
    layers = {name: put_on(instance, name, value) for name, value in attributes.items()}
    try:
        yield {name: layer.below for name, layer in layers.items() if layer.below is not _MISSING}
    finally:
        for name, layer in layers.items():
            take_off(instance, name, layer)

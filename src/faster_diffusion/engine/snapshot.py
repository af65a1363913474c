"""What was handed to a network, such that a later change is seen, whatever it is."""

from __future__ import annotations

import types
from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

_DEPTH, _OBJECT = 12, 4  # how deep values are looked into, and how much of that an object takes
_OPAQUE = (
    type,
    torch.Tensor,
    nn.Module,
    types.FunctionType,
    types.MethodType,
    types.BuiltinFunctionType,
    types.ModuleType,
)


class Snapshot:
    """One value, with all that is nested in it, at a moment.

    A tensor is recognised by identity and version, which costs nothing; else its content is compared. Of arrays,
    pictures and other objects that may be changed in place, the content is copied. In doubt a value has changed.
    """

    def __init__(self, value: Any, depth: int = _DEPTH) -> None:
        if isinstance(value, torch.Tensor) and value.is_inference():
            value = value.clone()  # has no version, so a change in place would go unseen
        self._value, self._version = value, _version(value)
        self._content = _content(value, depth)

    def holds(self, other: Any) -> bool:
        """Whether a later value is the same."""
        try:
            return self._is(other)
        except Exception:  # whatever the comparison of an unknown object may raise
            return False

    def _is(self, other: Any) -> bool:
        value = self._value
        if isinstance(value, torch.Tensor):
            if not isinstance(other, torch.Tensor) or _version(value) != self._version:
                return False
            return value is other or (
                value.shape == other.shape
                and value.dtype == other.dtype
                and value.device == other.device
                and torch.equal(value, other)
            )
        if type(value) is not type(other):
            return False
        if isinstance(self._content, dict):
            now = _parts(other)
            if now is None or list(now) != list(self._content):
                return False
            same = all(part.holds(now[name]) for name, part in self._content.items())
            return same and (value is other or _is_plain(value) or bool(value == other))
        if self._content is not None:
            return bool(self._content == _content(other, 1))
        return value is other or bool(value == other)


def _content(value: Any, depth: int) -> Any:
    """What may change within a value: its parts by name, or a copy of its content; ``None`` where nothing may."""
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return value.shape, str(value.dtype), value.tobytes()
    if hasattr(value, "tobytes") and hasattr(value, "mode") and hasattr(value, "size"):  # a picture of PIL's
        return value.mode, value.size, value.tobytes()
    if isinstance(value, (set, frozenset, bytearray)):
        return type(value)(value)
    parts = _parts(value) if depth > 0 else None
    depth -= _OBJECT if _is_object(value) else 1
    return None if parts is None else {name: Snapshot(part, depth) for name, part in parts.items()}


def _parts(value: Any) -> dict[Any, Any] | None:
    """What a value consists of, by name or place."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (list, tuple, deque)):
        return dict(enumerate(value))
    if isinstance(value, np.ndarray):
        return dict(enumerate(value.flatten().tolist()))
    return dict(vars(value)) if _is_object(value) else None


def _is_object(value: Any) -> bool:
    return hasattr(value, "__dict__") and not isinstance(value, _OPAQUE) and not _is_plain(value)


def _is_plain(value: Any) -> bool:
    """Whether a value is no more than its parts."""
    return isinstance(value, (Mapping, list, tuple, deque, np.ndarray))


def _version(value: Any) -> int | None:
    return value._version if isinstance(value, torch.Tensor) and not value.is_inference() else None

"""What kept features depend on besides latent and timestep; a change makes them invalid."""

from __future__ import annotations

from typing import Any

import torch

from .tensors import leaves


class Conditions:
    """The conditioning of a network call (prompt, class, masks, scales, the network itself) at the time of the call."""

    def __init__(self, tree: Any) -> None:
        self._leaves = [_Leaf(value) for value in leaves(tree)]

    def still_hold(self, tree: Any) -> bool:
        """Whether a later call is conditioned alike."""
        values = list(leaves(tree))
        return len(values) == len(self._leaves) and all(
            leaf.equals(value) for leaf, value in zip(self._leaves, values, strict=True)
        )


class _Leaf:
    """One value. A tensor is recognised by identity and version, which costs nothing; else its content is compared."""

    def __init__(self, value: Any) -> None:
        if isinstance(value, torch.Tensor) and value.is_inference():
            value = value.clone()  # has no version, so a change in place would go unseen
        self.value = value
        self.version = _version(value)

    def equals(self, other: Any) -> bool:
        if isinstance(self.value, torch.Tensor):
            if not isinstance(other, torch.Tensor) or _version(self.value) != self.version:
                return False
            return self.value is other or (
                self.value.shape == other.shape
                and self.value.dtype == other.dtype
                and self.value.device == other.device
                and torch.equal(self.value, other)
            )
        return self.value is other or (type(self.value) is type(other) and bool(self.value == other))


def _version(value: Any) -> int | None:
    return value._version if isinstance(value, torch.Tensor) and not value.is_inference() else None

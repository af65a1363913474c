"""Tensors nested in the arguments of a call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from typing import Any

import torch


def map_tensors(function: Callable[[torch.Tensor], Any], tree: Any) -> Any:
    """The same nesting of tuples, lists and dicts with ``function`` applied to every tensor in it.

    A tensor that occurs twice does so in the result, too: what changes it in one place changes it in the other.
    """
    mapped: dict[int, Any] = {}

    def walk(tree: Any) -> Any:
        if isinstance(tree, torch.Tensor):
            if id(tree) not in mapped:
                mapped[id(tree)] = function(tree)
            return mapped[id(tree)]
        if isinstance(tree, dict):
            entries = {key: walk(value) for key, value in tree.items()}
            return type(tree)(**entries) if is_dataclass(tree) else entries  # a network's output is both
        if type(tree) in (tuple, list):
            return type(tree)(walk(value) for value in tree)
        return tree

    return walk(tree)


def leaves(tree: Any) -> Iterator[Any]:
    """Every leaf and every key of a nesting of tuples, lists and dicts, in a fixed order."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield key
            yield from leaves(value)
    elif type(tree) in (tuple, list):
        for value in tree:
            yield from leaves(value)
    else:
        yield tree


def size_in_bytes(tree: Any) -> int:
    """Memory of all tensors in ``tree``; one that occurs twice counts once."""
    return sum({leaf.data_ptr(): leaf.nbytes for leaf in leaves(tree) if isinstance(leaf, torch.Tensor)}.values())


def repeat(x: torch.Tensor, times: int) -> torch.Tensor:
    """The rows of a tensor, ``times`` times over."""
    return x.repeat(times, *[1] * (x.ndim - 1))

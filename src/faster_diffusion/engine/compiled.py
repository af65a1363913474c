"""Networks of which something is compiled, and what CUDA graphs ask of those who keep what a network computed.

Graphs write their outputs to memory that they share: it is theirs again once the next step is marked as begun, or,
where nobody marks steps, once anything compiled is called. So a network of which several parts are graphs must run
within one marked step, and what outlives the step must be copied. Whether what is compiled has graphs cannot be seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import accumulate
from typing import Any

import torch
from torch import nn

from ..models.layout import unwrap
from .tensors import map_tensors


def is_compiled_whole(root: nn.Module) -> bool:
    """Whether a network is compiled in place, or ``torch.compile`` wrapped it."""
    return root is not unwrap(root) or root._compiled_call_impl is not None


def is_compiled(root: nn.Module) -> bool:
    """Whether a network, or anything in it, is compiled."""
    return any(is_compiled_whole(module) for module in root.modules())


def compiled_around(network: nn.Module, stages: Iterable[str]) -> list[nn.Module]:
    """The compiled parts of a network within which any of these stages, by name, lie."""
    holders = {path for stage in stages for path in accumulate(stage.split(".")[:-1], "{}.{}".format)}
    modules = map(network.get_submodule, holders)
    return [module for module in modules if module._compiled_call_impl is not None]


def as_a_step(run: Callable[..., Any]) -> Callable[..., Any]:
    """``run`` as a step of its own for CUDA graphs, with a result that outlives it."""

    def step(*args: Any, **kwargs: Any) -> Any:
        torch.compiler.cudagraph_mark_step_begin()
        return map_tensors(torch.clone, run(*args, **kwargs))

    return step

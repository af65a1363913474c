"""Networks of which something is compiled, and what CUDA graphs ask of those who keep what a network computed.

Graphs write their outputs to memory that they share: it is theirs again once the next step is marked as begun, or,
where nobody marks steps, once anything compiled is called. So a network of which several parts are graphs must run
within one marked step, and what outlives the step must be copied. Whether what is compiled has graphs cannot be seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from ..models.forwards import is_forward_compiled, links
from ..models.layout import wrappers
from .tensors import map_tensors


def is_compiled_whole(root: nn.Module) -> bool:
    """Whether a network is compiled in place, or its forward is, or ``torch.compile`` wrapped it."""
    return any(_is_compiled(module) for module in wrappers(root))


def is_compiled(root: nn.Module) -> bool:
    """Whether a network, or anything in it, is compiled."""
    return any(_is_compiled(module) for module in root.modules())


@contextmanager
def eager_around(network: nn.Module) -> Iterator[None]:
    """Within it, a network runs as it was before being compiled; its stages stay compiled.

    It would be traced with what takes the stages' place, and anew for everything that does.
    """
    with ExitStack() as stack:
        for link in list(links(network)):
            if link.eager is not None:
                stack.callback(setattr, link.holder, link.attribute, link.function)
                setattr(link.holder, link.attribute, link.eager)
        yield


def _is_compiled(module: nn.Module) -> bool:
    wrapped = "_orig_mod" in module._modules
    return wrapped or module._compiled_call_impl is not None or is_forward_compiled(module)


def as_a_step(run: Callable[..., Any]) -> Callable[..., Any]:
    """``run`` as a step of its own for CUDA graphs, with a result that outlives it."""

    def step(*args: Any, **kwargs: Any) -> Any:
        torch.compiler.cudagraph_mark_step_begin()
        return map_tensors(torch.clone, run(*args, **kwargs))

    return step

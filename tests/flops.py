"""Counts the FLOPs of one network as torch does, and no more of a pipeline's call than that network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


class Counter(TorchDispatchMode):
    """Torch's own FlopCounterMode keeps a tree of modules beside, which takes longer than the pipeline itself."""

    total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        if formula := flop_registry.get(func._overloadpacket):
            self.total += formula(*args, **(kwargs or {}), out_val=output)
        return output


@contextmanager
def counted(network: nn.Module) -> Iterator[Counter]:
    """Within it, the total is that of the network's calls so far."""
    counter = Counter()
    hooks = [
        network.register_forward_pre_hook(lambda *_: counter.__enter__() and None),
        network.register_forward_hook(lambda *_: counter.__exit__(None, None, None)),
    ]
    with sdpa_kernel(SDPBackend.MATH):  # the CPU's fused attention has no formula; as matrix products it has
        yield counter
    for hook in hooks:
        hook.remove()

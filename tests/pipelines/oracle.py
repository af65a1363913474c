"""The method on any network, plain and slow: all of it runs at every step, and what should be reused is then replaced.

Shares no code with the engine but the names of the stages. Ordinary forward hooks of torch put the output of the last
key step in the place of what an encoder stage, or a control network, computed. Copies, since networks change them in
place; deep ones, since the last skip of a block is often the block's output itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from typing import Any

import torch
from torch import nn

from faster_diffusion.stages import stage_names

from .rows.common import Row


def sample(row: Row, pipe: Any, keys: list[int]) -> torch.Tensor:
    """What the pipeline of a row has to give with these key steps, without prior noise."""
    network = row.network(pipe)
    key_calls = [key for _, key in row.network_calls(keys)]
    with propagated(network, stage_names(network)[0], pipe.components.get("controlnet"), key_calls):
        return row.sample(pipe)


@contextmanager
def propagated(network: nn.Module, stages: list[str], control: Any, key_calls: list[bool]) -> Iterator[None]:
    """Within it the network's calls, one for each entry of ``key_calls``, are as the paper has them."""
    calls = 0  # begun so far
    kept: dict[int, Any] = {}

    def begin(*_: Any) -> None:
        nonlocal calls
        calls += 1

    def replace(module: nn.Module, args: Any, output: Any) -> Any:
        if key_calls[calls - 1]:
            kept[id(module)] = deepcopy(output)
        return deepcopy(kept[id(module)])

    def replace_before(module: nn.Module, args: Any, output: Any) -> Any:  # a control network runs before the network
        if key_calls[calls]:
            kept[id(module)] = deepcopy(output)
        return deepcopy(kept[id(module)])

    with ExitStack() as stack:
        hooks = [network.register_forward_pre_hook(begin)]
        hooks += [network.get_submodule(stage).register_forward_hook(replace) for stage in stages]
        if control is not None:
            hooks.append(control.register_forward_hook(replace_before))
        for hook in hooks:
            stack.callback(hook.remove)
        yield
    assert calls == len(key_calls)

"""The method on any network, plain and slow: all of it runs at every step, and what should be reused is then replaced.

Shares no code with the engine but the names of the stages. Ordinary forward hooks of torch put the output of the last
key step, or the polynomial through the last ones, in the place of what an encoder stage, or a control network,
computed. Copies, since networks change them in place; deep ones, since the last skip of a block is often the block's
output itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from copy import deepcopy
from typing import Any

import torch
from torch import nn

from faster_diffusion.models.stages import stage_names

from .rows.common import STEPS, Row


def sample(
    row: Row, pipe: Any, keys: list[int], reuse: str = "encoder", degree: int = 0, until: float = 1.0
) -> torch.Tensor:
    """What the pipeline of a row has to give with these key steps, without prior noise."""
    network = row.network(pipe)
    replaced = (
        [network] if reuse == "output" else [network.get_submodule(stage) for stage in kept_stages(network, reuse)]
    )
    calls = row.network_calls(keys)
    first = "Transformer" in type(network).__name__  # the prompted half of a batch
    with (
        propagated(network, replaced, pipe.components.get("controlnet"), calls, degree),
        guided(network, calls, until * STEPS, degree, first) if until < 1 else nullcontext(),
    ):
        return row.sample(pipe)


@contextmanager
def guided(
    network: nn.Module, planned: list[tuple[int, bool]], until: float, degree: int, prompted_first: bool
) -> Iterator[None]:
    """Within it, from order ``until`` on, the unprompted half of an output is the other and what they differed by."""
    calls = 0
    points: list[tuple[int, torch.Tensor]] = []

    def replace(module: nn.Module, args: Any, output: Any) -> Any:
        nonlocal calls
        order, key = planned[calls]
        calls += 1
        halves = list(output[0].chunk(2))
        if prompted_first:
            halves.reverse()
        unprompted, prompted = halves
        if order < until:
            if key:
                points.append((order, (unprompted - prompted).clone()))
                del points[: -1 - degree]
            return output
        orders, values = [at for at, _ in points], [value for _, value in points]
        unprompted = prompted + interpolated(orders, values, order, {})
        both = torch.cat([prompted, unprompted] if prompted_first else [unprompted, prompted])
        return (both,) if isinstance(output, tuple) else type(output)(both)

    hook = network.register_forward_hook(replace)
    yield
    hook.remove()


def kept_stages(network: nn.Module, reuse: str) -> list[str]:
    encoder, decoder = stage_names(network)
    kind, _, number = reuse.partition(":")
    if kind == "encoder":
        return encoder
    if kind == "decoder":
        return encoder + decoder[: int(number)]
    shallow = [stage for stage in encoder if stage.startswith("down_blocks.")][: int(number)]
    return encoder[encoder.index(shallow[-1]) + 1 :] + decoder[: -int(number)]


@contextmanager
def propagated(
    network: nn.Module, replaced: list[nn.Module], control: Any, planned: list[tuple[int, bool]], degree: int = 0
) -> Iterator[None]:
    """Within it the network's calls are as planned: of each its order, and whether it is a key step."""
    calls = 0  # begun so far
    kept: dict[int, list[tuple[int, Any]]] = {}  # of a module: its outputs at the last key steps

    def begin(*_: Any) -> None:
        nonlocal calls
        calls += 1

    def substitute(module: nn.Module, call: int, output: Any, degree: int) -> Any:
        order, key = planned[call]
        points = kept.setdefault(id(module), [])
        if key:
            if points and (points[-1][0] >= order or shapes(points[-1][1]) != shapes(output)):
                points.clear()  # another pass
            points.append((order, deepcopy(output)))
            del points[: -1 - degree]
            return deepcopy(output)
        return interpolated([at for at, _ in points], [value for _, value in points], order, {})

    def replace(module: nn.Module, args: Any, output: Any) -> Any:
        return substitute(module, calls - 1, output, degree)

    def replace_before(module: nn.Module, args: Any, output: Any) -> Any:  # a control network runs before the network
        return substitute(module, calls, output, 0)

    with ExitStack() as stack:
        hooks = [network.register_forward_pre_hook(begin)]
        hooks += [module.register_forward_hook(replace) for module in replaced]
        if control is not None:
            hooks.append(control.register_forward_hook(replace_before))
        for hook in hooks:
            stack.callback(hook.remove)
        yield
    assert calls == len(planned)


def shapes(tree: Any) -> list[torch.Size]:
    if isinstance(tree, torch.Tensor):
        return [tree.shape]
    return [shape for value in tree for shape in shapes(value)] if isinstance(tree, (tuple, list)) else []


def interpolated(orders: list[int], values: list[Any], at: int, done: dict[int, torch.Tensor]) -> Any:
    """The polynomial through nested tensors, by Neville's scheme; ``done`` are those that occurred before."""
    last = values[-1]
    if isinstance(last, torch.Tensor):
        if id(last) not in done:
            points = [value.clone() for value in values]
            for width in range(1, len(points)):
                for i in range(len(points) - width):
                    low, high = orders[i], orders[i + width]
                    points[i] = ((at - high) * points[i] - (at - low) * points[i + 1]) / (low - high)
            done[id(last)] = points[0]
        return done[id(last)]
    if isinstance(last, (tuple, list)):
        return type(last)(interpolated(orders, list(entries), at, done) for entries in zip(*values, strict=True))
    if last is None:
        return None
    return type(last)(interpolated(orders, [value[0] for value in values], at, done))  # a dataclass with a sample

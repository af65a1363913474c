"""How many floating-point operations one forward of a model costs, and where.

Counted by `torch.utils.flop_counter` on a weightless copy of the model on the meta device, so nothing is allocated and
the real model, with whatever hooks, adapters, offloading or compilation it carries, is not touched. A multiplication
and an addition are two operations: papers that say GFLOPs for multiply-adds give half of these numbers.
"""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ..engine.tensors import map_tensors
from ..models.layout import unwrap
from ..models.stages import is_known, stage_names
from ..options.reuse import Reuse


def stage_flops(
    model: nn.Module,
    args: tuple[Any, ...] = (),
    kwargs: Mapping[str, Any] | None = None,
    stages: Iterable[str] | None = None,
) -> dict[str, int]:
    """FLOPs of one `model(*args, **kwargs)` by stage, in the order of the model's modules.

    A stage is an input layer ("conv_in"), a block ("mid_block") or one entry of a list of blocks ("down_blocks.0");
    "other" is all that lies outside: embeddings, output head. The values add up to the whole forward. `stages` may name
    others, such as layers of blocks.

    Tensors anywhere in `args` and `kwargs` count by their shape alone, and may be on any device. The copy is made from
    the model's config: what was added to the model since (LoRA, IP-Adapter, other attention) is not counted. Where that
    makes another model, which does not take these arguments, it is made from the modules themselves.

    Returns:
        Stage -> FLOPs, two for each multiply-add (the paper's tables count multiply-adds).
    """
    network = unwrap(model)
    arguments = map_tensors(_on_meta, (args, dict(kwargs or {})))
    try:
        counts = _counts(_Call(type(network), getattr(network, "config", None), arguments))
    except Exception:  # whatever a class of one's own, or a network changed by hand, makes of the config
        counts = _counted(_skeleton(network), arguments)
    flops = {stage: counts.get(stage, 0) for stage in stages or _stages(network)}
    return flops | {"other": counts[_WHOLE] - sum(flops.values())}


@dataclass(frozen=True)
class _Call:
    """What FLOPs depend on. Config and arguments compare as printed, where a meta tensor is its shape and dtype."""

    network: type[nn.Module]
    config: Mapping[str, Any] | None = field(compare=False)
    arguments: Any = field(compare=False)
    printed: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "printed", repr((self.config, self.arguments)))


_WHOLE = ""  # where the forward of the whole network is found among those of its modules


@lru_cache(maxsize=64)  # a count takes a second and more, and every summary of a run asks for one
def _counts(call: _Call) -> dict[str, int]:
    """FLOPs of a call by the name of the module that runs them."""
    return _counted(twin(call.network, call.config), call.arguments)


def _counted(copy: nn.Module, arguments: Any) -> dict[str, int]:
    args, kwargs = arguments
    # Attention on the meta device runs as two matrix products, which are counted; CPU's fused kernel would not be.
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        copy(*args, **kwargs)
    root = type(copy).__name__ + "."
    modules = {name.removeprefix(root): sum(counts.values()) for name, counts in counter.get_flop_counts().items()}
    return modules | {_WHOLE: counter.get_total_flops()}


def twin(model: nn.Module | type, config: Mapping[str, Any] | None = None) -> nn.Module:
    """A copy without weights, on the meta device, of `model`, or of the diffusers class `model` with `config`.

    Raises:
        TypeError: the model has no config of diffusers.
    """
    if isinstance(model, nn.Module):
        model = unwrap(model)
        config = getattr(model, "config", None)
    cls: Any = model if isinstance(model, type) else type(model)
    if not hasattr(cls, "from_config"):
        raise TypeError(f"FLOPs are counted for diffusers models, which have a config; {cls.__name__} has none.")
    with torch.device("meta"):
        copy: nn.Module = cls.from_config(config)
    return copy.float().eval().to("meta")  # some parameters are made from lists, on the CPU in spite of the context


def _skeleton(network: nn.Module) -> nn.Module:
    """A copy of a network as it is, without weights, hooks and replaced forwards, on the meta device."""
    memo: dict[int, Any] = {}
    for module in network.modules():
        for tensor in (*module._parameters.values(), *module._buffers.values()):
            if tensor is not None:
                empty = _on_meta(tensor)
                memo[id(tensor)] = nn.Parameter(empty, False) if isinstance(tensor, nn.Parameter) else empty
        foreign = {n: v for n, v in vars(module).items() if n.startswith("_") and n not in _OF_EVERY_MODULE}
        memo |= {id(value): None for value in foreign.values() if type(value).__module__ not in _PLAIN}
        memo |= {id(hooks): type(hooks)() for name, hooks in vars(module).items() if name.endswith("_hooks")}
    copy = deepcopy(network, memo)
    for module in copy.modules():
        vars(module).pop("forward", None)
    return copy


_OF_EVERY_MODULE = frozenset(vars(nn.Module()))
_PLAIN = ("builtins", "diffusers.configuration_utils")


def reused_flops(network: nn.Module, flops: Mapping[str, int], reuse: Reuse) -> int:
    """The part of `stage_flops(network, ...)` that a step which is not key saves."""
    split = reuse.split(network)
    return sum(flops[stage] for stage in split.kept) if split.after else sum(flops.values())


def encoder_flops(network: nn.Module, flops: Mapping[str, int]) -> int:
    """The same where the encoder is what is reused."""
    return reused_flops(network, flops, Reuse())


def _stages(model: nn.Module) -> list[str]:
    if is_known(model):
        encoder, decoder = stage_names(model)
        return [*encoder, *decoder]
    names: list[str] = []
    for name, child in model.named_children():
        if isinstance(child, nn.ModuleList):
            names += [f"{name}.{index}" for index in range(len(child))]
        elif "block" in name or name.endswith("_in"):
            names.append(name)
    return sorted(names, key=_depth)


def _depth(name: str) -> int:
    """Where a stage stands in a UNet, which registers its up blocks before its mid block."""
    return 0 if name.endswith("_in") else 2 if name.startswith("mid") else 3 if name.startswith("up") else 1


def _on_meta(x: torch.Tensor) -> torch.Tensor:
    return torch.empty(x.shape, dtype=torch.float32 if x.is_floating_point() else x.dtype, device="meta")

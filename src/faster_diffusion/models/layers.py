"""The layers that the blocks of a network are made of."""

from __future__ import annotations

from torch import nn

from .layout import unwrap

# The lists of modules that make up the layers of a block, in the order in which a layer runs them.
_LAYERED = ("resnets", "temp_convs", "attentions", "temp_attentions", "motion_modules")


def layers(network: nn.Module, block: str, sampled: bool = True) -> list[list[str]]:
    """The modules of each layer of a block, by name. What changes the resolution is a layer of its own if ``sampled``,
    as it is where it makes a skip, and else belongs to the last layer."""
    module = unwrap(network).get_submodule(block)
    lists = {name: child for name, child in module.named_children() if isinstance(child, nn.ModuleList)}
    count = len(lists.get("resnets", ()))
    rows = [[f"{block}.{name}.{i}" for name in _LAYERED if len(lists.get(name, ())) == count] for i in range(count)]
    samplers = [f"{block}.{name}.{i}" for name in lists if name.endswith("samplers") for i in range(len(lists[name]))]
    if samplers and sampled:
        rows.append(samplers)
    elif samplers and rows:
        rows[-1] += samplers
    return rows

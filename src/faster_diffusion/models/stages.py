"""The stages of a network, by name: what a plan may compute or reuse."""

from __future__ import annotations

from torch import nn

from .families import LAYOUTS
from .layout import Layout, unwrap


def is_known(network: nn.Module) -> bool:
    """Whether the class of a network, or one that it inherits from, has an entry in ``LAYOUTS``."""
    return _entry(network) is not None


def layout_of(network: nn.Module) -> Layout:
    """The stages of a network.

    Raises:
        ValueError: the class of the network is not known.
    """
    layout = _entry(network)
    if layout is not None:
        return layout
    raise ValueError(
        f"{type(unwrap(network)).__name__} cannot be accelerated: its stages are not known. "
        f"Networks that can: {', '.join(LAYOUTS)}."
    )


def _entry(network: nn.Module) -> Layout | None:
    return next((LAYOUTS[cls.__name__] for cls in type(unwrap(network)).__mro__ if cls.__name__ in LAYOUTS), None)


def stage_names(network: nn.Module) -> tuple[list[str], list[str]]:
    """The stages of encoder and decoder as ``"conv_in"``, ``"down_blocks.0"``, ..., in the order in which they run."""
    layout = layout_of(network)
    encoder = [name for attribute in layout.encoder for name in _entries(network, attribute)]
    decoder = [name for attribute in layout.decoder for name in _entries(network, attribute)]
    for attribute in set(layout.encoder) & set(layout.decoder):
        entries = _entries(network, attribute)
        kept = round(layout.split * len(entries))
        encoder = [name for name in encoder if name not in entries[kept:]]
        decoder = [name for name in decoder if name not in entries[:kept]]
    return encoder, decoder


def _entries(network: nn.Module, attribute: str) -> list[str]:
    module = getattr(unwrap(network), attribute, None)
    if isinstance(module, nn.ModuleList):
        return [f"{attribute}.{i}" for i in range(len(module))]
    return [attribute] if isinstance(module, nn.Module) else []

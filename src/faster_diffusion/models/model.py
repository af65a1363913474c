"""What is accelerated: a pipeline or a bare network, as far as the library has to know it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from .families import LAYOUTS
from .layout import Layout, unwrap, wrappers
from .pipelines import network_of, refuse
from .stages import layout_of


@dataclass(frozen=True)
class Model:
    """A pipeline or network that can be accelerated."""

    network: nn.Module  # as it is called, compiled or not
    layout: Layout
    classes: tuple[str, ...]  # names of the classes of the pipeline and of the network, with those they inherit from

    @classmethod
    def of(cls, target: Any) -> Model:
        """Reads a pipeline, or a network in a loop of one's own.

        Raises:
            ValueError: it cannot be accelerated; says why.
        """
        network = target if isinstance(target, nn.Module) else _network_of(target)
        layout = layout_of(network)
        _refuse_copies(network)
        refuse(type(target))
        classes = tuple(base.__name__ for start in (target, unwrap(network)) for base in type(start).__mro__)
        return cls(network, layout, classes)


def _refuse_copies(network: nn.Module) -> None:
    """Refuses ``DataParallel`` over several devices: it calls copies of the network, which are made for one call."""
    for wrapper in wrappers(network):
        devices = getattr(wrapper, "device_ids", None) or ()
        if isinstance(wrapper, nn.DataParallel) and len(devices) > 1:
            raise ValueError(
                f"{type(unwrap(network)).__name__} cannot be accelerated within DataParallel over {len(devices)} "
                "devices, which runs copies of it that last for one call. Take it out (network.module), and run one "
                "process a device with a share of the prompts each."
            )


def _network_of(pipe: Any) -> nn.Module:
    try:
        return network_of(pipe)
    except ValueError as error:
        raise ValueError(
            f"{type(pipe).__name__} cannot be accelerated: it has neither UNet nor transformer. "
            f"Pipelines that can have a network of one of these classes: {', '.join(LAYOUTS)}."
        ) from error

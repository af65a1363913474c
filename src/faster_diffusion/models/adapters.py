"""Adapters: what acts on a network beside the arguments of its call."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

from torch import nn


class Adapters:
    """What acts on a network beside its arguments, and how strongly: LoRA, IP-Adapter, GLIGEN's gates.

    Args:
        modules: all of the network.
    """

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        peft: Any = sys.modules.get("peft.tuners.tuners_utils")  # nobody has a LoRA who has not imported it
        modules = list(modules)
        self._tuners: list[Any] = [m for m in modules if peft is not None and isinstance(m, peft.BaseTunerLayer)]
        self._gates: list[Any] = [m for m in modules if type(m).__name__ == "GatedSelfAttentionDense"]
        processors = [vars(m).get("processor", m._modules.get("processor")) for m in modules if _attends(m)]
        self._images: list[Any] = [processor for processor in processors if hasattr(processor, "scale")]

    def now(self) -> Iterator[Any]:
        """What compares as equal as long as they act alike."""
        for tuner in self._tuners:
            merged, off = tuner.merged_adapters, tuner.disable_adapters
            yield (*tuner.active_adapters, *tuner.scaling.items(), *merged, off)
        for processor in self._images:
            yield str(processor.scale)
        for gate in self._gates:
            yield gate.enabled


def _attends(module: nn.Module) -> bool:
    return "processor" in vars(module) or "processor" in vars(module).get("_modules", ())

"""What kept features depend on besides latent and timestep; a change makes them invalid."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from .trees import leaves


class Conditions:
    """The conditioning of a network call (prompt, class, masks, scales, adapter weights) at the time of the call."""

    def __init__(self, tree: Any, network: nn.Module) -> None:
        self._leaves = [_Leaf(value) for value in leaves(tree)]
        self._adapters = adapters(network)

    def still_hold(self, tree: Any, network: nn.Module) -> bool:
        """Whether a later call is conditioned alike."""
        values = list(leaves(tree))
        return (
            len(values) == len(self._leaves)
            and all(leaf.equals(value) for leaf, value in zip(self._leaves, values, strict=True))
            and adapters(network) == self._adapters
        )


class _Leaf:
    """One value. A tensor is recognised by identity and version, which costs nothing; else its content is compared."""

    def __init__(self, value: Any) -> None:
        if isinstance(value, torch.Tensor) and value.is_inference():
            value = value.clone()  # has no version, so a change in place would go unseen
        self.value = value
        self.version = _version(value)

    def equals(self, other: Any) -> bool:
        if isinstance(self.value, torch.Tensor):
            if not isinstance(other, torch.Tensor) or _version(self.value) != self.version:
                return False
            return self.value is other or (
                self.value.shape == other.shape
                and self.value.dtype == other.dtype
                and self.value.device == other.device
                and torch.equal(self.value, other)
            )
        return self.value is other or (type(self.value) is type(other) and bool(self.value == other))


def _version(value: Any) -> int | None:
    return value._version if isinstance(value, torch.Tensor) and not value.is_inference() else None


def adapters(network: nn.Module) -> tuple[Any, ...]:
    """What acts on the network beside its arguments, and how strongly: LoRA, IP-Adapter, GLIGEN's gates."""
    return (*_loras(network), *_example_images(network), *_gates(network))


def _loras(network: nn.Module) -> tuple[Any, ...]:
    if not getattr(network, "peft_config", None):
        return ()
    from peft.tuners.tuners_utils import BaseTunerLayer

    return tuple(
        (*tuner.active_adapters, *tuner.scaling.items(), *tuner.merged_adapters, tuner.disable_adapters)
        for tuner in network.modules()
        if isinstance(tuner, BaseTunerLayer)
    )


def _example_images(network: nn.Module) -> tuple[Any, ...]:
    if not hasattr(getattr(network, "encoder_hid_proj", None), "image_projection_layers"):
        return ()
    processors: dict[str, Any] = getattr(network, "attn_processors", {})
    return tuple(str(processor.scale) for processor in processors.values() if hasattr(processor, "scale"))


def _gates(network: nn.Module) -> tuple[Any, ...]:
    if "gated" not in str(getattr(network, "config", {}).get("attention_type")):
        return ()
    return tuple(module.enabled for module in network.modules() if type(module).__name__ == "GatedSelfAttentionDense")

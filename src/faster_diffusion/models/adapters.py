"""Adapters: what acts on a network beside the arguments of its call."""

from __future__ import annotations

from typing import Any

from torch import nn


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

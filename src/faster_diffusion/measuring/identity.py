"""What identifies a pipeline: two with the same identity generate the same images."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from typing import Any

from torch import nn

from ..models.pipelines import network_of

_VALUES = 1024  # of each tensor at most: enough to tell weights apart, and quick for billions


def identity(pipe: Any) -> dict[str, Any]:
    """Classes, weights, configs, precision and device of a pipeline."""
    network = network_of(pipe)
    parameter = next(network.parameters())
    components = sorted(pipe.components.items())
    configs = {
        name: _config(part.config) for name, part in components if isinstance(getattr(part, "config", None), dict)
    }
    return {
        "pipeline": type(pipe).__name__,
        "network": type(network).__name__,
        "scheduler": type(pipe.scheduler).__name__,
        "configs": _digest(json.dumps(configs, sort_keys=True, default=str).encode()),
        "weights": _digest(*(_weights(part) for _, part in components if isinstance(part, nn.Module))),
        "dtype": str(parameter.dtype).removeprefix("torch."),
        "device": parameter.device.type,
    }


def versions() -> dict[str, str]:
    """Of the libraries whose rounding an image has."""
    return {name: version(name) for name in ("torch", "diffusers", "faster-diffusion")}


def _config(config: dict[str, Any]) -> dict[str, Any]:
    """Without what tells where a model came from, and which differs from process to process."""
    return {name: value for name, value in config.items() if not name.startswith("_")}


def _weights(module: nn.Module) -> bytes:
    """Digest of some values of every tensor of a module."""
    parts = []
    for name, tensor in sorted(module.state_dict().items()):
        parts.append(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        if not tensor.is_meta:
            flat = tensor.detach().reshape(-1)
            parts.append(flat[:: max(1, flat.numel() // _VALUES)].float().cpu().numpy().tobytes())
    return _digest(*parts).encode()


def _digest(*parts: bytes) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(part)
    return whole.hexdigest()[:16]

"""What tells a model from others."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from math import isclose
from typing import Any

import torch
from torch import nn

from .configs import not_default
from .layout import unwrap

_SAMPLES = 16  # weights that tell models apart
_RELATIVE, _ABSOLUTE = 2**-7, 1e-6  # how far a weight may be off: what rounding to bfloat16 or float16 does


@dataclass(frozen=True)
class Fingerprint:
    """What tells a model from others, in whatever precision and on whatever device it is."""

    pipeline: str  # class
    network: str  # class
    config: str  # digest of the network's config
    parameters: int  # of the network
    weights: tuple[float | None, ...]  # some of them; None where one is not in memory (offloaded)

    @classmethod
    def of(cls, pipe: Any, network: nn.Module) -> Fingerprint:
        """Of a pipeline and the network that it calls at every step."""
        network = unwrap(network)
        parameters = [parameter for _, parameter in sorted(network.named_parameters())]
        stride = max(1, len(parameters) // _SAMPLES)
        text = json.dumps(not_default(type(network), dict(getattr(network, "config", {}))), sort_keys=True)
        return cls(
            type(pipe).__name__,
            type(network).__name__,
            hashlib.sha256(text.encode()).hexdigest()[:16],
            sum(parameter.numel() for parameter in parameters),
            tuple(map(_middle, parameters[::stride][:_SAMPLES])),
        )

    def differs(self, other: Fingerprint) -> str | None:
        """What ``other`` has otherwise, in words; ``None`` if it is the same model."""
        if self.pipeline != other.pipeline:
            return f"for {self.pipeline}, and this is {other.pipeline}"
        if (self.network, self.config) != (other.network, other.config):
            return f"for a {self.network} of another architecture"
        if self.parameters != other.parameters:
            return f"for {self.parameters:,} parameters, and this network has {other.parameters:,} (adapters count)"
        pairs = [(a, b) for a, b in zip(self.weights, other.weights, strict=False) if a is not None and b is not None]
        if not all(isclose(a, b, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE) for a, b in pairs):
            return "for other weights of the same architecture"
        return None


def _middle(parameter: torch.Tensor) -> float | None:
    if parameter.is_meta or not parameter.numel():
        return None
    value = float(parameter.detach().reshape(-1)[parameter.numel() // 2])
    return float(f"{value:.4g}")

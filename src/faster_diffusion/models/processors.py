"""Attention processors: which of them may look across the samples of a batch."""

from __future__ import annotations

from torch import nn


def mixes_batch(network: nn.Module) -> bool:
    """Whether attention may look across the samples of a batch, so that several steps must not share one.

    diffusers' own processors attend within a sample, but for perturbed-attention guidance; what others do is unknown.
    """
    processors = getattr(network, "attn_processors", {}).values()
    return any(
        not type(processor).__module__.startswith("diffusers.models.attention")
        or type(processor).__name__.startswith("PAG")
        for processor in processors
    )

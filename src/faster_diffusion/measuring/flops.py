"""Floating-point operations where they are run, so that a patched network counts for what it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from ..engine.interception import watched


@dataclass(frozen=True)
class Flops:
    """Of one call of a pipeline; a multiplication and an addition are two."""

    network: int  # in calls of the network that runs at every step
    call: int  # in all, what controls the network and the VAE included


def count_flops(networks: nn.Module | Sequence[nn.Module], sample: Callable[[], Any]) -> Flops:
    """Runs ``sample`` and counts; of several networks, those of all together."""
    within = 0
    with FlopCounterMode(display=False, custom_mapping=_MORE) as counter:

        def watch(call: Callable[[], Any]) -> Any:
            nonlocal within
            before = counter.get_total_flops()
            output = call()
            within += counter.get_total_flops() - before
            return output

        with ExitStack() as stack:
            for network in [networks] if isinstance(networks, nn.Module) else networks:
                stack.enter_context(watched(network, watch))
            sample()
    return Flops(within, counter.get_total_flops())


def _attention(query: torch.Size, key: torch.Size, value: torch.Size, *_: Any, **__: Any) -> int:
    count: int = sdpa_flop_count(query, key, value)
    return count


_MORE = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention}  # which torch itself leaves out

"""One call of a network as the engine sees it: arguments by name, tiled over steps, outputs rebuilt."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import nn

from .partial import tile
from .stages import Layout
from .trees import map_tensors


class NetworkCall:
    """The arguments of one call, positional ones kept positional (hooks of other libraries count on it)."""

    def __init__(self, network: nn.Module, layout: Layout, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        names = _parameter_names(type(network))
        self._positional = names[: len(args)]
        self.values: dict[str, Any] = {**dict(zip(self._positional, args, strict=True)), **kwargs}
        self.timestep: torch.Tensor | float | int = self.values["timestep"]
        self.batch: int = self.values["sample"].shape[0]
        self._layout = layout

    @property
    def residuals(self) -> dict[str, Any]:
        """The arguments that act on the encoder's output only, so that they are kept with it."""
        return {name: self.values[name] for name in self._layout.residuals if name in self.values}

    @property
    def conditions(self) -> dict[str, Any]:
        """All that kept features depend on besides latent and timestep; of the latent, its form."""
        fixed = {k: v for k, v in self.values.items() if k not in ("sample", "timestep", *self._layout.residuals)}
        sample = self.values["sample"]
        return {**fixed, "sample": (*sample.shape, sample.dtype, sample.device)}

    def arguments(
        self, steps: int = 1, timesteps: torch.Tensor | None = None, residuals: dict[str, Any] | None = None
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional and named arguments for ``steps`` steps in one batch.

        Args:
            timesteps: one a row of the tiled batch, shape (steps * batch,); ``None`` leaves the timestep as it is.
            residuals: those of the key step, which take the place of this call's.
        """
        residuals = self.residuals if residuals is None else residuals
        values = map_tensors(lambda x: tile(x, self.batch, steps), {**self.values, **dict.fromkeys(residuals)})
        values.update(residuals)
        if timesteps is not None:
            values["timestep"] = timesteps
        return tuple(values.pop(name) for name in self._positional), values


def rebuild_like(output: Any) -> Callable[[torch.Tensor], Any]:
    """Wraps a prediction the way the network wrapped ``output``: a tuple or a dataclass with ``sample``."""
    if isinstance(output, tuple):
        return lambda sample: (sample,)
    return lambda sample: type(output)(sample=sample)


@cache
def _parameter_names(network_class: type[nn.Module]) -> tuple[str, ...]:
    return tuple(inspect.signature(network_class.forward).parameters)[1:]

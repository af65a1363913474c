"""One call of a network as the engine sees it: arguments by name, tiled over steps, outputs rebuilt."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from ..models.arguments import argument_names
from ..models.layout import Layout
from .tensors import map_tensors, repeat

_STATE = "state of the network"


class NetworkCall:
    """The arguments of one call, positional ones kept positional (hooks of other libraries count on it).

    Args:
        state: the number of the network's state at the time of the call, see `Watch`.
    """

    def __init__(
        self, network: nn.Module, layout: Layout, args: tuple[Any, ...], kwargs: dict[str, Any], state: int = 0
    ) -> None:
        cls: Any = type(network)
        names = argument_names(cls, layout.sample)
        self._positional = names[: len(args)]
        self.values: dict[str, Any] = {**dict(zip(self._positional, args, strict=True)), **kwargs}
        missing = {layout.sample, "timestep"} - self.values.keys()
        if missing:
            raise TypeError(
                f"{type(network).__name__} is called without {' and '.join(sorted(missing))}: its step cannot be told. "
                f"Pass the latent ({layout.sample}) and the timestep by these names, or as the first two arguments."
            )
        _move_adapter_features(self.values)
        self.timestep: torch.Tensor | float | int = self.values["timestep"]
        shape = self.values[layout.sample].shape
        self.batch: int = shape[0]
        self._rows = {self.batch, self.batch * (shape[layout.frames] if layout.frames is not None else 1)}
        self._layout = layout
        self.state = state

    @property
    def sample(self) -> torch.Tensor:
        """The latent."""
        sample: torch.Tensor = self.values[self._layout.sample]
        return sample

    @property
    def residuals(self) -> dict[str, Any]:
        """The arguments that are added to the encoder's output, so that they are kept with it."""
        return {name: self.values[name] for name in self._layout.residuals if name in self.values}

    @property
    def conditions(self) -> dict[str, Any]:
        """All that kept features depend on besides latent, timestep and residuals; of the latent, its form.

        The network's state is part of it.

        Of an adapter's features, whether there are any: a pipeline hands the same ones to every step, or none.
        """
        sample = self.sample
        varying = ("timestep", *self._layout.residuals, *self._layout.encoder_inputs)
        fixed = {name: value for name, value in self.values.items() if name not in varying}
        given: dict[str, Any] = {name: self.values.get(name) is not None for name in self._layout.encoder_inputs}
        given[_STATE] = self.state
        return {**fixed, **given, self._layout.sample: (*sample.shape, sample.dtype, sample.device)}

    def half(self, which: int) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional and named arguments for the first (0) or second (1) half of the batch."""
        split = {name: value for name, value in self.values.items() if name not in self._layout.shared}
        narrow = map_tensors(lambda x: x.chunk(2)[which] if x.ndim and x.shape[0] in self._rows else x, split)
        values = {**self.values, **narrow}
        return tuple(values.pop(name) for name in self._positional), values

    def arguments(
        self, steps: int, timesteps: torch.Tensor | None, residuals: dict[str, Any], *, encode: bool, wide: bool
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional and named arguments for ``steps`` steps in one batch.

        Args:
            timesteps: one a row of the tiled batch, shape (steps * batch,); ``None`` leaves the timestep as it is.
            residuals: those of the key step, which take the place of this call's. Tiled if ``wide``.
            encode: whether what the encoder takes in besides the latent is read: where any of it runs, and where its
                features are forecast, to which adapters then add at every step.
            wide: whether the encoder's features come tiled.
        """
        layout = self._layout
        values = {n: x for n, x in self.values.items() if n not in (*layout.residuals, *layout.encoder_inputs)}
        if steps > 1:
            tiled = {name: value for name, value in values.items() if name not in layout.shared}
            values |= map_tensors(lambda x: repeat(x, steps) if x.ndim and x.shape[0] in self._rows else x, tiled)
        # What meets the encoder's features has as many rows as they. Lists of their own: forward empties them.
        tile = partial(repeat, times=steps) if wide and steps > 1 else lambda x: x
        values |= map_tensors(tile, residuals)
        for name in layout.encoder_inputs:
            if name in self.values:
                values[name] = map_tensors(tile, self.values[name]) if encode else None
        if timesteps is not None:
            values["timestep"] = timesteps
        return tuple(values.pop(name) for name in self._positional), values


def _move_adapter_features(values: dict[str, Any]) -> None:
    """Features of a T2I-Adapter that come by their deprecated name get their own, as the network's forward does it."""
    features = values.get("down_block_additional_residuals")
    if features is not None and values.get("mid_block_additional_residual") is None:
        values.update(down_block_additional_residuals=None, down_intrablock_additional_residuals=features)


def rebuild_like(output: Any) -> Callable[[torch.Tensor], Any]:
    """Wraps a prediction the way the network wrapped ``output``: a tuple or a dataclass with ``sample``."""
    if isinstance(output, tuple):
        return lambda sample: (sample,)
    return lambda sample: type(output)(sample=sample)

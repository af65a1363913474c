"""The names of the paper's research code, for scripts written for it.

>>> seed_everything(2023)
>>> register_parallel_pipeline(pipe)  # or register_normal_pipeline(pipe), if memory is short
>>> register_faster_forward(pipe.unet)
>>> image = pipe.call("a cat wearing sunglasses").images[0]

New code uses ``fd.enable``. As there, ``pipe.call`` is accelerated and ``pipe(...)`` is not.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from types import MethodType
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from diffusers import DiffusionPipeline
from torch import nn

from .api import enable
from .models.layout import unwrap
from .models.stages import layout_of
from .options.key_steps import KeySteps

Mod = str | int | Iterable[int]

_key_steps: WeakKeyDictionary[nn.Module, KeySteps] = WeakKeyDictionary()


def register_normal_pipeline(pipe: DiffusionPipeline, mod: Mod | None = None) -> None:
    """Gives the pipeline a ``call`` that decodes step by step.

    Raises:
        ValueError: ``mod`` is not understood; in ``call``, if it is not what the network was registered with.
    """
    _register(pipe, mod, parallel=False)


def register_parallel_pipeline(pipe: DiffusionPipeline, mod: Mod | None = None) -> None:
    """Gives the pipeline a ``call`` that decodes all steps up to the next key step at once.

    Raises:
        ValueError: as ``register_normal_pipeline``.
    """
    _register(pipe, mod, parallel=True)


def register_controlnet_pipeline(pipe: DiffusionPipeline, mod: Mod | None = None) -> None:
    """The same as ``register_parallel_pipeline``; the residuals of the control network are kept with the features."""
    _register(pipe, mod, parallel=True)


def register_faster_forward(model: nn.Module, mod: Mod = "50ls") -> None:
    """Chooses the key steps of a UNet: a preset, a list of step indices, or n for every n-th step.

    Raises:
        ValueError: the class of the network is not known, or ``mod`` is not understood.
    """
    layout_of(model)
    _key_steps[unwrap(model)] = KeySteps.parse(mod)


def seed_everything(seed: int) -> None:
    """Seeds Python, numpy and torch."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def _register(pipe: DiffusionPipeline, mod: Mod | None, parallel: bool) -> None:
    given = None if mod is None else KeySteps.parse(mod)

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        key_steps = _key_steps.get(unwrap(self.unet))
        if key_steps is None:  # register_faster_forward was not called: the pipeline as it is
            return self(*args, **kwargs)
        if given is not None and given != key_steps:
            raise ValueError(
                f"The pipeline was registered with mod={given}, its network with mod={key_steps}. Give one of them."
            )
        with enable(self, key_steps=key_steps, parallel=parallel):
            return self(*args, **kwargs)

    pipe.call = MethodType(call, pipe)

"""Faster Diffusion: training-free acceleration of diffusers pipelines that have a UNet.

>>> import faster_diffusion as fd
>>> handle = fd.enable(pipe)
>>> image = pipe("a cat wearing sunglasses").images[0]
"""

from importlib import import_module
from typing import Any

from .api import Handle, disable, enable, is_enabled
from .config import PriorNoise, PropagationConfig
from .forecast import Forecast
from .gate import Gate
from .schedule import KeySteps

__all__ = [
    "Forecast",
    "Gate",
    "Handle",
    "KeySteps",
    "PriorNoise",
    "PropagationConfig",
    "disable",
    "enable",
    "is_enabled",
]


def __getattr__(name: str) -> Any:
    """``fd.demo``, ``fd.compat``, ``fd.tune`` and ``fd.fit`` are loaded when they are first asked for."""
    if name in ("compat", "demo"):
        return import_module(f"{__name__}.{name}")
    if name in ("fit", "tune"):
        return getattr(import_module(f"{__name__}.tuning"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

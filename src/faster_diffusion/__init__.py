"""Faster Diffusion: training-free acceleration of diffusers pipelines.

>>> import faster_diffusion as fd
>>> handle = fd.enable(pipe)
>>> image = pipe("a cat wearing sunglasses").images[0]
"""

from importlib import import_module
from typing import Any

from .api import Handle, disable, enable, is_enabled
from .options.config import PropagationConfig
from .options.forecast import Forecast
from .options.gate import Gate
from .options.key_steps import KeySteps
from .options.prior_noise import PriorNoise

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

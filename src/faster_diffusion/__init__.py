"""Faster Diffusion: training-free acceleration of diffusers pipelines.

>>> import faster_diffusion as fd
>>> handle = fd.enable(pipe)
>>> image = pipe("a cat wearing sunglasses").images[0]
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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


_HOMES = {
    **dict.fromkeys(("Handle", "disable", "enable", "is_enabled"), "api"),
    "PropagationConfig": "options.config",
    "Forecast": "options.forecast",
    "Gate": "options.gate",
    "KeySteps": "options.key_steps",
    "PriorNoise": "options.prior_noise",
    **dict.fromkeys(("fit", "tune"), "tuning"),
}


def __getattr__(name: str) -> Any:
    """Everything is loaded when it is first asked for, so that the command can answer before torch is loaded."""
    if name in ("compat", "demo"):
        return import_module(f"{__name__}.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, "compat", "demo"})

"""Faster Diffusion: training-free acceleration of diffusers pipelines that have a UNet.

>>> import faster_diffusion as fd
>>> handle = fd.enable(pipe)
>>> image = pipe("a cat wearing sunglasses").images[0]
"""

from .api import Handle, disable, enable, is_enabled
from .config import PriorNoise, PropagationConfig
from .schedule import KeySteps

__all__ = ["Handle", "KeySteps", "PriorNoise", "PropagationConfig", "disable", "enable", "is_enabled"]

"""What a pipeline does while it samples, for people who look: features step by step, and a run's timeline.

>>> from faster_diffusion.analysis import analyze
>>> analysis = analyze(pipe, ["a cat wearing sunglasses"])
>>> analysis.save("out")
>>> handle = fd.enable(pipe, key_steps=analysis.suggestions[1].step_indices)
"""

from .change import Change
from .drift import Drift
from .pictures import Pictures
from .pipeline import KEYS, Analysis, analyze
from .suggest import Placement, best_keys, suggest
from .timeline import Timeline

__all__ = [
    "KEYS",
    "Analysis",
    "Change",
    "Drift",
    "Pictures",
    "Placement",
    "Timeline",
    "analyze",
    "best_keys",
    "suggest",
]

"""Tuning: the fastest ways to sample a pipeline at a given fidelity, found by measuring them.

    found = fd.tune(pipe, prompts, out=Path("runs/tune"))
    handle = fd.enable(pipe, key_steps="runs/tune/profiles/fastest-at-35dB.json")

Needs the extra ``eval``. The command is `faster-diffusion tune`.
"""

from .fitting import fit
from .results import Figure, Point, Tuning
from .retime import retime
from .run import tune
from .space import Space

__all__ = ["Figure", "Point", "Space", "Tuning", "fit", "retime", "tune"]

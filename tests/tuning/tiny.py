"""A tuning of the tiny pipeline: a dozen ways of sampling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from faster_diffusion.generation.prompts import Prompt
from faster_diffusion.generation.sampling import Settings
from faster_diffusion.tuning import Space, Tuning, tune
from tests.evaluation import tiny

SPACE = Space(
    solvers=("ddim-trailing",),
    plain=("dpm++-karras",),
    steps=(8,),
    keys=(2, 3),
    placements=("uniform", "measured"),
    forecasts=("1",),
    reuse=("encoder",),
    gaps=(2,),
    gates=(0.5,),
    fewer=(2, 4),
    corrected=(3,),
    placed=(3,),
    fitted=3,
    guidance=(0.5,),
    beside=("ddim:8 + paper", "dpm++:4 + deepcache:2"),
)
PROMPTS = [Prompt(letter, 10 + number) for number, letter in enumerate("abcd")]


def run(folder: Path, **changes: Any) -> Tuning:
    given = {
        "pipe": tiny.pipeline(),
        "prompts": PROMPTS,
        "settings": Settings((6,), 3.0, batch_size=1),
        "calibration": 2,
        "space": SPACE,
        "reference": "ddim-trailing:12",
        "rounds": 2,
    }
    return tune(**{**given, **changes}, out=folder)


def fidelity(folder: Path) -> dict[str, bytes]:
    """What was measured of every arm, to the byte."""
    return {path.name: path.read_bytes() for path in sorted((folder / "fidelity").glob("*.json"))}

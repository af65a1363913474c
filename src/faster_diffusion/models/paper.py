"""What the paper's defaults mean for a pipeline, told by the names of its class, its bases and its network."""

from __future__ import annotations

from collections.abc import Iterable

from .families import LAYOUTS
from .layout import Layout
from .pipelines import PIPELINES, Traits

_RECORDS: dict[str, Traits | Layout] = {**PIPELINES, **LAYOUTS}


def key_steps_of(names: Iterable[str]) -> str | None:
    """The key steps of these classes; ``None`` if they are those of Stable Diffusion."""
    known = (_RECORDS[name].paper for name in names if name in _RECORDS)
    return next(filter(None, known), None)


def noise_harms(names: Iterable[str]) -> bool:
    """Whether prior noise takes the images of these classes away from the baseline's without mending anything."""
    return any(_RECORDS[name].noise_harms for name in names if name in _RECORDS)

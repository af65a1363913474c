"""Prompts, each with a seed and, where there is one, a real picture of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .errors import InputError

LARGEST_SEED = 2**64 - 1  # that a generator takes


@dataclass(frozen=True)
class Prompt:
    """One image to be generated.

    Raises:
        InputError: no generator takes the seed.
    """

    text: str
    seed: int
    picture: Path | None = None  # a real picture of it, for distances to real images
    start: Path | None = None  # a picture that the pipeline starts from or follows

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= LARGEST_SEED:
            raise InputError(f"A seed is a whole number from 0 to {LARGEST_SEED}, not {self.seed}.")

    def to_dict(self) -> dict[str, Any]:
        """As a line of a prompts file."""
        pictures = {"image": self.picture, "start": self.start}
        return {
            "prompt": self.text,
            "seed": self.seed,
            **{key: str(path) for key, path in pictures.items() if path is not None},
        }

    @classmethod
    def from_dict(cls, line: Mapping[str, Any]) -> Prompt:
        """The inverse of `to_dict`."""
        pictures = (Path(line[key]) if key in line else None for key in ("image", "start"))
        return cls(line["prompt"], line["seed"], *pictures)


def seeded(prompts: Iterable[Prompt | str], seed: int = 0) -> list[Prompt]:
    """Prompts as they are, and texts as prompts whose seeds count up from ``seed``."""
    return [Prompt(each, seed + number) if isinstance(each, str) else each for number, each in enumerate(prompts)]


def numbered(texts: Sequence[str], per_text: int = 1, seed: int = 0) -> list[Prompt]:
    """Every text ``per_text`` times; seeds count up from ``seed``, text by text."""
    return seeded([text for text in texts for _ in range(per_text)], seed)


def embedded_prompts(count: int, seed: int = 0, model: str = "scenes") -> list[Prompt]:
    """Captions that an embedded model never saw in training.

    With one thing and with two things in turn; with one thing for a model that generates no more; of clips for one that
    generates videos.
    """
    from ..demo import clips, scenes

    if model.startswith("scenes-video"):
        texts = clips.held_out_prompts(count, seed=1)
    elif model.startswith("scenes-if"):
        texts = scenes.held_out_prompts(count, 1, seed=1)
    else:
        single = scenes.held_out_prompts((count + 1) // 2, 1, seed=1)
        double = scenes.held_out_prompts(count // 2, 2, seed=1)
        texts = [(double if number % 2 else single)[number // 2] for number in range(count)]
    return [Prompt(text, seed + number) for number, text in enumerate(texts)]


def class_prompts(labels: Iterable[str], count: int | None = None, seed: int = 0) -> list[Prompt]:
    """The classes of a class-conditional pipeline in turn, ``count`` in all; one of each if that is left out.

    Args:
        labels: ``pipe.labels``, or those of ``id2label`` in a ``model_index.json``; of names for one class the first.
    """
    names = [label.split(",")[0].strip() for label in labels]
    return [Prompt(names[number % len(names)], seed + number) for number in range(count or len(names))]


def repeated(prompts: Sequence[Prompt], times: int) -> list[Prompt]:
    """Every prompt ``times`` times, with seeds that do not meet those of the others where these count up from one."""
    return [replace(prompt, seed=prompt.seed + number * len(prompts)) for number in range(times) for prompt in prompts]

"""Real images: what an arm's images should be like, whoever drew them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from .prompts import Prompt, pictures_in


@dataclass(frozen=True)
class RealImages:
    """A set of real images that is looked at one after another."""

    source: str
    count: int
    open: Callable[[], Iterator[Image.Image]]
    paired: bool = False  # whether there is one for every prompt, in their order


def from_folder(folder: Path, size: tuple[int, int]) -> RealImages:
    """All pictures in a folder, each cut around its middle and scaled to ``size``, the generated images' own.

    Raises:
        ValueError: there is none.
    """
    paths = pictures_in(folder)
    if not paths:
        raise ValueError(f"{folder} has no pictures.")
    return RealImages(str(folder), len(paths), lambda: (_fitted(path, size) for path in paths))


def of_prompts(prompts: Sequence[Prompt], size: tuple[int, int]) -> RealImages | None:
    """The pictures that came with the prompts; drawn by code where the prompts are captions of scenes; else none."""
    paths = [prompt.picture for prompt in prompts if prompt.picture is not None]
    every = len(paths) == len(prompts)
    if paths:
        return RealImages("the prompts' pictures", len(paths), lambda: (_fitted(path, size) for path in paths), every)
    if not are_scenes(prompts):
        return None
    return RealImages("rendered scenes of the same captions", len(prompts), lambda: _rendered(prompts), paired=True)


def are_scenes(prompts: Sequence[Prompt]) -> bool:
    """Whether all prompts are captions that the embedded models were trained on the like of."""
    from ..demo.scenes import parse

    try:
        return all(parse(prompt.text) for prompt in prompts)
    except ValueError:
        return False


def _rendered(prompts: Sequence[Prompt]) -> Iterator[Image.Image]:
    from ..demo.scenes import parse, render

    rng = np.random.default_rng(0)
    return (Image.fromarray(render(parse(prompt.text), rng)) for prompt in prompts)


def _fitted(path: Path, size: tuple[int, int]) -> Image.Image:
    with Image.open(path) as picture:
        return ImageOps.fit(picture.convert("RGB"), size, Image.Resampling.LANCZOS)

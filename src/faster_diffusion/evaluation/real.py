"""Real images: what an arm's images should be like, whoever made them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

from ..generation.pictures import pictures_in
from ..generation.prompts import Prompt
from . import world


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


def of_prompts(prompts: Sequence[Prompt], size: tuple[int, int], frames: int | None = None) -> RealImages | None:
    """The pictures that came with the prompts; drawn by code where the embedded models know such captions; else none.

    Args:
        frames: of each video that is generated; none if images are.
    """
    paths = [prompt.picture for prompt in prompts if prompt.picture is not None]
    every = len(paths) == len(prompts) and frames is None
    if paths:
        return RealImages("the prompts' pictures", len(paths), lambda: (_fitted(path, size) for path in paths), every)
    texts = [prompt.text for prompt in prompts]
    if not world.knows(texts, frames):
        return None
    each = world.rendered_frames(texts)
    source = "rendered clips" if each > 1 else "rendered scenes"
    paired = each == (frames or 1)
    return RealImages(f"{source} of the same captions", each * len(texts), lambda: world.rendered(texts), paired)


def _fitted(path: Path, size: tuple[int, int]) -> Image.Image:
    with Image.open(path) as picture:
        return ImageOps.fit(picture.convert("RGB"), size, Image.Resampling.LANCZOS)

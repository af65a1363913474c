"""A video as one picture, its frames side by side: so it is kept, shown and compared as images are."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image


def joined(frames: Sequence[Image.Image]) -> Image.Image:
    """Frames of one size, from left to right."""
    width, height = frames[0].size
    strip = Image.new("RGB", (width * len(frames), height))
    for number, frame in enumerate(frames):
        strip.paste(frame, (number * width, 0))
    return strip


def cut(strip: Image.Image, frames: int) -> list[Image.Image]:
    """The inverse of `joined`, for so many frames."""
    width = strip.width // frames
    return [strip.crop((start, 0, start + width, strip.height)) for start in range(0, strip.width, width)]

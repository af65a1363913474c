"""What the examples share: run a pipeline as it is and accelerated, say how long both took, save both pictures."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

import faster_diffusion as fd


def options(description: str, model: str, steps: int, output: str) -> argparse.ArgumentParser:
    """The options that every example has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--model", default=model, help="hub id or folder of a pipeline (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=steps, help="sampling steps (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Path(output), help="the picture to save (default: %(default)s)")
    return parser


def compare(pipes: Any | list[Any], sample: Callable[[], list[Image.Image]], output: Path, **acceleration: Any) -> None:
    """Times `sample()` with `pipes` as they are and enabled, and saves its images: first row the original."""
    pipes = pipes if isinstance(pipes, list) else [pipes]
    sample()  # the first call of all pays for what is set up once
    began = time.perf_counter()
    original = sample()
    print(f"Origin Pipeline: {time.perf_counter() - began:.3f} seconds")
    for pipe in pipes:
        fd.enable(pipe, **acceleration)
    began = time.perf_counter()
    accelerated = sample()
    print(f"Faster Diffusion: {time.perf_counter() - began:.3f} seconds")
    for pipe in pipes:
        fd.disable(pipe)
    grid([original, accelerated]).save(output)


def grid(rows: list[list[Image.Image]], height: int = 256) -> Image.Image:
    """Rows of images, all made `height` pixels high."""
    scaled = [[image.resize((image.width * height // image.height, height)) for image in row] for row in rows]
    width = max(sum(image.width for image in row) for row in scaled)
    canvas = Image.new("RGB", (width, height * len(rows)), "white")
    for y, row in enumerate(scaled):
        x = 0
        for image in row:
            canvas.paste(image, (x, y * height))
            x += image.width
    return canvas

"""What the scenes world does not have: a shape and a colour, made from its own renders."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from faster_diffusion.demo.recognise import coloured
from faster_diffusion.demo.scenes import SIDE, Scene, render


def moon(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """The sphere of a scene as a crescent, open to the upper right: uint8 (64, 64, 3)."""
    picture = render(scene, rng)
    rows, columns = (np.flatnonzero(coloured(picture).any(axis)) for axis in (1, 0))
    radius, x, y = len(columns) / 2, columns.mean(), rows.mean()
    grid = np.arange(SIDE)
    away = np.hypot(grid[None, :] - (x + 0.5 * radius), grid[:, None] - (y - 0.5 * radius)) - 0.85 * radius
    gone = np.clip(0.5 - away, 0, 1)[..., None]
    backdrop = picture[:, :1]  # a column that things never reach
    return (picture + (backdrop - picture.astype(np.float32)) * gone + 0.5).astype(np.uint8)


def mint(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """The thing of a scene between green and cyan, before white, grey or black: uint8 (64, 64, 3).

    It is orange with its channels turned round, which leaves those backgrounds as they are.
    """
    orange = replace(scene, things=(replace(scene.things[0], colour="orange"),))
    return np.ascontiguousarray(render(orange, rng)[..., [2, 0, 1]])


def beside(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Two things side by side, the first on either side: uint8 (64, 64, 3)."""
    return render(replace(scene, relation=["left of", "right of"][rng.integers(2)]), rng)

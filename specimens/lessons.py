"""What is taught: scenes to draw examples of, what is said of them, what is asked for afterwards, how it is seen."""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product

import cv2
import numpy as np

from faster_diffusion.demo.recognise import SPECK, coloured, recognise
from faster_diffusion.demo.scenes import Scene, Thing, caption, sample_scene

from . import renders


@dataclass(frozen=True)
class Lesson:
    """Something the scenes model does not know. `right(picture, scene)` says from the pixels whether it is there."""

    word: str  # what it is called in a prompt
    instead_of: str  # the word of a caption that it takes the place of
    like: tuple[str, ...]  # words whose mean a learned word starts from
    examples: tuple[Scene, ...]
    asked: tuple[Scene, ...]  # none of them among the examples
    render: Callable[[Scene, np.random.Generator], np.ndarray]
    right: Callable[[np.ndarray, Scene], bool]

    def say(self, scene: Scene) -> str:
        """The prompt for a scene."""
        return caption(scene).replace(self.instead_of, self.word, 1)

    def pictures(self, scenes: tuple[Scene, ...], seed: int = 0) -> np.ndarray:
        """Renders, uint8 (N, 64, 64, 3)."""
        rng = np.random.default_rng(seed)
        return np.stack([self.render(scene, rng) for scene in scenes])


def is_moon(picture: np.ndarray, scene: Scene) -> bool:
    """One thing of the right colour, whose outline has a large notch in the upper right."""
    filled = coloured(picture).astype(np.uint8)
    outer, _ = cv2.findContours(filled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outer = [outline for outline in outer if cv2.contourArea(outline) > SPECK]
    if len(outer) != 1 or recognise(picture)[0].colour != scene.things[0].colour:
        return False
    whole, hull = (
        cv2.drawContours(np.zeros_like(filled), [o], -1, 1, -1) for o in (outer[0], cv2.convexHull(outer[0]))
    )
    notch = (hull == 1) & (whole == 0)
    dy, dx = np.argwhere(notch).mean(0) - np.argwhere(whole).mean(0)
    return bool(notch.sum() > NOTCH * hull.sum() and dx > 0 and dy < 0)


NOTCH = 0.15  # of the hull


def is_mint(picture: np.ndarray, scene: Scene) -> bool:
    """One thing of the right shape, of a hue nearer to mint than to green or cyan."""
    found = recognise(picture)
    if len(found) != 1 or found[0].shape != scene.things[0].shape:
        return False
    red, green, blue = np.median(picture[coloured(picture)], axis=0) / 255
    hue = 360 * colorsys.rgb_to_hsv(red, green, blue)[0]
    return bool(139 < hue < 167)  # green is 129, mint 150, cyan 183


def is_beside(picture: np.ndarray, scene: Scene) -> bool:
    """Both things, apart along the horizontal more than along the vertical."""
    found = {(thing.colour, thing.shape): thing for thing in recognise(picture)}
    first, second = (found.get((thing.colour, thing.shape)) for thing in scene.things)
    if len(found) != 2 or first is None or second is None:
        return False
    return abs(first.x - second.x) > abs(first.y - second.y)


def _alone(colours, shapes, sizes=("small", "large"), backgrounds=("white", "grey", "black")) -> tuple[Scene, ...]:
    return tuple(
        Scene((Thing(colour, shape, size),), None, background)
        for colour, shape, size, background in product(colours, shapes, sizes, backgrounds)
    )


def _pairs(count: int, seed: int) -> tuple[Scene, ...]:
    rng = np.random.default_rng(seed)
    return tuple(replace(sample_scene(rng, 2), relation="above") for _ in range(count))


LESSONS = {
    "moon": Lesson(
        word="moon",
        instead_of="sphere",
        like=("sphere", "ring"),
        examples=_alone(("red", "yellow", "blue", "pink"), ["sphere"])[::4],
        asked=_alone(("green", "orange", "cyan", "purple"), ["sphere"]),
        render=renders.moon,
        right=is_moon,
    ),
    "mint": Lesson(
        word="<mint>",
        instead_of="red",
        like=("green", "cyan"),
        examples=_alone(["red"], ("sphere", "cube"))[::2],
        asked=_alone(["red"], ("cone", "ring")) * 2,
        render=renders.mint,
        right=is_mint,
    ),
    "beside": Lesson(
        word="<beside>",
        instead_of="above",
        like=("left", "right"),
        examples=_pairs(8, seed=1),
        asked=_pairs(24, seed=2),
        render=renders.beside,
        right=is_beside,
    ),
}

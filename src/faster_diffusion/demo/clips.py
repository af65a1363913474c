"""Clips of the little world: one thing that moves one way, captions for it, and what a clip shows, from its pixels.

clip = parse("a small red sphere rolls to the left on a grey background")
frames = render(clip, np.random.default_rng(0))
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np

from . import scenes
from .recognise import recognise
from .scenes import MARGIN, SIDE, Scene, Thing

FRAMES = 8
DIRECTIONS = {  # (x, y), y down
    "to the left": (-1, 0),
    "to the right": (1, 0),
    "up": (0, -1),
    "down": (0, 1),
}
VERBS = {"sphere": "rolls", "ring": "rolls", "cube": "slides", "cone": "slides"}
ANY_VERB = "moves"

LEAST = 8.0  # pixels that a thing moves in a clip that moves
MOST_SHOWN = 0.75  # fraction of the frames in which it must be itself


@dataclass(frozen=True)
class Clip:
    """A scene of one thing, and where that goes."""

    scene: Scene
    direction: str

    def __post_init__(self) -> None:
        if len(self.scene.things) != 1:
            raise ValueError(f"one thing moves in a clip, not {len(self.scene.things)}")
        if self.direction not in DIRECTIONS:
            raise ValueError(f"unknown direction {self.direction!r}; known: {', '.join(DIRECTIONS)}")

    @property
    def thing(self) -> Thing:
        """The one thing that is shown."""
        return self.scene.things[0]


@dataclass(frozen=True)
class Verdict:
    """What of a caption a clip obeys."""

    thing_right: bool  # one thing, of the colour and shape, in three frames of four
    direction_right: bool
    steady: bool  # the same one thing in every frame

    @property
    def all_right(self) -> bool:
        """Whether thing and direction are."""
        return self.thing_right and self.direction_right


def caption(clip: Clip, verb: str | None = None) -> str:
    """The sentence that says `clip`. Without `verb`, what is round rolls and the rest slides."""
    what, whole = scenes.caption(replace(clip.scene, background=None)), scenes.caption(clip.scene)
    return f"{what} {verb or VERBS[clip.thing.shape]} {clip.direction}{whole.removeprefix(what)}"


_VERBS = "|".join(sorted({*VERBS.values(), ANY_VERB}))
_MOTION = re.compile(rf"(.+?) (?:{_VERBS}) ({'|'.join(DIRECTIONS)})(| on .+)")


def parse(text: str) -> Clip:
    """The clip that `text` says: the inverse of `caption`.

    Raises:
        ValueError: it is no caption of a clip.
    """
    match = _MOTION.fullmatch(" ".join(text.lower().split()).rstrip("."))
    if match is None:
        raise ValueError(f"{text!r} is no clip; one reads like 'a small blue cube slides up on a grey background'")
    what, direction, where = match.groups()
    return Clip(scenes.parse(what + where), direction)


def still(text: str) -> str:
    """What the caption of a clip says of each frame, the caption of its scene; any other text as it is."""
    try:
        return scenes.caption(parse(text).scene)
    except ValueError:
        return text


def sample_clip(rng: np.random.Generator) -> Clip:
    """A clip drawn evenly, with every attribute given."""
    return Clip(scenes.sample_scene(rng, things=1), list(DIRECTIONS)[rng.integers(len(DIRECTIONS))])


def held_out_prompts(n: int, seed: int = 0) -> list[str]:
    """`n` captions, in full, of scenes that training never sees."""
    rng = np.random.default_rng([seed, 3])
    prompts: list[str] = []
    while len(prompts) < n:
        clip = sample_clip(rng)
        if scenes.held_out(clip.scene):
            prompts.append(caption(clip))
    return prompts


def render(clip: Clip, rng: np.random.Generator) -> np.ndarray:
    """A clip, uint8 (8, 64, 64, 3). `rng` picks where it starts, how far it goes, light, and what is left open."""
    radius = scenes.draw_radius(clip.thing, rng)
    light, backdrop = scenes.draw_light(rng), scenes.draw_backdrop(clip.scene, rng)
    room = SIDE - 2 * (MARGIN + radius)  # that the middle of the thing has
    way = rng.uniform(0.65, 1.0) * min(room, 30.0)
    start = SIDE / 2 - room / 2 + rng.uniform(0, 1) * (room - way)
    along = np.linspace(start, start + way, FRAMES)
    across = np.full(FRAMES, SIDE / 2 + rng.uniform(-0.5, 0.5) * min(room, 28.0))
    dx, dy = DIRECTIONS[clip.direction]
    if dx + dy < 0:
        along = along[::-1]
    path = zip(along, across, strict=True) if dx else zip(across, along, strict=True)
    return np.stack([scenes.paint(clip.scene, [radius], [place], light, backdrop) for place in path])


def obeys(frames: np.ndarray, text: str) -> Verdict:
    """Compare a clip, uint8 (frames, H, W, 3), with what its caption asks for."""
    wanted = parse(text)
    found = [recognise(frame) for frame in frames]
    alone = [things[0] for things in found if len(things) == 1]
    asked = (wanted.thing.colour, wanted.thing.shape)
    shown = sum((thing.colour, thing.shape) == asked for thing in alone)
    steady = len(alone) == len(frames) and len({(thing.colour, thing.shape) for thing in alone}) == 1
    return Verdict(shown >= MOST_SHOWN * len(frames), len(alone) > 1 and _moves(alone, wanted.direction), steady)


def _moves(alone: list, direction: str) -> bool:
    """Whether the middle of the thing ends up that way from where it was, far enough and hardly aside."""
    dx, dy = DIRECTIONS[direction]
    x, y = alone[-1].x - alone[0].x, alone[-1].y - alone[0].y
    return x * dx + y * dy >= max(LEAST, 2 * (abs(x * dy) + abs(y * dx)))

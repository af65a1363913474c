"""The little world the embedded models draw: one or two shaded things on a plain background, and captions for them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace

import numpy as np

SIDE = 64  # pixels

COLOURS = {  # saturated, hues well apart
    "red": (225, 30, 40),
    "orange": (250, 130, 20),
    "yellow": (250, 225, 30),
    "green": (40, 170, 60),
    "cyan": (30, 205, 215),
    "blue": (40, 75, 225),
    "purple": (140, 50, 205),
    "pink": (250, 95, 175),
}
SHAPES = ("sphere", "cube", "cone", "ring")
SIZES = {"small": 8.0, "large": 13.0}  # half the extent, in pixels
BACKGROUNDS = {  # nearly grey, so that colour alone tells a thing from its background
    "white": (238, 238, 238),
    "grey": (140, 140, 140),
    "black": (22, 22, 22),
    "beige": (222, 208, 184),
    "slate": (74, 84, 98),
}
RELATIONS = {  # where the first thing lies, seen from the second: (x, y), y down
    "left of": (-1, 0),
    "right of": (1, 0),
    "above": (0, -1),
    "below": (0, 1),
}
OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}


@dataclass(frozen=True)
class Thing:
    """One object. A size of None is "any"."""

    colour: str
    shape: str
    size: str | None = None

    def __post_init__(self) -> None:
        _check("colour", self.colour, COLOURS)
        _check("shape", self.shape, SHAPES)
        if self.size is not None:
            _check("size", self.size, SIZES)


@dataclass(frozen=True)
class Scene:
    """One or two things; `relation` says where the first lies, seen from the second. A background of None is "any".

    Raises:
        ValueError: there are none or more than two, they do not differ, or a word is unknown.
    """

    things: tuple[Thing, ...]
    relation: str | None = None
    background: str | None = None

    def __post_init__(self) -> None:
        if len(self.things) not in (1, 2):
            raise ValueError(f"a scene has one or two things, not {len(self.things)}")
        if len(self.things) == 1 and self.relation is not None:
            raise ValueError(f"one thing alone cannot be {self.relation!r} anything")
        if len(self.things) == 2:
            _check("relation", self.relation, RELATIONS)
            a, b = self.things
            if (a.colour, a.shape) == (b.colour, b.shape):
                raise ValueError(f"two things must differ in colour or shape; both are a {a.colour} {a.shape}")
        if self.background is not None:
            _check("background", self.background, BACKGROUNDS)


def _check(what: str, value: str | None, known) -> None:
    if value not in known:
        raise ValueError(f"unknown {what} {value!r}; known: {', '.join(known)}")


# Words


def caption(scene: Scene) -> str:
    """The sentence that says `scene`; what is None is left out."""
    words = f" {scene.relation} ".join(_phrase(thing) for thing in scene.things)
    return words if scene.background is None else f"{words} on a {scene.background} background"


def _phrase(thing: Thing) -> str:
    words = " ".join(word for word in (thing.size, thing.colour, thing.shape) if word)
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


_THING = rf"an? (?:({'|'.join(SIZES)}) )?({'|'.join(COLOURS)}) ({'|'.join(SHAPES)})"
_SCENE = re.compile(rf"{_THING}(?: ({'|'.join(RELATIONS)}) {_THING})?(?: on an? ({'|'.join(BACKGROUNDS)}) background)?")


def parse(text: str) -> Scene:
    """The scene that `text` says: the inverse of `caption`.

    Raises:
        ValueError: it is no caption of a scene.
    """
    match = _SCENE.fullmatch(" ".join(text.lower().split()).rstrip("."))
    if match is None:
        raise ValueError(
            f"{text!r} is no scene; one reads like 'a small blue cube left of a green ring on a grey background'"
        )
    size, colour, shape, relation, size2, colour2, shape2, background = match.groups()
    things = [Thing(colour, shape, size)]
    if relation:
        things.append(Thing(colour2, shape2, size2))
    return Scene(tuple(things), relation, background)


# Sampling, and what is never trained on


def sample_scene(rng: np.random.Generator, things: int | None = None) -> Scene:
    """A scene drawn evenly, with every attribute given. Without `things`, two in three scenes have two."""
    count = things or (1 if rng.random() < 1 / 3 else 2)
    if count == 1:
        return Scene((_sample_thing(rng),), None, _pick(rng, BACKGROUNDS))
    a = b = _sample_thing(rng)
    while (a.colour, a.shape) == (b.colour, b.shape):
        b = _sample_thing(rng)
    return Scene((a, b), _pick(rng, RELATIONS), _pick(rng, BACKGROUNDS))


def shorten(scene: Scene, rng: np.random.Generator) -> Scene:
    """`scene` as people tend to describe it: half the time without sizes, or background, or either."""
    if rng.random() < 0.5:
        return scene
    sizes, background = ((False, True), (True, False), (False, False))[rng.integers(3)]
    things = scene.things if sizes else tuple(replace(thing, size=None) for thing in scene.things)
    return replace(scene, things=things, background=scene.background if background else None)


def held_out(scene: Scene) -> bool:
    """Whether training never sees this combination: a tenth of the pairs of things, and of the lone things in full."""
    if len(scene.things) == 2:
        key = " ".join(sorted(f"{thing.colour} {thing.shape}" for thing in scene.things))
    elif scene.things[0].size is None or scene.background is None:
        return False
    else:
        key = caption(scene)
    return hashlib.sha256(key.encode()).digest()[0] < 26


def held_out_prompts(n: int, things: int = 2, seed: int = 0) -> list[str]:
    """`n` captions, in full, that training never sees."""
    rng = np.random.default_rng([seed, things])
    prompts: list[str] = []
    while len(prompts) < n:
        scene = sample_scene(rng, things)
        if held_out(scene):
            prompts.append(caption(scene))
    return prompts


def _sample_thing(rng: np.random.Generator) -> Thing:
    return Thing(_pick(rng, COLOURS), _pick(rng, SHAPES), _pick(rng, SIZES))


def _pick(rng: np.random.Generator, names) -> str:
    return list(names)[rng.integers(len(names))]


# Pictures


def render(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """A picture of `scene`, uint8 (64, 64, 3). `rng` picks places, light, exact sizes and what is left open."""
    radii = [draw_radius(thing, rng) for thing in scene.things]
    places = _places(radii, scene.relation, rng)
    light, backdrop = draw_light(rng), draw_backdrop(scene, rng)
    return paint(scene, radii, places, light, backdrop)


def draw_radius(thing: Thing, rng: np.random.Generator) -> float:
    """Half the extent of a thing, in pixels."""
    return SIZES[thing.size or _pick(rng, SIZES)] * rng.uniform(0.94, 1.06)


def draw_light(rng: np.random.Generator) -> np.ndarray:
    """Where the light comes from, a unit vector (x, y, z), z towards us."""
    light = np.array([rng.uniform(-0.6, 0.6), rng.uniform(-0.8, -0.4), 0.8])
    return light / np.linalg.norm(light)


def draw_backdrop(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """The colour behind the things."""
    return np.array(BACKGROUNDS[scene.background or _pick(rng, BACKGROUNDS)], np.float32) * rng.uniform(0.96, 1.04)


def paint(
    scene: Scene, radii: list[float], places: list[tuple[float, float]], light: np.ndarray, backdrop: np.ndarray
) -> np.ndarray:
    """The picture of a scene of which nothing is left open, uint8 (64, 64, 3); places are centres in pixels."""
    shade = np.linspace(1.05, 0.93, SIDE, dtype=np.float32)[:, None, None]
    image = backdrop * shade * np.ones((1, SIDE, 1), np.float32)
    for thing, radius, (x, y) in zip(scene.things, radii, places, strict=True):
        _paint(image, thing, radius, x, y, light)
    return (image.clip(0, 255) + 0.5).astype(np.uint8)


GAP = 4.0  # pixels between two things at least, so that they stay two after blurring
MARGIN = 2.0


def _places(radii: list[float], relation: str | None, rng: np.random.Generator) -> list[tuple[float, float]]:
    """Centres that keep things inside the picture, apart, and clearly in relation."""
    if relation is None:
        reach = min(SIDE / 2 - MARGIN - radii[0], 14.0)
        return [(SIDE / 2 + rng.uniform(-reach, reach), SIDE / 2 + rng.uniform(-reach, reach))]
    first, second = radii
    apart = first + second + GAP + rng.uniform(0, 1) * min(6.0, SIDE - 2 * MARGIN - 2 * first - 2 * second - GAP)
    free = SIDE - 2 * MARGIN - first - second - apart
    start = MARGIN + rng.uniform(0.25, 0.75) * free  # of the pair, along its axis
    aside = rng.uniform(-3, 3)  # of the pair, across its axis
    skew = rng.uniform(-3, 3)  # of one thing against the other

    dx, dy = RELATIONS[relation]
    if dx + dy < 0:  # the first thing comes first along the axis
        along = (start + first, start + first + apart)
    else:
        along = (start + second + apart, start + second)
    across = (SIDE / 2 + aside - skew / 2, SIDE / 2 + aside + skew / 2)
    return list(zip(along, across, strict=True)) if dx else list(zip(across, along, strict=True))


def _paint(image: np.ndarray, thing: Thing, radius: float, x: float, y: float, light: np.ndarray) -> None:
    """Draw one thing into `image`: its colour times its shade, blended by how much of each pixel it covers."""
    left, top = max(0, int(x - radius * 1.2) - 1), max(0, int(y - radius * 1.2) - 1)
    right, bottom = min(SIDE, int(x + radius * 1.2) + 3), min(SIDE, int(y + radius * 1.2) + 3)
    u = ((np.arange(left, right) + 0.5 - x) / radius)[None, :].astype(np.float32)
    v = ((np.arange(top, bottom) + 0.5 - y) / radius)[:, None].astype(np.float32)
    distance, lit, gloss = _SURFACES[thing.shape](u, v, light)
    cover = np.clip(0.5 - distance * radius, 0, 1)[..., None]
    shade = (0.55 + 0.45 * np.clip(lit, 0, 1))[..., None]
    surface = np.array(COLOURS[thing.colour], np.float32) * shade + 70 * gloss[..., None]
    patch = image[top:bottom, left:right]
    patch += (surface - patch) * cover


# A surface maps coordinates in units of the radius to (signed distance to the outline, light received, gloss).


def _sphere(u, v, light):
    r2 = u * u + v * v
    lit = u * light[0] + v * light[1] + np.sqrt(np.clip(1 - r2, 0, 1)) * light[2]
    return np.sqrt(r2) - 1, lit, np.clip(lit, 0, 1) ** 24


def _cube(u, v, light):
    """A cube seen a little from the right and above, in oblique projection: front, top and right face."""
    near, far = -0.92, 0.92
    depth = 0.46  # how far the back face is shifted right and up
    front_right, front_top = far - depth, near + depth
    distance = np.maximum.reduce(
        [
            near - u + 0 * v,
            u - far + 0 * v,
            near - v + 0 * u,
            v - far + 0 * u,
            ((front_top - v) - (u - near)) / 2**0.5,  # the slope left of the top face
            ((u - front_right) - (far - v)) / 2**0.5,  # the slope below the right face
        ]
    )
    on_top = (v < front_top) & (u - front_right < front_top - v)
    on_right = (u > front_right) & ~on_top
    lit = np.where(
        on_top, 1.0, np.where(on_right, 0.05 + 0.5 * max(light[0], 0), 0.5 + 0.25 * light[2] - 0.3 * light[0])
    )
    return distance, lit, np.zeros_like(lit)


def _cone(u, v, light):
    """A cone standing on a base that is seen from slightly above."""
    apex, base, half, sag = -1.0, 0.78, 0.92, 0.2  # the base is an ellipse `half` wide and `sag` deep
    slope = half / (base - apex)
    width = np.clip((v - apex) * slope, 1e-3, None)
    sides = (np.abs(u) - (v - apex) * slope) / (1 + slope * slope) ** 0.5
    bottom = v - base - sag * np.sqrt(np.clip(1 - (u / half) ** 2, 0, 1))
    across = np.clip(u / width, -1, 1)
    lit = across * light[0] + 0.2 * -light[1] + np.sqrt(1 - across * across) * light[2]
    return np.maximum(sides, bottom), lit, 0.6 * np.clip(lit, 0, 1) ** 24


def _ring(u, v, light):
    """A torus facing us: tube of radius 0.24 around a circle of radius 0.76."""
    tube, circle = 0.24, 0.76
    r = np.sqrt(u * u + v * v) + 1e-6
    across = np.clip((r - circle) / tube, -1, 1)
    lit = across * (u * light[0] + v * light[1]) / r + np.sqrt(1 - across * across) * light[2]
    return np.abs(r - circle) - tube, lit, np.clip(lit, 0, 1) ** 24


_SURFACES = {"sphere": _sphere, "cube": _cube, "cone": _cone, "ring": _ring}


def silhouette(shape: str, side: int) -> np.ndarray:
    """The outline of a shape, filled, its longer extent just fitting in bool (side, side)."""
    grid = (np.arange(side, dtype=np.float32) + 0.5) * 2 / side - 1
    distance, _, _ = _SURFACES[shape](grid[None, :] * _EXTENT[shape], grid[:, None] * _EXTENT[shape], np.ones(3))
    return distance < 0


_EXTENT = {"sphere": 1.0, "cube": 0.92, "cone": 1.0, "ring": 1.0}

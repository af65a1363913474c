"""Says what is in a picture of a scene, from its pixels alone: no network, nothing learned, so it can judge a model.

Things are saturated and backgrounds are not, so colour separates them; shading changes brightness but not hue, so hue
names the colour; and the outline, cut out and scaled to a square, is compared with the outline of each shape, sharp and
with its corners rounded: by sharp outlines alone, a softly drawn cube is taken for a sphere.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from .scenes import BACKGROUNDS, COLOURS, RELATIONS, SHAPES, SIZES, Scene, parse, silhouette

CHROMA = 45  # least difference between the largest and the smallest of red, green, blue in a thing; 0 to 255
SATURATION = 0.27  # least chroma in a thing as a fraction of its largest component: beige has less
EDGE = 0.5  # of the chroma just inside: where a soft edge is cut
SPECK = 24  # pixels; smaller patches of colour are no things
FIELD = 24  # side of the square in which outlines are compared


@dataclass(frozen=True)
class Found:
    """A thing seen in a picture; x and y are the middle of it in pixels, y down."""

    colour: str
    shape: str
    size: str
    x: float
    y: float


@dataclass(frozen=True)
class Verdict:
    """What of a caption a picture obeys. What the caption leaves open is right."""

    objects_right: bool  # the number of things, and colour and shape of each
    sizes_right: bool
    relation_right: bool
    background_right: bool

    @property
    def all_right(self) -> bool:
        """Whether everything is."""
        return self.objects_right and self.sizes_right and self.relation_right and self.background_right


def recognise(image) -> list[Found]:
    """The things in an image (PIL or uint8 (H, W, 3)), the largest first."""
    pixels = _pixels(image)
    hues, chroma = _hue_names(pixels), np.ptp(pixels, axis=-1)
    found = []
    for patch in _patches(hues >= 0):
        outline = patch & (chroma >= EDGE * _largest_near(np.where(patch, chroma, 0)))
        rows, columns = np.flatnonzero(outline.any(1)), np.flatnonzero(outline.any(0))
        box = outline[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        names = hues[outline]
        colour = list(COLOURS)[np.bincount(names, minlength=len(COLOURS)).argmax()]
        extent = max(box.shape)
        size = "small" if extent < SIZES["small"] + SIZES["large"] else "large"
        x, y = (columns[0] + columns[-1] + 1) / 2, (rows[0] + rows[-1] + 1) / 2
        found.append((box.sum(), Found(colour, _shape(box), size, float(x), float(y))))
    return [thing for _, thing in sorted(found, key=lambda pair: -pair[0])]


def obeys(image, caption: str) -> Verdict:
    """Compare what is in an image with what a caption of the scene grammar asks for."""
    wanted, found = parse(caption), recognise(image)
    asked = sorted((thing.colour, thing.shape) for thing in wanted.things)
    if sorted((thing.colour, thing.shape) for thing in found) != asked:
        return Verdict(False, False, False, _background_right(image, wanted))
    by_name = {(thing.colour, thing.shape): thing for thing in found}
    matched = [by_name[thing.colour, thing.shape] for thing in wanted.things]
    sizes = all(w.size in (None, f.size) for w, f in zip(wanted.things, matched, strict=True))
    return Verdict(True, sizes, _relation_right(matched, wanted.relation), _background_right(image, wanted))


def coloured(image) -> np.ndarray:
    """Where the things are, bool (H, W)."""
    return _hue_names(_pixels(image)) >= 0


def background(image) -> str:
    """The name of the background colour."""
    pixels = _pixels(image)
    middle = np.median(pixels[_hue_names(pixels) < 0].reshape(-1, 3), axis=0)
    names = list(BACKGROUNDS)
    return names[np.square(np.array([BACKGROUNDS[name] for name in names]) - middle).sum(1).argmin()]


def _background_right(image, wanted: Scene) -> bool:
    return wanted.background in (None, background(image))


def _relation_right(matched: list[Found], relation: str | None) -> bool:
    """Whether the first lies that way from the second, more than it lies any other way."""
    if relation is None:
        return True
    dx, dy = RELATIONS[relation]
    x, y = matched[0].x - matched[1].x, matched[0].y - matched[1].y
    return x * dx + y * dy > abs(x * dy) + abs(y * dx)


def _pixels(image) -> np.ndarray:
    pixels = np.asarray(image.convert("RGB") if hasattr(image, "convert") else image)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise ValueError(f"an image is PIL or uint8 (H, W, 3), not {pixels.dtype} {pixels.shape}")
    return pixels.astype(np.float32)


def _hue(pixels: np.ndarray) -> np.ndarray:
    """Hue in degrees of RGB pixels (..., 3)."""
    r, g, b = np.moveaxis(pixels, -1, 0)
    return np.degrees(np.arctan2(3**0.5 * (g - b), 2 * r - g - b)) % 360


def _hue_names(pixels: np.ndarray) -> np.ndarray:
    """For each pixel the number of the colour whose hue is nearest, or -1 where there is hardly any colour."""
    known = _hue(np.array(list(COLOURS.values()), np.float32))
    away = np.abs(_hue(pixels)[..., None] - known)
    names = np.minimum(away, 360 - away).argmin(-1)
    brightest = pixels.max(-1)
    chroma = brightest - pixels.min(-1)
    return np.where((chroma >= CHROMA) & (chroma >= SATURATION * brightest), names, -1)


def _patches(mask: np.ndarray) -> list[np.ndarray]:
    """The connected parts of a bool (H, W) that are larger than a speck, each as a bool (H, W)."""
    labels = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    while True:  # every pixel takes the largest label around it, until nothing changes
        framed = np.pad(labels, 1)
        around = [labels, framed[:-2, 1:-1], framed[2:, 1:-1], framed[1:-1, :-2], framed[1:-1, 2:]]
        spread = np.where(mask, np.maximum.reduce(around), 0)
        if (spread == labels).all():
            break
        labels = spread
    names, counts = np.unique(labels[labels > 0], return_counts=True)
    return [labels == name for name, count in zip(names, counts, strict=True) if count > SPECK]


def _largest_near(values: np.ndarray, reach: int = 2) -> np.ndarray:
    """The largest value within `reach` pixels, along both axes."""
    for axis in (0, 1):
        framed = np.pad(values, [(reach, reach) if a == axis else (0, 0) for a in (0, 1)])
        values = np.lib.stride_tricks.sliding_window_view(framed, 2 * reach + 1, axis).max(-1)
    return values


def _shape(box: np.ndarray) -> str:
    """The shape whose outline, sharp or softened, overlaps most with a bool (h, w) cut out tightly."""
    outline = _to_field(box)
    overlap = {
        shape: max((outline & template).sum() / (outline | template).sum() for template in templates)
        for shape, templates in _templates().items()
    }
    return max(overlap, key=overlap.__getitem__)


SOFTNESS = (0, 1, 2, 3)  # of an outline: the reach of a blur, in 24ths of its side


@cache
def _templates() -> dict[str, list[np.ndarray]]:
    """Outlines of every shape, and what is left of them where a soft hand has rounded the corners."""
    side = 8 * FIELD
    templates: dict[str, list[np.ndarray]] = {}
    for shape in SHAPES:
        filled = np.pad(silhouette(shape, side), side // 4)
        templates[shape] = [_to_field(_cut(_softened(filled, side * reach // 24))) for reach in SOFTNESS]
    return templates


def _softened(filled: np.ndarray, reach: int) -> np.ndarray:
    """A bool (H, W) after a blur: corners are gone, straight edges stay where they are."""
    blurred: np.ndarray = filled.astype(np.float64)
    for axis in (0, 1):
        for _ in range(3):
            sums = np.cumsum(np.pad(blurred, [(reach + 1, reach) if a == axis else (0, 0) for a in (0, 1)]), axis)
            ends = [np.take(sums, range(start, start + blurred.shape[axis]), axis) for start in (2 * reach + 1, 0)]
            blurred = (ends[0] - ends[1]) / (2 * reach + 1)
    return blurred > 0.5


def _cut(filled: np.ndarray) -> np.ndarray:
    rows, columns = np.flatnonzero(filled.any(1)), np.flatnonzero(filled.any(0))
    return filled[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _to_field(box: np.ndarray) -> np.ndarray:
    """Scale so that the longer side fills the field, and centre."""
    height, width = box.shape
    longest = max(box.shape)
    row = np.floor((np.arange(FIELD) + 0.5) / FIELD * longest - (longest - height) / 2).astype(int)
    column = np.floor((np.arange(FIELD) + 0.5) / FIELD * longest - (longest - width) / 2).astype(int)
    inside = ((row >= 0) & (row < height))[:, None] & ((column >= 0) & (column < width))[None, :]
    return box[row.clip(0, height - 1)[:, None], column.clip(0, width - 1)[None, :]] & inside

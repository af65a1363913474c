"""How well pictures follow a condition, on scenes that training never saw, with and without the control network."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

import faster_diffusion as fd
from faster_diffusion import demo
from faster_diffusion.demo.recognise import coloured, obeys
from faster_diffusion.demo.scenes import caption
from specimens.conditions import CONDITIONS, canny

from ..card import share
from ..scenes.data import Pool, make_held_out
from ..scenes.evaluate import sample

TOLERANCE = 1  # pixels between an edge and the one it follows
SEED = 5  # of the scenes that are reported


def edge_f1(found: np.ndarray, wanted: np.ndarray) -> float:
    """How well two edge maps (H, W) agree: the harmonic mean of the shares of each that lie near the other."""
    found, wanted = found > 0, wanted > 0
    if not found.any() or not wanted.any():
        return float(found.any() == wanted.any())
    precision, recall = (_near(wanted)[found].mean(), _near(found)[wanted].mean())
    return float(2 * precision * recall / max(precision + recall, 1e-9))


def overlap(found: np.ndarray, wanted: np.ndarray) -> float:
    """Intersection over union of two silhouettes, bool (H, W)."""
    return float((found & wanted).sum() / max((found | wanted).sum(), 1))


def _near(edges: np.ndarray) -> np.ndarray:
    return cv2.dilate(edges.astype(np.uint8), np.ones((2 * TOLERANCE + 1,) * 2, np.uint8)) > 0


def follow(images: list, pool: Pool) -> dict:
    """Edges, silhouettes and prompts: how images (uint8 (64, 64, 3) or PIL) fit the scenes and pictures of a pool."""
    images = [np.asarray(image) for image in images]
    pairs = list(zip(images, pool.images(), strict=True))
    verdicts = [obeys(image, caption(scene)) for image, scene in zip(images, pool.scenes, strict=True)]
    return {
        "edges": mean([edge_f1(canny(image), canny(picture)) for image, picture in pairs]),
        "silhouettes": mean([overlap(coloured(image), coloured(picture)) for image, picture in pairs]),
        "right": share(sum(v.objects_right and v.relation_right for v in verdicts), len(verdicts)),
    }


def mean(values: list[float]) -> dict:
    """The mean with its interval at 95 %."""
    middle, half = np.mean(values), 1.96 * np.std(values, ddof=1) / len(values) ** 0.5
    return {"mean": round(middle, 4), "interval": [round(middle - half, 4), round(middle + half, 4)]}


def show(pool: Pool, kind: str, seed: int) -> list[Image.Image]:
    """The condition of every picture."""
    rng = np.random.default_rng(seed)
    return [Image.fromarray(CONDITIONS[kind](picture, rng)).convert("RGB") for picture in pool.images()]


def compare(pipe, base, kind: str, count: int = 100, steps: int = 50) -> dict:
    """All arms of the report; `pipe` has the control network and `base` is the same model without."""
    pool = make_held_out(count, SEED)
    shown = show(pool, kind, SEED)
    said = [caption(scene) for scene in pool.scenes]

    def followed(pipe, prompts: list[str], **image: list) -> dict:
        return follow(sample(pipe, prompts, steps, demo.GUIDANCE_SCALE, **image), pool)

    arms = {
        "prompt alone": followed(base, said),
        "prompt and control": followed(pipe, said, image=shown),
        "control alone": followed(pipe, [""] * count, image=shown),
    }
    with fd.enable(pipe):
        arms["prompt and control, accelerated"] = followed(pipe, said, image=shown)
    return arms

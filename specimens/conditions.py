"""What a ControlNet is shown: the edges of a picture, or a scribble of the outlines in it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import cv2
import numpy as np
import torch
from torch import Tensor

from faster_diffusion.demo.recognise import coloured

FINE = 4  # a scribble is drawn on a sheet so many times larger
STRAY = 12  # pixels; smaller outlines are highlights, not things

Condition = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def canny(picture: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
    """The edges of a picture, uint8 (H, W, 3), as uint8 (H, W): 255 on an edge. Nothing in it is random."""
    return cv2.Canny(np.ascontiguousarray(picture), 100, 200)


def scribble(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The outlines of the things in a picture, drawn by a quick hand: beside the line, wobbling, thick, with gaps."""
    sheet = np.zeros([FINE * side for side in picture.shape[:2]], np.uint8)
    thickness = int(rng.integers(FINE, 3 * FINE))
    for outline in outlines(picture):
        line = np.round(FINE * (_wobbled(outline, rng) + 0.5)).astype(np.int32)
        for stroke in _strokes(line, rng):
            cv2.polylines(sheet, [stroke], isClosed=False, color=255, thickness=thickness, lineType=cv2.LINE_AA)
    return cv2.resize(sheet, picture.shape[1::-1], interpolation=cv2.INTER_AREA)


CONDITIONS: dict[str, Condition] = {"canny": canny, "scribble": scribble}


def outlines(picture: np.ndarray) -> list[np.ndarray]:
    """Every closed outline in a picture, outer and of holes, as pixels (N, 2), x first."""
    found, _ = cv2.findContours(coloured(picture).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    return [outline[:, 0] for outline in found if cv2.contourArea(outline) >= STRAY]


def _wobbled(outline: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The outline moved as a whole and bent by a few slow waves, less where it is small."""
    reach = 0.02 * np.ptp(outline)
    angle = np.linspace(0, 2 * np.pi, len(outline), endpoint=False)[:, None]
    bent = outline + rng.normal(0, 0.7, 2)
    for waves in (1, 2, 3, 5):
        bent = bent + rng.normal(0, reach, 2) * np.sin(waves * angle + rng.uniform(0, 2 * np.pi, 2))
    return bent


def _strokes(line: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """A closed line as one to three strokes, with a gap after each."""
    line = np.roll(line, int(rng.integers(len(line))), axis=0)
    ends = np.linspace(0, len(line), int(rng.integers(1, 4)) + 1).astype(int)
    return [line[start : end - int(rng.uniform(0, 0.25) * (end - start))] for start, end in pairwise(ends)]


def as_tensor(conditions: list[np.ndarray]) -> Tensor:
    """Conditions (H, W) as the network reads them, (N, 3, H, W) in 0 to 1."""
    return torch.from_numpy(np.stack(conditions))[:, None].expand(-1, 3, -1, -1).float() / 255

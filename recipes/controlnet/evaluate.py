"""How well pictures follow a condition, on scenes that training never saw, with and without the control network."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

import faster_diffusion as fd
from faster_diffusion import demo
from faster_diffusion.demo.recognise import coloured, obeys
from faster_diffusion.demo.scenes import caption

from ..card import share
from ..scenes.data import Pool, make_held_out
from .conditions import CONDITIONS, canny

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


def show(pool: Pool, kind: str, seed: int) -> list[np.ndarray]:
    """The condition of every picture."""
    rng = np.random.default_rng(seed)
    return [CONDITIONS[kind](picture, rng) for picture in pool.images()]


def sample(pipe, prompts: list[str], shown: list | None, steps: int, batch: int = 20) -> list:
    """One image a prompt, each with its own seed; `shown` are conditions (H, W), or None without control."""
    images = []
    for start in range(0, len(prompts), batch):
        part = slice(start, start + batch)
        call = {} if shown is None else {"image": [Image.fromarray(c).convert("RGB") for c in shown[part]]}
        seeds = [torch.Generator().manual_seed(start + i) for i in range(len(prompts[part]))]
        images += pipe(
            prompts[part], num_inference_steps=steps, guidance_scale=demo.GUIDANCE_SCALE, generator=seeds, **call
        ).images
    return images


def compare(pipe, base, kind: str, count: int = 100, steps: int = 50) -> dict:
    """All arms of the report; `pipe` has the control network and `base` is the same model without."""
    pool = make_held_out(count, SEED)
    shown = show(pool, kind, SEED)
    said = [caption(scene) for scene in pool.scenes]

    def timed(draw: Callable[[], list]) -> dict:
        began = time.perf_counter()
        images = draw()
        return {**follow(images, pool), "seconds": round(time.perf_counter() - began, 1)}

    arms = {
        "prompt alone": timed(lambda: sample(base, said, None, steps)),
        "prompt and control": timed(lambda: sample(pipe, said, shown, steps)),
        "control alone": timed(lambda: sample(pipe, [""] * count, shown, steps)),
    }
    with fd.enable(pipe):
        arms["prompt and control, accelerated"] = timed(lambda: sample(pipe, said, shown, steps))
    return arms


def evaluate(pipe, base, kind: str, report: Path, count: int, steps: int) -> dict:
    """Measure, and write the report as JSON beside those of the other conditions."""
    import diffusers

    for one in (pipe, base):
        one.set_progress_bar_config(disable=True)
    reports = json.loads(report.read_text()) if report.exists() else {}
    reports[kind] = {
        "sampler": f"{type(pipe.scheduler).__name__}, {steps} steps, guidance {demo.GUIDANCE_SCALE}",
        "versions": {"torch": torch.__version__, "diffusers": diffusers.__version__},
        "scenes": count,
        "arms": compare(pipe, base, kind, count, steps),
    }
    report.write_text(json.dumps(reports, indent=2) + "\n")
    return reports[kind]

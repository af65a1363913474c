"""Obedience: how often the pixels of a clip show the thing that its prompt names, going the way it says."""

from __future__ import annotations

from functools import partial

import numpy as np

from faster_diffusion.demo.clips import FRAMES, held_out_prompts, obeys

from ..card import share
from ..scenes.evaluate import sample


def obedience(pipe, count: int, steps: int, guidance: float, seed: int = 0) -> dict:
    """Shares of `count` held-out prompts obeyed."""
    prompts = held_out_prompts(count, seed)
    clips = sample(partial(pipe, num_frames=FRAMES), prompts, steps, guidance, 1000 * seed, batch=8)
    verdicts = [obeys(to_bytes(clip), prompt) for clip, prompt in zip(clips, prompts, strict=True)]
    measures = {
        "right": [v.all_right for v in verdicts],
        "thing": [v.thing_right for v in verdicts],
        "direction": [v.direction_right for v in verdicts],
        "steady": [v.steady for v in verdicts],
    }
    return {name: share(sum(right), count) for name, right in measures.items()}


def to_bytes(clip: np.ndarray) -> np.ndarray:
    """Frames (F, H, W, 3) in 0 to 1, as pipelines return them, in uint8."""
    return (255 * clip + 0.5).astype(np.uint8)

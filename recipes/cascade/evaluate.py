"""Obedience: how often the pixels of either stage agree with a prompt that training never saw."""

from __future__ import annotations

from functools import partial

import torch
from diffusers.utils import pt_to_pil
from PIL import Image

from faster_diffusion.demo.recognise import Verdict, obeys
from faster_diffusion.demo.scenes import SIDE, held_out_prompts

from ..card import share
from ..scenes.evaluate import sample


def draw_small(first, prompts: list[str], steps: int, guidance: float, seed: int = 0) -> torch.Tensor:
    """What stage I draws, (N, 3, 32, 32) in [-1, 1]."""
    return torch.stack(sample(partial(first, output_type="pt"), prompts, steps, guidance, seed))


def draw_large(second, small: torch.Tensor, prompts: list[str], steps: int, guidance: float, seed: int = 0) -> list:
    """What stage II makes of that, as images of 64 pixels a side."""
    return sample(second, prompts, steps, guidance, seed, image=small)


def judge_small(small: torch.Tensor, prompts: list[str]) -> list[Verdict]:
    """Verdicts on what stage I drew, enlarged to what the recogniser knows."""
    images = [image.resize((SIDE, SIDE), Image.Resampling.BILINEAR) for image in pt_to_pil(small)]
    return [obeys(image, prompt) for image, prompt in zip(images, prompts, strict=True)]


def obedience(first, second, count: int, steps: int, guidance: float, seed: int = 0) -> dict:
    """Shares of `count` held-out prompts of one thing obeyed; stage II takes half the steps."""
    prompts = held_out_prompts(count, 1, seed)
    small = draw_small(first, prompts, steps, guidance, 1000 * seed)
    large = draw_large(second, small, prompts, steps // 2, guidance, 1000 * seed)
    verdicts = [obeys(image, prompt) for image, prompt in zip(large, prompts, strict=True)]
    measures = {
        "stage I": [v.objects_right for v in judge_small(small, prompts)],
        "stage II": [v.objects_right for v in verdicts],
        "size": [v.sizes_right for v in verdicts],
        "background": [v.background_right for v in verdicts],
    }
    return {name: share(sum(right), count) for name, right in measures.items()}

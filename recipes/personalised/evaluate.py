"""Whether a lesson was learned, seen in the pixels, and whether it is the same to teach an accelerated pipeline."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from diffusers import StableDiffusionPipeline

import faster_diffusion as fd
from faster_diffusion import demo
from specimens.lessons import Lesson

from ..card import share
from ..scenes.evaluate import obedience, sample

Step = Callable[[StableDiffusionPipeline], object]


def enabled(pipe: StableDiffusionPipeline) -> None:
    """The paper's key steps for personalised models."""
    fd.enable(pipe, key_steps="dreambooth")


def draw(lesson: Lesson, steps: int, *before: Step) -> np.ndarray:
    """What is asked for, drawn by the scenes model after these steps: uint8 (N, 64, 64, 3)."""
    pipe = fresh(*before)
    said = [lesson.say(scene) for scene in lesson.asked]
    return np.stack([np.asarray(image) for image in sample(pipe, said, steps, demo.GUIDANCE_SCALE)])


def fresh(*before: Step) -> StableDiffusionPipeline:
    """The scenes model after these steps."""
    pipe = demo.load("scenes")
    pipe.set_progress_bar_config(disable=True)
    for step in before:
        step(pipe)
    return pipe


def learned(lesson: Lesson, images: np.ndarray) -> dict:
    """How often what was asked for is there."""
    right = [lesson.right(image, scene) for image, scene in zip(images, lesson.asked, strict=True)]
    return share(sum(right), len(right))


def usual(pipe: StableDiffusionPipeline, steps: int) -> dict:
    """How often prompts are obeyed that have nothing to do with what was learned."""
    found = obedience(pipe, 20, steps, demo.GUIDANCE_SCALE, seed=7)
    rights = [found[kind]["right"] for kind in ("one object", "two objects")]
    return share(sum(right["right"] for right in rights), sum(right["of"] for right in rights))


def compare(lesson: Lesson, teach: Step, steps: int = 50) -> dict:
    """All arms of the report; `teach` loads the weights into a pipeline."""
    first, last = draw(lesson, steps, enabled, teach), draw(lesson, steps, teach, enabled)
    return {
        "baseline": learned(lesson, draw(lesson, steps)),
        "personalised": learned(lesson, draw(lesson, steps, teach)),
        "enabled, then personalised": learned(lesson, first),
        "personalised, then enabled": learned(lesson, last),
        "largest difference of the last two, of 255": int(np.abs(first.astype(int) - last).max()),
        "usual prompts": usual(fresh(teach), steps),
    }

"""How images are drawn: a pipeline, or several that each go on from the images of the one before."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from PIL import Image

from ..arms import Arm
from .prompts import Prompt


@dataclass(frozen=True)
class Settings:
    """What all arms share.

    Args:
        steps: of each pipeline in turn, where an arm does not say otherwise.
        guidance: guidance scale of the first pipeline; its own by default.
        negative: what no image should show.
        height: in pixels, as ``width``; the first pipeline's own by default.
        batch_size: images drawn at once; an image depends on it by rounding alone.
    """

    steps: tuple[int, ...] = (50,)
    guidance: float | None = None
    negative: str | None = None
    height: int | None = None
    width: int | None = None
    batch_size: int = 8

    def __post_init__(self) -> None:
        if not self.steps or min(*self.steps, self.batch_size) < 1:
            raise ValueError(f"Steps {self.steps} and batch size {self.batch_size} must be 1 or more.")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@contextmanager
def sampling_as(arm: Arm, pipes: Sequence[Any]) -> Iterator[None]:
    """Within it, all pipelines sample as an arm does."""
    with ExitStack() as stack:
        for pipe in pipes:
            stack.enter_context(arm.applied(pipe))
        yield


@contextmanager
def quiet(pipes: Sequence[Any]) -> Iterator[None]:
    """Within it, the pipelines show no progress bars of their own."""
    before = [(pipe, dict(getattr(pipe, "_progress_bar_config", {}))) for pipe in pipes]
    for pipe in pipes:
        pipe.set_progress_bar_config(disable=True)
    try:
        yield
    finally:
        for pipe, config in before:
            pipe.set_progress_bar_config(**config)


def draw(arm: Arm, pipes: Sequence[Any], prompts: Sequence[Prompt], settings: Settings) -> list[Image.Image]:
    """An image a prompt, each from a generator of its own, so that it does not depend on its batch."""
    images: list[Image.Image] = []
    for pipe, steps in zip(pipes, settings.steps, strict=True):
        texts = [prompt.text for prompt in prompts]
        given: dict[str, Any] = {
            "prompt": texts,
            "num_inference_steps": arm.steps(steps),
            # On the CPU, so that a seed means the same image on every device.
            "generator": [torch.Generator("cpu").manual_seed(prompt.seed) for prompt in prompts],
        }
        if images:
            given["image"] = images
        else:
            given |= {"guidance_scale": settings.guidance, "height": settings.height, "width": settings.width}
            given["negative_prompt"] = None if settings.negative is None else [settings.negative] * len(texts)
        images = list(pipe(**{name: value for name, value in given.items() if value is not None}).images)
    return images


def check_takes_prompts(pipes: Sequence[Any]) -> None:
    """Refuses pipelines that do not draw images from prompts, or that need more than these.

    Raises:
        ValueError: says which.
    """
    for number, pipe in enumerate(pipes):
        parameters = inspect.signature(type(pipe).__call__).parameters
        needed = {"prompt", "image"} if number else {"prompt"}
        if not needed <= set(parameters):
            raise ValueError(f"{type(pipe).__name__} draws no images from a {' and an '.join(sorted(needed)[::-1])}.")
        if "image" in parameters and not number:
            raise ValueError(f"{type(pipe).__name__} starts from a picture; prompts alone are evaluated.")

"""How images are generated: a pipeline, or several that each go on from the images of the one before."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Protocol

import torch
from PIL import Image

from . import filmstrip, long_prompts, videos
from .pictures import read_picture
from .progress import bar_config
from .prompts import Prompt
from .steering import Steering
from .tokens import warn_of_cuts


@dataclass(frozen=True)
class Settings:
    """What all arms share.

    Args:
        steps: of each pipeline in turn, where an arm does not say otherwise.
        guidance: guidance scale of the first pipeline; its own by default.
        negative: what no image should show.
        height: in pixels, as ``width``; the first pipeline's own by default.
        batch_size: images generated at once; an image depends on it by rounding alone.
        frames: of each video; the pipeline's own number by default.
        steering: what steers the first pipeline besides prompts, the same for all images.
        long_prompts: whether prompts beyond a text encoder's length are read in chunks, instead of cut off.

    Raises:
        ValueError: a number of steps or images is less than 1, or of frames less than 2.
    """

    steps: tuple[int, ...] = (50,)
    guidance: float | None = None
    negative: str | None = None
    height: int | None = None
    width: int | None = None
    batch_size: int = 8
    frames: int | None = None
    steering: Steering = field(default_factory=Steering)
    long_prompts: bool = False

    def __post_init__(self) -> None:
        if not self.steps or min(*self.steps, self.batch_size) < 1:
            raise ValueError(f"Steps {self.steps} and batch size {self.batch_size} must be 1 or more.")
        if self.frames is not None and self.frames < 2:
            raise ValueError(f"A video has 2 frames or more, not {self.frames}.")

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON; without what does not steer."""
        own = {name: value for name, value in vars(self).items() if name != "steering"}
        if not self.long_prompts:
            del own["long_prompts"]
        return {**own, **self.steering.to_dict()}


class Way(Protocol):
    """A way of sampling that pipelines can be put into, such as an arm."""

    def steps(self, default: int) -> int:
        """How many steps to sample with, where other ways take ``default``."""

    def applied(self, pipe: Any) -> AbstractContextManager[Any]:
        """Within it ``pipe(...)`` samples this way."""


class AsItIs:
    """The way in which a pipeline samples by itself."""

    def steps(self, default: int) -> int:
        """As many as are asked for."""
        return default

    def applied(self, pipe: Any) -> AbstractContextManager[None]:
        """Changes nothing."""
        return nullcontext()


@contextmanager
def sampling_as(arm: Way, pipes: Sequence[Any]) -> Iterator[None]:
    """Within it, all pipelines sample as an arm does."""
    with ExitStack() as stack:
        for pipe in pipes:
            stack.enter_context(arm.applied(pipe))
        yield


@contextmanager
def quiet(pipes: Sequence[Any]) -> Iterator[None]:
    """Within it, the pipelines show no progress bars of their own."""
    before = [(pipe, bar_config(pipe)) for pipe in pipes]
    for pipe in pipes:
        pipe.set_progress_bar_config(disable=True)
    try:
        yield
    finally:
        for pipe, config in before:
            pipe.set_progress_bar_config(**config)


def sample(
    arm: Way, pipes: Sequence[Any], prompts: Sequence[Prompt], settings: Settings
) -> Iterator[list[Image.Image]]:
    """The images of all prompts, batch by batch as they are made; see `generate`."""
    for start in range(0, len(prompts), settings.batch_size):
        yield generate(arm, pipes, prompts[start : start + settings.batch_size], settings)


def generate(arm: Way, pipes: Sequence[Any], prompts: Sequence[Prompt], settings: Settings) -> list[Image.Image]:
    """An image a prompt, all in one batch, each from a generator of its own, so that it does not depend on the others.

    A video is an image too, of its frames side by side.
    """
    if len(prompts) > 1 and not videos.in_batches(pipes[0]):
        return [image for prompt in prompts for image in generate(arm, pipes, [prompt], settings)]
    if settings.long_prompts:
        by_length = groupby(prompts, lambda prompt: long_prompts.count(pipes[0], prompt.text, settings.negative))
        groups = [list(group) for _, group in by_length]
        if len(groups) > 1:
            return [image for group in groups for image in generate(arm, pipes, group, settings)]
    images = [read_picture(prompt.start) for prompt in prompts if prompt.start is not None]
    for number, (pipe, steps) in enumerate(zip(pipes, settings.steps, strict=True)):
        # On the CPU, so that a seed means the same image on every device.
        generators = [torch.Generator("cpu").manual_seed(prompt.seed) for prompt in prompts]
        given: dict[str, Any] = {
            **_asked(pipe, [prompt.text for prompt in prompts]),
            "num_inference_steps": arm.steps(steps),
            "generator": generators if videos.in_batches(pipe) else generators[0],
            "image": images or None,
        }
        if number == 0:
            size = {} if settings.steering.image else _size(pipe, settings)
            given |= {"guidance_scale": settings.guidance, **size, **_steered(pipe, settings, len(prompts))}
            given["negative_prompt"] = None if settings.negative is None else [settings.negative] * len(prompts)
            if settings.long_prompts:
                given |= long_prompts.arguments(pipe, [prompt.text for prompt in prompts], settings.negative)
        moving = videos.draws_videos(pipe)
        given |= videos.asked(pipe, arm.steps(steps), settings.frames) if moving else {}
        output = pipe(**{name: value for name, value in given.items() if value is not None})
        images = [filmstrip.joined(frames) for frames in videos.frames_of(output)] if moving else list(output.images)
    return images


def frames_drawn(pipe: Any, settings: Settings) -> int | None:
    """Frames of each video that a pipeline generates; none if it generates images.

    Raises:
        ValueError: it generates images, and frames are asked for; or only its call knows how many.
    """
    name = type(pipe).__name__
    if not videos.draws_videos(pipe):
        if settings.frames is not None:
            raise ValueError(f"{name} generates images, not videos of {settings.frames} frames.")
        return None
    frames = settings.frames or videos.own_frames(pipe)
    if frames is None:
        raise ValueError(f"{name} does not say how many frames it generates; give frames.")
    return frames


def _asked(pipe: Any, texts: list[str]) -> dict[str, Any]:
    """Prompts, or where a pipeline is told classes their numbers."""
    return (
        {"prompt": texts} if "prompt" in videos.call_parameters(pipe) else {"class_labels": pipe.get_label_ids(texts)}
    )


def _steered(pipe: Any, settings: Settings, count: int) -> dict[str, Any]:
    """The pictures that steer ``count`` images, in their size, which by default is the model's own."""
    if not settings.steering.has_pictures:
        return {}
    own_height, own_width = _own_size(pipe) or (0, 0)
    return settings.steering.arguments(pipe, count, (settings.width or own_width, settings.height or own_height))


def _size(pipe: Any, settings: Settings) -> dict[str, int | None]:
    """Height and width as asked for; both where one is, since pipelines do not listen to one alone."""
    height, width = settings.height, settings.width
    if (height is None) != (width is None):
        own_height, own_width = _own_size(pipe) or (None, None)
        height, width = height or own_height, width or own_width
    return {"height": height, "width": width}


def _own_size(pipe: Any) -> tuple[int, int] | None:
    """Height and width of what a pipeline draws by itself, in pixels, as far as its network says."""
    network = getattr(pipe, "unet", None) or getattr(pipe, "transformer", None)
    size = None if network is None else network.config.get("sample_size")
    factor = getattr(pipe, "vae_scale_factor", 1)
    if isinstance(size, int):
        return size * factor, size * factor
    return (size[0] * factor, size[1] * factor) if isinstance(size, (list, tuple)) else None


def check_askable(pipes: Sequence[Any], prompts: Sequence[Prompt]) -> None:
    """Refuses pipelines that need something else than prompts have; warns of prompts that they do not read in full.

    Raises:
        ValueError: says what.
    """
    first, *others = pipes
    warn_of_cuts(first, (prompt.text for prompt in prompts))
    name, parameters = type(first).__name__, videos.call_parameters(first)
    if "prompt" not in parameters:
        _check_classes(first, prompts)
    for more in ("mask_image", "control_image", "video"):
        if more in parameters and parameters[more].default in (None, inspect.Parameter.empty):
            raise ValueError(f"{name} needs a {more}; only images from a prompt, or from one picture, are evaluated.")
    starts = [prompt.start is not None for prompt in prompts]
    if "image" in parameters and not all(starts):
        raise ValueError(f'{name} starts from a picture; give every prompt a "start".')
    if "image" not in parameters and any(starts):
        raise ValueError(f'{name} starts from no picture, but prompts have a "start".')
    if others and videos.draws_videos(first):
        raise ValueError(f"{name} generates videos, which no pipeline here goes on from.")
    for pipe in others:
        if not {"prompt", "image"} <= set(videos.call_parameters(pipe)):
            raise ValueError(f"{type(pipe).__name__} generates no images from an image and a prompt.")


def _check_classes(pipe: Any, prompts: Sequence[Prompt]) -> None:
    if "class_labels" not in videos.call_parameters(pipe):
        raise ValueError(f"{type(pipe).__name__} generates nothing from prompts or classes.")
    unknown = [prompt.text for prompt in prompts if prompt.text not in (pipe.labels or {})]
    if unknown:
        known = ", ".join(list(pipe.labels or {})[:3])
        raise ValueError(
            f"{type(pipe).__name__} knows no class {unknown[0]!r}; its prompts are classes, such as {known}."
        )

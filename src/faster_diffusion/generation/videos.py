"""Pipelines that generate videos: how they are asked for a number of frames, and how they give them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
from diffusers import TextToVideoZeroPipeline, UNet2DConditionModel
from diffusers.utils import numpy_to_pil
from PIL import Image

from ..models.layout import unwrap
from .progress import bar_config

_COUNTS = ("num_frames", "video_length")  # what pipelines call the number of frames


def draws_videos(pipe: Any) -> bool:
    """Whether a pipeline generates videos rather than images."""
    return not set(_COUNTS).isdisjoint(call_parameters(pipe))


def as_video_pipeline(pipe: Any) -> Any:
    """A pipeline that generates videos as it is; one that generates images as Text2Video-Zero, of the same parts.

    Raises:
        ValueError: it can be neither.
    """
    network = getattr(pipe, "unet", None)
    if network is None:
        raise ValueError(f"{type(pipe).__name__} has no UNet; this accelerates video pipelines that have one.")
    if draws_videos(pipe):
        return pipe
    if not isinstance(unwrap(network), UNet2DConditionModel):
        raise ValueError(f"{type(pipe).__name__} generates no videos.")
    made: Any = TextToVideoZeroPipeline.from_pipe(pipe, requires_safety_checker=False)
    made.set_progress_bar_config(**bar_config(pipe))
    return made


def own_frames(pipe: Any) -> int | None:
    """Frames of a video where a call does not say otherwise; none if only the call of a pipeline knows."""
    default = next(call_parameters(pipe)[name].default for name in _COUNTS if name in call_parameters(pipe))
    return default if isinstance(default, int) else None


def in_batches(pipe: Any) -> bool:
    """Whether a pipeline generates several videos, or images, at once. Text2Video-Zero generates one."""
    return "video_length" not in call_parameters(pipe)


def asked(pipe: Any, steps: int, frames: int | None) -> dict[str, Any]:
    """What a call of ``steps`` is given to generate videos of ``frames`` frames; of as many as it likes by default."""
    given: dict[str, Any] = {"output_type": "pil"}
    if frames is not None:
        given[next(name for name in _COUNTS if name in call_parameters(pipe))] = frames
    if {"t0", "t1"} <= set(
        call_parameters(pipe)
    ):  # where Text2Video-Zero moves its frames; its defaults are of 50 steps
        given |= {"t0": steps * 44 // 50, "t1": steps * 47 // 50}
    return given


def frames_of(output: Any) -> list[list[Image.Image]]:
    """The videos in what a call returned, each as its frames."""
    videos = output.frames if hasattr(output, "frames") else [output.images]
    return [
        list(video) if isinstance(video[0], Image.Image) else numpy_to_pil(np.stack(list(video))) for video in videos
    ]


def call_parameters(pipe: Any) -> Mapping[str, inspect.Parameter]:
    """What the call of a pipeline takes."""
    return inspect.signature(type(pipe).__call__).parameters

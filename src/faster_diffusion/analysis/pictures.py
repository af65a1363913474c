"""Features as pictures: their first three principal components as red, green and blue."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from PIL import Image
from torch.nn import functional as F

from .capture import Seen
from .former import HasStepIndices

SIDE = 64  # pixels of a picture; larger features are averaged down to it
STAGES = 12  # rows of pictures at most

Picture = np.ndarray  # (height, width, 3), values 0 to 1
Entry = TypeVar("Entry")


@dataclass(frozen=True)
class Pictures(HasStepIndices):
    """What the stages look like at some steps, the same colour meaning the same all along a stage's row.

    Of the last sample of a step, which with guidance is the one that has the prompt; of a video, the last frame.
    """

    step_indices: tuple[int, ...]
    stages: dict[str, list[Picture]]  # a picture a step
    decoded: list[Picture]  # the latent at each step, decoded; empty if the pipeline has no decoder of images
    image: Picture | None  # what the run came to

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {"step_indices": [*self.step_indices], "stages": [*self.stages]}


class PictureMeter:
    """A watcher that keeps features of one sample at a few steps, none larger than ``SIDE`` x ``SIDE``.

    Args:
        count: of steps, evenly spread over the run.
        stages: some of which are pictured if they are many.
        frames: dimension of the latent that counts the frames of a video.
    """

    def __init__(self, count: int, stages: Sequence[str], frames: int | None = None) -> None:
        self._count, self._frames = count, frames
        self._stages = set(_spread(stages, STAGES))
        self._steps: tuple[int, ...] = ()
        self._shape: tuple[int, int] = (1, 1)  # of the latent
        self._maps: dict[str, dict[int, torch.Tensor]] = defaultdict(dict)  # (C, height, width) by stage and step
        self._latents: dict[int, torch.Tensor] = {}

    def __call__(self, seen: Seen) -> None:
        """Takes note of what a stage gave."""
        if not self._steps:
            self._steps = tuple(_spread(range(seen.step, seen.steps), self._count))
        if seen.step not in self._steps:
            return
        if seen.role == "input":
            last = seen.features if self._frames is None else seen.features.select(self._frames, -1)
            self._shape = (last.shape[-2], last.shape[-1])
            self._latents[seen.step] = last[-1:].clone()
        elif seen.role != "reused" and seen.name in self._stages:
            features = _map(seen.features[-1], self._shape)
            if features is not None:
                self._maps[seen.name][seen.step] = _small(features.float()).cpu()

    def result(self, decode: Callable[[torch.Tensor], Picture] | None, image: Picture | None) -> Pictures:
        """The pictures of the run.

        Args:
            decode: from a latent (1, C, height, width).
            image: what the run came to.
        """
        steps = tuple(self._latents)
        stages = {name: rgb([by_step[step] for step in steps]) for name, by_step in self._maps.items()}
        return Pictures(steps, stages, [decode(self._latents[step]) for step in steps] if decode else [], image)


def rgb(maps: Sequence[torch.Tensor]) -> list[Picture]:
    """Features (C, height, width) of several steps as pictures, in colours fitted over all of them together.

    The first three principal components of the features of a pixel, each from its 1st to its 99th percentile.
    """
    pixels = torch.cat([features.flatten(1) for features in maps], dim=1).double()  # (C, steps * height * width)
    pixels = pixels - pixels.mean(1, keepdim=True)
    _, vectors = torch.linalg.eigh(pixels @ pixels.T)  # eigenvalues ascend
    axes = vectors[:, -3:].flip(1)
    axes = axes * axes.gather(0, axes.abs().argmax(0, keepdim=True)).sign()  # an axis has no sign of its own
    colours = F.pad(axes.T @ pixels, (0, 0, 0, 3 - axes.shape[1]))
    low, high = (np.percentile(colours, q, axis=1, keepdims=True) for q in (1, 99))
    scaled = np.clip((colours.numpy() - low) / np.where(high > low, high - low, 1), 0, 1)
    _, height, width = maps[0].shape
    return [np.moveaxis(part.reshape(3, height, width), 0, -1) for part in np.split(scaled, len(maps), axis=1)]


def decoder_of(pipe: Any) -> Callable[[torch.Tensor], Picture] | None:
    """How a pipeline's latents (1, C, height, width) become pictures, if it has one of the usual autoencoders."""
    vae = getattr(pipe, "vae", None)
    if not isinstance(vae, AutoencoderKL | AutoencoderTiny):
        return None

    half = vae.config.get("force_upcast") and vae.dtype == torch.float16  # in which it overflows

    @torch.no_grad()
    def decode(latent: torch.Tensor) -> Picture:
        if half:
            vae.to(torch.float32)
        scaled = latent[:, : vae.config.latent_channels].to(vae.device, vae.dtype) / vae.config.scaling_factor
        picture = as_picture(vae.decode(scaled + (vae.config.get("shift_factor") or 0)).sample[0])
        if half:
            vae.to(torch.float16)
        return picture

    return decode


def as_picture(values: torch.Tensor) -> Picture:
    """Values from -1 to 1 of shape (1 or 3, height, width)."""
    picture: Picture = (values.float().cpu() / 2 + 0.5).clamp(0, 1).expand(3, -1, -1).permute(1, 2, 0).numpy()
    return picture


def image_of(output: Any) -> Picture | None:
    """The first image of what a pipeline returned, or the last frame of the first video, if it returned any."""
    made = getattr(output, "images", None)
    if made is None and getattr(output, "frames", None) is not None:
        made = [output.frames[0][-1]]
    if made is None or not len(made):
        return None
    first = made[0]
    if isinstance(first, Image.Image):
        return np.asarray(first.convert("RGB")) / 255
    return first if isinstance(first, np.ndarray) and first.ndim == 3 and first.shape[-1] == 3 else None


def _map(row: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor | None:
    """A sample's features as (C, height, width), where ``shape`` tells height and width of the latent.

    Tokens (N, C) are put back into rows; ``None`` if they do not fill a rectangle of that shape.
    """
    if row.ndim != 2:
        return row if row.ndim == 3 else None
    height = round((len(row) * shape[0] / shape[1]) ** 0.5)
    return row.T.unflatten(1, (height, -1)) if height and len(row) % height == 0 else None


def _small(features: torch.Tensor) -> torch.Tensor:
    height, width = features.shape[1:]
    return F.adaptive_avg_pool2d(features, (min(height, SIDE), min(width, SIDE)))


def _spread(entries: Sequence[Entry], most: int) -> list[Entry]:
    """``most`` of them, evenly spread, the first and the last included."""
    places = np.linspace(0, len(entries) - 1, min(most, len(entries)))
    return [entries[round(place)] for place in places]

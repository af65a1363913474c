"""Images of a user's own prompts: a seed an image, so that an image does not depend on its batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from PIL import Image

from ..models import schedulers
from .errors import InputError
from .steering import Steering


@dataclass(frozen=True)
class Request:
    """One image to be sampled."""

    prompt: str
    seed: int


@dataclass(frozen=True)
class RequestSettings:
    """What all images of a call share."""

    steps: int
    guidance: float
    negative: str | None = None
    height: int | None = None
    width: int | None = None
    steering: Steering = field(default_factory=Steering)

    def to_dict(self) -> dict[str, Any]:
        """For the record in a picture."""
        own = {name: value for name, value in vars(self).items() if name != "steering"}
        return {**own, **self.steering.to_dict()}


def requests(prompts: Sequence[str], per_prompt: int, seed: int) -> list[Request]:
    """Consecutive seeds, prompt by prompt."""
    wanted = [prompt for prompt in prompts for _ in range(per_prompt)]
    return [Request(prompt, seed + number) for number, prompt in enumerate(wanted)]


def sample(pipe: Any, wanted: Sequence[Request], settings: RequestSettings, batch_size: int) -> list[Image.Image]:
    """The images, `batch_size` at a time, each from a generator of its own."""
    images: list[Image.Image] = []
    for start in range(0, len(wanted), batch_size):
        batch = wanted[start : start + batch_size]
        negative = None if settings.negative is None else [settings.negative] * len(batch)
        size = {} if settings.steering.image else {"height": settings.height, "width": settings.width}
        output = pipe(
            prompt=[request.prompt for request in batch],
            negative_prompt=negative,
            num_inference_steps=settings.steps,
            guidance_scale=settings.guidance,
            # On the CPU, so that a seed means the same image on every device.
            generator=[torch.Generator("cpu").manual_seed(request.seed) for request in batch],
            **{name: value for name, value in size.items() if value is not None},
            **_pictures(pipe, settings, len(batch)),
        )
        images += output.images
    return images


def _pictures(pipe: Any, settings: RequestSettings, count: int) -> dict[str, Any]:
    """The pictures that steer ``count`` images, in their size, which by default is the model's own."""
    if not settings.steering.has_pictures:
        return {}
    own = pipe.unet.config.sample_size * getattr(pipe, "vae_scale_factor", 1)
    return settings.steering.arguments(pipe, count, (settings.width or own, settings.height or own))


def check_size(pipe: Any, sizes: Mapping[str, int | None]) -> None:
    """Refuses a height or width in pixels that the model has no latents for.

    Args:
        sizes: by what to call them.

    Raises:
        InputError: with the nearest size that works.
    """
    factor = max(8, getattr(pipe, "vae_scale_factor", 8))  # diffusers asks for 8 even where the VAE does not
    for name, size in sizes.items():
        if size is not None and (size < factor or size % factor):
            nearest = max(factor, round(size / factor) * factor)
            raise InputError(f"{name} {size} is not a multiple of {factor}; the nearest that is: {nearest}.")


def network_calls(scheduler: Any, steps: int) -> int:
    """How many orders a run of `steps` has; see `schedulers.network_calls`.

    Raises:
        ValueError: the scheduler has no such run.
    """
    try:
        return schedulers.network_calls(scheduler, steps)
    except (ValueError, IndexError, ZeroDivisionError) as error:
        raise ValueError(f"{type(scheduler).__name__} cannot run {steps} steps: {error}") from error

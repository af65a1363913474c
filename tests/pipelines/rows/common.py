"""What the rows of the table share: the row itself, and toys to build pipelines from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers import StableDiffusionPipeline

from tests import toys

STEPS = 10
FRAMES = 3  # of a video


@dataclass(frozen=True)
class Row:
    """A pipeline of the table."""

    name: str
    build: Callable[[], Any]
    inputs: Callable[[int], dict[str, Any]]  # number of images -> arguments of the call
    first: int = 0  # the orders that a call runs through: first <= order < last
    last: int = STEPS
    call: dict[str, Any] = field(default_factory=dict)

    def pipe(self) -> Any:
        pipe = self.build()
        pipe.set_progress_bar_config(disable=True)
        return pipe

    def network(self, pipe: Any) -> Any:
        return pipe.components.get("unet") or pipe.transformer

    def sample(self, pipe: Any, n: int = 1, **call: Any) -> torch.Tensor:
        """The images or latents of ``n`` images as one tensor."""
        torch.manual_seed(0)  # some pipelines encode their condition without the generator
        defaults = {
            "num_inference_steps": STEPS,
            "output_type": "latent",
            "generator": [torch.Generator().manual_seed(3 + i) for i in range(n)],
        }
        return torch.as_tensor(pipe(**{**defaults, **self.inputs(n), **self.call, **call}, return_dict=False)[0])


def image(n: int, size: int = 32, channels: int = 3) -> torch.Tensor:
    return torch.rand((n, channels, size, size), generator=torch.Generator().manual_seed(11))


def right_half(n: int) -> torch.Tensor:
    mask = torch.zeros(n, 1, 32, 32)
    mask[..., 16:] = 1
    return mask


def stable_diffusion(cls: type = StableDiffusionPipeline, *, unet: dict[str, Any] | None = None, **more: Any) -> Any:
    """A pipeline of the Stable Diffusion kind around the toy components."""
    base = toys.stable_diffusion(toys.unet(**(unet or {})))
    return cls(**{**base.components, **more}, requires_safety_checker=False)

"""What the rows of the table share: the row itself, and toys to build pipelines from."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from diffusers import StableDiffusionPipeline
from transformers import CLIPTokenizer

from specimens import toys

STEPS = 8
LATE = 2  # the first order of a pipeline that changes an image ...
STRENGTH = 1 - LATE / STEPS  # ... as strongly as this
FRAMES = 3  # of a video

# In double precision rounding is so small that nothing discontinuous shows it. Text encoders of transformers 4 do not
# run in it: their causal mask overflows.
DOUBLE = torch.float32 if version("transformers").startswith("4.") else torch.float64


@dataclass(frozen=True)
class Row:
    """A pipeline of the table."""

    name: str
    build: Callable[[], Any]
    inputs: Callable[[int], dict[str, Any]]  # number of images -> arguments of the call
    first: int = 0  # the orders that a call runs through: first <= order < last
    last: int = STEPS
    passes: tuple[tuple[int, int], ...] = ()  # (first, last) of each, where a call runs through orders again
    alone: bool = False  # steps are decoded one by one, since attention mixes the batch
    call: dict[str, Any] = field(default_factory=dict)
    unguided: dict[str, Any] = field(default_factory=dict)  # arguments that differ where the guidance scale is 1
    single: str = ""  # why a call makes one image only
    dtype: torch.dtype = DOUBLE
    twin_differs: str = ""  # why FLOPs counted on a network made from the config are not those of the pipeline's

    def pipe(self) -> Any:
        pipe = self.build().to(self.dtype)
        pipe.set_progress_bar_config(disable=True)
        return pipe

    def network_calls(self, keys: list[int]) -> list[tuple[int, bool]]:
        """Of every network call in a call with these key steps: its order, and whether it is computed in full."""
        return [
            (order, order == first or order in keys)
            for first, last in self.passes or ((self.first, self.last),)
            for order in range(first, last)
        ]

    def computed(self, keys: list[int]) -> list[int]:
        """The orders of the network calls that are computed in full in a call with these key steps."""
        return [order for order, key in self.network_calls(keys) if key]

    @property
    def steps(self) -> int:
        return len(self.network_calls([]))

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


def frames(n: int, size: int = 32) -> list[list[torch.Tensor]]:
    """``n`` videos."""
    return [list(video) for video in image(n * FRAMES, size).unflatten(0, (n, FRAMES))]


def right_half(n: int) -> torch.Tensor:
    mask = torch.zeros(n, 1, 32, 32)
    mask[..., 16:] = 1
    return mask


@cache
def tokenizer() -> CLIPTokenizer:
    """A tokenizer of single letters; from files, which is how every release of transformers takes one."""
    letters = [chr(number) for number in range(ord("a"), ord("z") + 1)]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    with TemporaryDirectory() as folder:
        Path(folder, "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
        Path(folder, "merges.txt").write_text("#version: 0.2\n")
        return CLIPTokenizer.from_pretrained(folder, model_max_length=16)


def stable_diffusion(cls: type = StableDiffusionPipeline, *, unet: dict[str, Any] | None = None, **more: Any) -> Any:
    """A pipeline of the Stable Diffusion kind around the toy components."""
    base = toys.stable_diffusion(toys.unet(**(unet or {})))
    return cls(**{**base.components, **more}, requires_safety_checker=False)

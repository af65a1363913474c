"""What an architecture is: the configs of its parts, and what its pipeline is called with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import diffusers
import torch
import transformers
from torch import nn

Size = tuple[int, int]  # height and width in pixels


@dataclass(frozen=True)
class Part:
    """A component of a pipeline: a class of diffusers or transformers, and its config."""

    cls: str
    config: Mapping[str, Any]

    def make(self) -> Any:
        """One with random weights, in the default precision and on the default device."""
        cls = getattr(diffusers, self.cls, None) or getattr(transformers, self.cls)
        if issubclass(cls, transformers.PreTrainedModel):
            return cls(cls.config_class(**self.config))
        return cls(**self.config)

    def but(self, **config: Any) -> Part:
        """The same with other values in its config."""
        return replace(self, config={**self.config, **config})


@dataclass(frozen=True)
class Architecture:
    """A pipeline without its text encoders, which are asked once an image: it takes embeddings instead.

    ``inputs`` gives the arguments of a call from batch and size; its tensors are in single precision, on the CPU.
    """

    title: str
    pipeline: str  # a class of diffusers
    parts: Mapping[str, Part | None]
    inputs: Callable[[int, Size], Mapping[str, Any]]
    size: Size
    steps: int  # in the paper where it has the model, else in the model's own documentation
    guidance: float
    guidance_argument: str = "guidance_scale"
    options: Mapping[str, Any] = field(default_factory=dict)  # of the pipeline's constructor
    latents: bool = True  # whether the pipeline can leave out its VAE

    @property
    def has_vae(self) -> bool:
        """Whether a pipeline of it decodes latents."""
        return "vae" in self.parts

    def network(self, size: Size | None = None) -> Part:
        """The network that runs at every step."""
        unet = self.parts.get("unet")
        if unet is not None:
            return unet
        transformer = self.parts["transformer"]
        assert transformer is not None
        side = (size or self.size)[0] // 8
        return transformer.but(sample_size=side)  # the positions it knows are those of one size

    def build(self, dtype: torch.dtype, device: str, size: Size) -> Any:
        """The pipeline with random weights, made in the precision and on the device where it will run."""
        network = "unet" if "unet" in self.parts else "transformer"
        parts = {**self.parts, network: self.network(size)}
        made = {name: None if part is None else _make(part, dtype, device) for name, part in parts.items()}
        pipe = getattr(diffusers, self.pipeline)(**made, **self.options)
        return pipe.to(device)


def _make(part: Part, dtype: torch.dtype, device: str) -> Any:
    if "Scheduler" in part.cls or "Processor" in part.cls:
        return part.make()
    torch.manual_seed(0)
    with torch.device(device), _default(dtype):
        module: nn.Module = part.make()
    return module.eval()


@contextmanager
def _default(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def embeddings(batch: int, width: int, tokens: int = 77) -> dict[str, torch.Tensor]:
    """What a text encoder could make of a prompt and a negative prompt: (batch, tokens, width) each."""
    generator = torch.Generator().manual_seed(0)
    prompt, negative = torch.randn((2, tokens, width), generator=generator)
    return {"prompt_embeds": prompt.repeat(batch, 1, 1), "negative_prompt_embeds": negative.repeat(batch, 1, 1)}


def picture(batch: int, size: Size) -> torch.Tensor:
    """Pictures of noise, (batch, 3, height, width) in [0, 1]."""
    return torch.rand((1, 3, *size), generator=torch.Generator().manual_seed(1)).repeat(batch, 1, 1, 1)

"""What a class of networks is made of, and what the library has to know of it: one record a class."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

Config = Mapping[str, Any]
Inputs = Callable[[Config, int, int, int, int], dict[str, Any]]  # of config, batch, height, width, frames


@dataclass(frozen=True)
class Layout:
    """One class of networks. The records are in `unets` and `transformers`.

    Attributes of the network are named in the order in which they run; one that is a ``ModuleList`` is as many stages
    as it has entries. ``encoder`` ends with the last stage that is reused on a non-key step (the bottleneck included);
    ``decoder`` runs at every step; what is in neither (embeddings, output head) is cheap and runs at every step.
    """

    encoder: tuple[str, ...]
    decoder: tuple[str, ...]
    split: float = 0  # fraction of the entries that an attribute in both has in the encoder
    sample: str = "sample"  # argument with the latent
    entrances: tuple[str, ...] = ()  # stages that take arguments of the network; by default the first
    changed: tuple[str, ...] = ()  # stages whose output the network changes in place
    joins: bool = False  # the network joins skip features to the decoder's input itself, outside of stages
    residuals: tuple[str, ...] = ()  # arguments added to the encoder's output (ControlNet): kept with it
    encoder_inputs: tuple[str, ...] = ()  # arguments that encoder stages take in (T2I-Adapter): not read later
    shared: tuple[str, ...] = ()  # arguments without a row for each sample
    frames: int | None = None  # dimension of the sample that counts the frames of a video
    conditional: int = 1  # which half of a guided batch has the prompt
    levels: str = "down_blocks"  # the part of the encoder whose entries hand skip features to the decoder, if any does
    paper: str | None = None  # key steps that "paper" means for it, where they are not those of Stable Diffusion
    noise_harms: bool = False  # prior noise takes its images away from the baseline's without mending anything
    inputs: Inputs | None = None  # what it is called with besides latent and timestep, as tensors without data


# Classes that only call what they have under an attribute.
_WRAPPERS = {
    "torch.OptimizedModule": "_orig_mod",
    "torch.DataParallel": "module",
    "torch.DistributedDataParallel": "module",
    "peft.PeftModel": "base_model",
    "peft.PeftMixedModel": "base_model",
    "peft.BaseTuner": "model",
}


def unwrap(network: nn.Module) -> nn.Module:
    """The network itself, if ``torch.compile(network)``, PEFT or ``DataParallel`` was put around it."""
    *_, innermost = wrappers(network)
    return innermost


def wrappers(network: nn.Module) -> Iterator[nn.Module]:
    """What was put around a network, from the outside, and the network itself at last."""
    inner: Any = network
    while isinstance(inner, nn.Module):
        network = inner
        yield network
        names = {f"{cls.__module__.partition('.')[0]}.{cls.__name__}" for cls in type(network).__mro__}
        found = next((attribute for name, attribute in _WRAPPERS.items() if name in names), None)
        inner = getattr(network, found) if found is not None else None


def meta(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """A tensor without data."""
    return torch.empty(shape, dtype=dtype, device="meta")


def flat(widths: Any) -> list[int]:
    """All widths of a config that has one, or one for each block or each attention layer of it, or none for some."""
    return (
        [widths]
        if isinstance(widths, int)
        else [entry for width in widths if width is not None for entry in flat(width)]
    )


TEXT_TOKENS = 77  # what CLIP's text encoder gives for any prompt
SIZES = 6  # original, crop and target: a height and a width each

"""Classes of pipelines of which something has to be known: one record a class, and nothing anywhere else."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from . import rows
from .rows import Rows

Timesteps = Callable[[Any], torch.Tensor]  # of a scheduler

_MAPS = "it reads the attention maps of the whole network at every step, and a reused encoder has none"
_SIGMA = "its network is given a noise level instead of a timestep of the scheduler, so that no step can be told"
_AT_ONCE = "it calls its network on many timesteps at once, so that no step can be told"
_OTHER_SAMPLER = (
    "its sampler is k-diffusion's, which does not go by the scheduler's timesteps, so that no step can be told"
)
_STATES = "it swaps the scheduler's state for every part of the image, so that no step can be told"


@dataclass(frozen=True)
class Traits:
    """What is special about a class of pipelines; what is not said is as with Stable Diffusion."""

    paper: str | None = None  # key steps that "paper" means for it
    noise_harms: bool = False  # prior noise takes its images away from the baseline's without mending anything
    timesteps: Timesteps | None = None  # what its network is given for the scheduler's timesteps, shape (n,)
    rows: Rows | None = None  # of the batch of its network, where its attributes do not tell
    refused: str | None = None  # why it cannot be accelerated
    off: tuple[str, ...] = ()  # arguments of its call that have to be off ...
    why_off: str = ""  # ... and why


def quarter_log_sigma(scheduler: Any) -> torch.Tensor:
    """c_noise = log(sigma) / 4 of every step (Table 1 of arXiv 2206.00364), shape (n,).

    One by one: the logarithm of all together may differ in the last bit from what a sampling loop computes.
    """
    steps = len(scheduler.timesteps)
    return torch.stack([torch.log(sigma) * 0.25 for sigma in scheduler.sigmas[:steps]])


# Prior noise does harm to pixels, which no autoencoder smooths: docs/paper.md.
_IF_1 = Traits(paper="100ls", noise_harms=True)
_IF_2 = Traits(paper="s2", noise_harms=True)
_MASKED = Traits(rows=Rows.OTHER, off=("use_intersect_mask", "use_cross_attn_mask"), why_off=_MAPS)

# Holds for classes that inherit from these as well.
PIPELINES: dict[str, Traits] = {
    "IFPipeline": _IF_1,
    "IFImg2ImgPipeline": _IF_1,
    "IFInpaintingPipeline": _IF_1,
    "IFSuperResolutionPipeline": _IF_2,
    "IFImg2ImgSuperResolutionPipeline": _IF_2,
    "IFInpaintingSuperResolutionPipeline": _IF_2,
    "StableDiffusionUpscalePipeline": Traits(paper="75ls2"),
    "StableDiffusionLatentUpscalePipeline": Traits(timesteps=quarter_log_sigma),
    "LEditsPPPipelineStableDiffusion": _MASKED,
    "LEditsPPPipelineStableDiffusionXL": _MASKED,
    "SemanticStableDiffusionPipeline": Traits(rows=Rows.OTHER),  # and one for every edit
    "StableDiffusionInstructPix2PixPipeline": Traits(rows=Rows.OTHER),  # and one without the picture
    "StableDiffusionXLInstructPix2PixPipeline": Traits(rows=Rows.OTHER),
    "ScoreSdeVePipeline": Traits(refused=_SIGMA),
    "KarrasVePipeline": Traits(refused=_SIGMA),
    "StableDiffusionAttendAndExcitePipeline": Traits(refused=_MAPS),
    "StableDiffusionKDiffusionPipeline": Traits(refused=_OTHER_SAMPLER),
    "StableDiffusionXLKDiffusionPipeline": Traits(refused=_OTHER_SAMPLER),
    "StableDiffusionParadigmsPipeline": Traits(refused=_AT_ONCE),
    "StableDiffusionPanoramaPipeline": Traits(refused=_STATES),
    "StableDiffusionPix2PixZeroPipeline": Traits(refused=_MAPS),
    "StableDiffusionSAGPipeline": Traits(refused=_MAPS),
}


def traits_of(cls: type) -> Traits:
    """What is known of a class of pipelines, or of the nearest one that it inherits from."""
    return next((PIPELINES[base.__name__] for base in cls.__mro__ if base.__name__ in PIPELINES), Traits())


def network_of(pipe: Any) -> nn.Module:
    """The network that a pipeline calls at every step: its UNet, or its transformer.

    Raises:
        ValueError: it has neither.
    """
    for name in ("unet", "transformer"):
        network = getattr(pipe, name, None)
        if isinstance(network, nn.Module):
            return network
    raise ValueError(f"{type(pipe).__name__} has neither UNet nor transformer.")


def networks_of(pipe: Any) -> list[nn.Module]:
    """That network, and the one that controls it if there is one."""
    control = getattr(pipe, "controlnet", None)
    return [network_of(pipe), *([control] if isinstance(control, nn.Module) else [])]


def inputs_of(pipe: Any) -> Callable[[], torch.Tensor] | None:
    """What gives the inputs of the network of ``pipe`` for its scheduler's timesteps; ``None`` if they are those."""
    timesteps = traits_of(type(pipe)).timesteps
    return (lambda: timesteps(pipe.scheduler)) if timesteps else None


def rows_of(pipe: Any) -> Rows | None:
    """What the rows of the batch of the network of ``pipe`` are in the call under way, as far as it says."""
    return rows.rows_of(pipe, traits_of(type(pipe)).rows)


def refuse(cls: type) -> None:
    """Raises ``ValueError`` for a class of pipelines that cannot be accelerated."""
    reason = traits_of(cls).refused
    if reason is not None:
        raise ValueError(f"{cls.__name__} cannot be accelerated: {reason}.")


def refuse_call(pipe: Any, call: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """Raises ``ValueError`` for a ``call`` of an enabled pipeline with arguments that cannot be accelerated."""
    traits = traits_of(type(pipe))
    if not traits.off:
        return
    bound = inspect.signature(call).bind(pipe, *args, **kwargs)
    bound.apply_defaults()
    if any(bound.arguments[name] for name in traits.off):
        off = ", ".join(f"{name}=False" for name in traits.off)
        raise ValueError(
            f"This call of {type(pipe).__name__} cannot be accelerated: {traits.why_off}. "
            f"Pass {off}, or fd.disable(pipe)."
        )

"""A case's pipeline, and the call of it that is measured."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import DiffusionPipeline
from torch import nn

from .. import demo
from ..models.pipelines import network_of
from .architectures import ARCHITECTURES, Architecture, Size
from .architectures.architecture import picture
from .cases import Case


@dataclass(frozen=True)
class Prepared:
    """A pipeline on its device, and the arguments of a call but for steps and noise."""

    pipe: Any
    network: nn.Module  # what runs at every step
    call: Mapping[str, Any]
    batch: int

    def sample(self, steps: int) -> None:
        """One call, from the same noise every time."""
        generators = [torch.Generator("cpu").manual_seed(number) for number in range(self.batch)]
        self.pipe(**self.call, num_inference_steps=steps, generator=generators)


def prepare(case: Case) -> Prepared:
    """Builds or loads the pipeline of a case.

    Raises:
        ValueError: it has no network that runs at every step, or needs more than a prompt or a class.
    """
    dtype = getattr(torch, case.dtype)
    known = ARCHITECTURES.get(case.model)
    if known is not None:
        pipe = known.build(dtype, case.device, case.size or known.size)
        call = _call_of_known(known, case, dtype)
    else:
        load = demo.load if case.model in demo.available() else DiffusionPipeline.from_pretrained
        pipe = load(case.model, torch_dtype=dtype).to(case.device)
        call = _call_of_any(pipe, case)
    pipe.set_progress_bar_config(disable=True)
    vae: Any = getattr(pipe, "vae", None)
    if case.batch > 1 and hasattr(vae, "use_slicing"):
        vae.enable_slicing()  # one image after another, so that the peak of memory is the network's
    if not case.vae and vae is not None:
        call["output_type"] = "latent"
    return Prepared(pipe, network_of(pipe), call, case.batch)


def _call_of_known(known: Architecture, case: Case, dtype: torch.dtype) -> dict[str, Any]:
    inputs = known.inputs(case.batch, case.size or known.size)
    if case.guidance <= 1:
        inputs = {name: value for name, value in inputs.items() if not name.startswith("negative_")}
    placed = {
        name: value.to(case.device, dtype) if isinstance(value, torch.Tensor) and name != "image" else value
        for name, value in inputs.items()  # a picture is the pipeline's to convert
    }
    return {**placed, known.guidance_argument: case.guidance}


def _call_of_any(pipe: Any, case: Case) -> dict[str, Any]:
    """What a pipeline that was loaded takes: prompts or classes, a picture for its ControlNet, a size."""
    takes = inspect.signature(type(pipe).__call__).parameters
    call: dict[str, Any] = {"guidance_scale": case.guidance} if "guidance_scale" in takes else {}
    if case.size is not None:
        call |= {name: value for name, value in zip(("height", "width"), case.size, strict=True) if name in takes}
    if "prompt" in takes:
        call["prompt"] = demo.prompts(case.batch)
    elif "class_labels" in takes:
        call["class_labels"] = list(range(case.batch))
    else:
        call["batch_size"] = case.batch
    if pipe.components.get("controlnet") is not None:
        call["image"] = picture(case.batch, case.size or _own_size(pipe))
    missing = [name for name, p in takes.items() if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    missing = [name for name in missing[1:] if name not in call]
    if missing:
        raise ValueError(f"{type(pipe).__name__} needs {', '.join(missing)}; bench gives it prompts or classes only.")
    return call


def _own_size(pipe: Any) -> Size:
    side = pipe.unet.config.sample_size * pipe.vae_scale_factor
    return side, side

"""LEDITS++ without attention masks: edits a picture that was inverted before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from diffusers import (
    DPMSolverMultistepScheduler,
    LEditsPPPipelineStableDiffusion,
    LEditsPPPipelineStableDiffusionXL,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from specimens import toys

from .common import STEPS, Row, image, tokenizer
from .xl import POOLED, XL

SKIPPED = 2  # first steps that an inversion leaves out
INVERTED = ("init_latents", "zs", "batch_size", "inversion_steps", "size")  # where a pipeline keeps an inversion


@dataclass(frozen=True)
class Edit(Row):
    """A call starts from what an inversion left in the pipeline; that is kept, as it runs the network itself."""

    def pipe(self) -> Any:
        pipe = super().pipe()
        pipe.inversions = {n: inversion(pipe, n) for n in ((1,) if self.single else (1, 2))}
        return pipe

    def sample(self, pipe: Any, n: int = 1, **call: Any) -> torch.Tensor:
        for name, value in pipe.inversions[n].items():
            setattr(pipe, name, value)
        edit = {"editing_prompt": ["hat"], "edit_warmup_steps": 1, "output_type": "latent", **self.call, **call}
        return pipe(**edit, return_dict=False)[0]


def inversion(pipe: Any, n: int) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(3)
    kept = STEPS - SKIPPED
    pipe.invert(image=image(n), num_inversion_steps=kept, skip=SKIPPED / kept, generator=generator)
    return {name: getattr(pipe, name) for name in INVERTED if hasattr(pipe, name)}


def scheduler() -> Any:
    """The one that LEDITS++ inverts with."""
    config = {name: toys.SCHEDULER[name] for name in ("beta_start", "beta_end", "beta_schedule", "steps_offset")}
    return DPMSolverMultistepScheduler(**config, algorithm_type="sde-dpmsolver++", solver_order=2)


def ledits() -> Any:
    parts = toys.stable_diffusion().components
    names = ("vae", "text_encoder", "unet", "safety_checker", "feature_extractor")
    return LEditsPPPipelineStableDiffusion(
        **{name: parts[name] for name in names},
        scheduler=scheduler(),
        tokenizer=tokenizer(),
        requires_safety_checker=False,
    )


def ledits_xl() -> Any:
    torch.manual_seed(2)
    size = {"hidden_size": toys.TEXT[-1] // 2, "intermediate_size": 16, "num_attention_heads": 2}
    text = CLIPTextConfig(**size, num_hidden_layers=2, vocab_size=100, projection_dim=POOLED, eos_token_id=53)
    return LEditsPPPipelineStableDiffusionXL(
        vae=toys.vae(),
        text_encoder=CLIPTextModel(text).eval(),
        text_encoder_2=CLIPTextModelWithProjection(text).eval(),
        tokenizer=tokenizer(),
        tokenizer_2=tokenizer(),
        unet=toys.unet(**XL),
        scheduler=scheduler(),
    )


ROWS = [
    Edit("ledits", ledits, lambda n: {}, first=SKIPPED, call={"use_intersect_mask": False}),
    Edit("ledits-xl", ledits_xl, lambda n: {}, first=SKIPPED, single="diffusers gives the network the sizes of one"),
]

"""A tiny pipeline that reads letters, and what it is evaluated on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diffusers import StableDiffusionPipeline

from faster_diffusion.arms import Arm
from faster_diffusion.evaluation import Evaluation, Judges, evaluate
from faster_diffusion.generation.prompts import Prompt
from faster_diffusion.generation.sampling import Settings
from specimens import toys

ARMS = ("all", "paper", "dpm++:4", Arm.parse("steps:12", "finer"))
PROMPTS = [Prompt(letter, 10 + number) for number, letter in enumerate("abc")]
SETTINGS = Settings(steps=(8,), guidance=3.0, batch_size=2)
JUDGES = Judges(references=("finer",), features="scenes")


def pipeline() -> StableDiffusionPipeline:
    """32x32 pixels."""
    attended, plain = ("CrossAttnDownBlock2D", "CrossAttnUpBlock2D"), ("DownBlock2D", "UpBlock2D")
    down, up = zip(attended, plain, strict=True)
    levels = {"block_out_channels": (8, 8), "down_block_types": down, "up_block_types": up[::-1]}
    pipe = toys.stable_diffusion(toys.unet(**levels))
    pipe.register_modules(tokenizer=toys.tokenizer())
    return pipe


def run(folder: Path, **changes: Any) -> Evaluation:
    """The evaluation of all that, unless told otherwise."""
    given = {"pipe": pipeline(), "arms": ARMS, "prompts": PROMPTS, "settings": SETTINGS, "judges": JUDGES}
    return evaluate(**{**given, "name": "tiny", "reports": False, **changes}, out=folder)

"""`faster-diffusion demo`: the embedded model, original and accelerated, in one picture with the time saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Annotated

import typer
from PIL import Image

from . import options, outputs
from .errors import one_line

if TYPE_CHECKING:
    from ..generation.prompts import Prompt

ROUNDS = 3


@dataclass(frozen=True)
class Agreement:
    """How many images show what their prompt asks for, as read from their pixels; and their mean CLIP score."""

    obeyed: int
    of: int
    clip_score: float

    def __str__(self) -> str:
        return f"prompt accuracy {self.obeyed} of {self.of}, CLIP score {self.clip_score:.3f}"


@one_line
def demo(
    steps: Annotated[int, typer.Option(min=1, help="Sampling steps (DDIM).")] = 50,
    prompts: Annotated[int, typer.Option(min=1, help="How many prompts.")] = 6,
    seed: Annotated[int, typer.Option(min=0, help="Chooses the prompts and the noise.")] = 0,
    key_steps: options.KeyStepsOption = "paper",
    parallel: options.ParallelOption = True,
    prior_noise: options.PriorNoiseOption = True,
    out: Annotated[Path, typer.Option(help="The picture to write.")] = Path("demo.png"),
    device: options.DeviceOption = None,
) -> None:
    """Samples the embedded model, original and accelerated from the same seeds, and shows both side by side."""
    from ..generation import images

    images.check_format(out)
    outputs.hold_file(out)

    from .. import demo as embedded
    from ..arms import Arm
    from ..generation import checks, comparison, loading
    from ..generation.prompts import numbered
    from ..generation.sampling import Settings

    acceleration = options.Acceleration(key_steps, parallel, prior_noise)
    pipe = loading.load("scenes", device=device)
    acceleration.orders(checks.network_calls(pipe.scheduler, steps))
    wanted = numbered(embedded.prompts(prompts, seed), seed=seed)
    settings = Settings((steps,), embedded.GUIDANCE_SCALE, batch_size=prompts)
    both = comparison.compare(pipe, Arm(propagation=acceleration.config()), wanted, settings, ROUNDS)
    agreements = {
        "original": _agreement(both.original, both.wanted),
        "accelerated": _agreement(both.accelerated, both.wanted),
    }

    typer.echo(both.speed())
    typer.echo(both.fidelity())
    for name, agreement in agreements.items():
        typer.echo(f"{name.capitalize()}: {agreement}")
    shown = {
        "model": "scenes",
        "steps": steps,
        "guidance": settings.guidance,
        "seed": seed,
        "acceleration": asdict(acceleration),
        "original_time": both.original_time.to_dict(),
        "accelerated_time": both.accelerated_time.to_dict(),
        "psnr": [None if psnr == float("inf") else psnr for psnr in both.psnr],  # none: identical
        "agreement": {name: asdict(agreement) for name, agreement in agreements.items()},
    }
    images.save(both.sheet(f"scenes, {type(pipe.scheduler).__name__}, {steps} steps"), out, shown)
    typer.echo(f"Picture: {out}")


def _agreement(pictures: Sequence[Image.Image], wanted: Sequence[Prompt]) -> Agreement:
    from .. import demo as embedded
    from ..demo import recognise

    prompts = [prompt.text for prompt in wanted]
    obeyed = sum(recognise.obeys(picture, prompt).all_right for picture, prompt in zip(pictures, prompts, strict=True))
    return Agreement(obeyed, len(prompts), fmean(embedded.clip_score(list(pictures), prompts)))

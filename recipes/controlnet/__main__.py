"""`python -m recipes.controlnet canny` (or scribble) trains, packs and measures a ControlNet of the scenes model."""

from __future__ import annotations

import argparse
import json
from functools import cache
from pathlib import Path

import torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusionControlNetPipeline

from faster_diffusion import demo
from faster_diffusion.demo.scenes import caption

from ..scenes import unet, vae
from ..scenes.data import Pool, make_held_out, make_pool
from ..training import begin, kept
from . import control
from .conditions import CONDITIONS
from .describe import table, write_card
from .evaluate import evaluate, follow, sample, show

HERE = Path(__file__).parent
PACKAGED = HERE.parents[1] / "src/faster_diffusion/demo/models"


@cache
def base():
    """The frozen model."""
    return demo.load("scenes")


@cache
def pool() -> Pool:
    """The pictures that the scenes model was trained on."""
    return make_pool()


def controlled(network) -> StableDiffusionControlNetPipeline:
    """The scenes pipeline with a control network."""
    return StableDiffusionControlNetPipeline(**base().components, controlnet=network, requires_safety_checker=False)


def fit(options: argparse.Namespace) -> None:
    """Train. Now and then it samples held-out scenes, so that a run gone wrong is seen early."""
    latents = kept(options.runs / "latents.pt", lambda: vae.encode(base().vae, pool().pictures))
    latents = latents * base().vae.config.scaling_factor

    def watch(step: int, network) -> None:
        if step % 500 == 0:
            few = make_held_out(20, seed=6)
            pipe = controlled(network)
            pipe.scheduler = DPMSolverMultistepScheduler.from_config(pipe.scheduler.config)
            pipe.set_progress_bar_config(disable=True)
            shown = show(few, options.kind, seed=6)
            found = follow(sample(pipe, [caption(scene) for scene in few.scenes], shown, steps=12), few)
            with (options.runs / f"{options.kind}.watch.jsonl").open("a") as file:
                file.write(json.dumps({"step": step, **found}) + "\n")

    control.fit(base(), pool(), latents, unet.training_tokens(pool()), options.kind, options.runs, watch=watch)


def pack(options: argparse.Namespace) -> None:
    """Write the packaged folder from the checkpoint, in half precision."""
    folder = options.out / f"scenes-{options.kind}"
    network = control.load(base(), options.kind, options.runs)
    network.to(torch.float16, memory_format=torch.contiguous_format).save_pretrained(folder)
    for file in folder.glob("*.safetensors"):
        file.chmod(0o644)


def describe(options: argparse.Namespace) -> None:
    """The model card, from the log and the last measurement."""
    reports = json.loads(options.report.read_text())
    write_card(options.out / f"scenes-{options.kind}", options.kind, options.runs, reports[options.kind])


def measure(options: argparse.Namespace) -> None:
    """How well the packaged network is followed."""
    pipe = demo.load(f"scenes-{options.kind}")
    print(table(evaluate(pipe, base(), options.kind, options.report, options.count, options.steps)))


def everything(options: argparse.Namespace) -> None:
    """All of it, from the scenes model to a packaged and measured ControlNet."""
    for part in (fit, pack, measure, describe):
        part(options)


PARTS = {"train": fit, "assemble": pack, "evaluate": measure, "card": describe}


def main() -> None:
    """Parse and do."""
    parser = argparse.ArgumentParser(prog="python -m recipes.controlnet", description=__doc__)
    parser.add_argument("kind", choices=CONDITIONS, help="what the network is shown")
    parser.add_argument("part", nargs="?", choices=PARTS, help="one part; without it, everything in order")
    parser.add_argument("--runs", type=Path, default=Path("runs/controlnet"), help="checkpoints and logs; resumed")
    parser.add_argument("--out", type=Path, default=PACKAGED, help="the folder of the embedded models")
    parser.add_argument("--report", type=Path, default=HERE / "followed.json", help="where measurements are kept")
    parser.add_argument("--count", type=int, default=100, help="evaluate: scenes")
    parser.add_argument("--steps", type=int, default=50, help="evaluate: sampling steps")
    options = parser.parse_args()
    begin()
    PARTS.get(options.part, everything)(options)


if __name__ == "__main__":
    main()

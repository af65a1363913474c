"""`python -m recipes.personalised moon` (or dreambooth, sunset, northwest) teaches the scenes model something new."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from diffusers import StableDiffusionPipeline, UNet2DConditionModel

from faster_diffusion import demo
from faster_diffusion.demo import additions

from ..training import begin
from . import learn
from .describe import table, write_card
from .evaluate import evaluate
from .lessons import LESSONS

HERE = Path(__file__).parent
PACKAGED = HERE.parents[1] / "src/faster_diffusion/demo/models"


def folder(options: argparse.Namespace) -> Path:
    """Where the weights go. All weights of a network are too many to ship, and stay with the checkpoints."""
    return options.runs / "dreambooth" if options.name == "dreambooth" else options.out / f"scenes-{options.name}"


def fit(options: argparse.Namespace) -> None:
    """Teach, and keep what was learned in a format of diffusers."""
    method = learn.METHODS[options.name]
    lesson, pipe = LESSONS[method.teaches], demo.load("scenes")
    learned = learn.fit(pipe, lesson, method, options.runs, options.name)
    method.save(pipe, learned, lesson, folder(options))
    for file in folder(options).rglob("*.safetensors"):
        file.chmod(0o644)


def measure(options: argparse.Namespace) -> None:
    """Whether it was learned."""
    lesson = LESSONS[learn.METHODS[options.name].teaches]

    def teach(pipe: StableDiffusionPipeline) -> None:
        if options.name == "dreambooth":
            pipe.unet = UNet2DConditionModel.from_pretrained(folder(options) / "unet")
        else:
            additions.add(pipe, folder(options))

    print(table(evaluate(options.name, lesson, teach, options.report, options.steps)))


def describe(options: argparse.Namespace) -> None:
    """The model card, from the log and the last measurement."""
    if options.name != "dreambooth":
        write_card(folder(options), options.name, options.runs, json.loads(options.report.read_text()))


def everything(options: argparse.Namespace) -> None:
    """All of it, from the scenes model to packaged and measured weights."""
    for part in (fit, measure, describe):
        part(options)


PARTS = {"train": fit, "evaluate": measure, "card": describe}


def main() -> None:
    """Parse and do."""
    parser = argparse.ArgumentParser(prog="python -m recipes.personalised", description=__doc__)
    parser.add_argument("name", choices=learn.METHODS, help="what is learned, or how")
    parser.add_argument("part", nargs="?", choices=PARTS, help="one part; without it, everything in order")
    parser.add_argument("--runs", type=Path, default=Path("runs/personalised"), help="checkpoints and logs; resumed")
    parser.add_argument("--out", type=Path, default=PACKAGED, help="the folder of the embedded models")
    parser.add_argument("--report", type=Path, default=HERE / "learned.json", help="where measurements are kept")
    parser.add_argument("--steps", type=int, default=50, help="evaluate: sampling steps")
    options = parser.parse_args()
    begin()
    PARTS.get(options.part, everything)(options)


if __name__ == "__main__":
    main()

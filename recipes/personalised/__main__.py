"""`python -m recipes.personalised` teaches the scenes model something new: dreambooth, moon, mint, beside."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from diffusers import StableDiffusionPipeline, UNet2DConditionModel

from faster_diffusion import demo
from faster_diffusion.demo import additions
from specimens.lessons import LESSONS

from ..command import Recipe, kept_report
from . import describe, learn
from .evaluate import compare, fresh, usual

FULL = "dreambooth"  # all weights of a network: too many to ship, they stay with the checkpoints


def folder(options: argparse.Namespace, name: str) -> Path:
    """Where the weights go."""
    return options.runs / FULL if name == FULL else options.out / f"scenes-{name}"


def train(name: str, options: argparse.Namespace) -> None:
    """Teach one lesson."""
    method = learn.METHODS[name]
    learn.fit(demo.load("scenes"), LESSONS[method.teaches], method, options.runs, name)


def pack(options: argparse.Namespace) -> None:
    """What the checkpoints there are have learned, in the formats of diffusers, and the cards of what is measured."""
    report = kept_report(options)
    for name, method in learn.METHODS.items():
        if not (options.runs / f"{name}.pt").exists():
            continue
        lesson, pipe = LESSONS[method.teaches], demo.load("scenes")
        method.save(pipe, learn.load(pipe, lesson, method, options.runs, name), lesson, folder(options, name))
        for file in folder(options, name).rglob("*.safetensors"):
            file.chmod(0o644)
        if name in report and name != FULL:
            describe.write_card(folder(options, name), name, options.runs, report)


def evaluate(options: argparse.Namespace) -> dict:
    """Whether it was learned."""

    def teach(name: str, pipe: StableDiffusionPipeline) -> None:
        if name == FULL:
            pipe.unet = UNet2DConditionModel.from_pretrained(folder(options, name) / "unet")
        else:
            additions.add(pipe, folder(options, name))

    found = kept_report(options)
    found |= {"sampler": "DDIMScheduler", "steps": options.steps, "guidance": demo.GUIDANCE_SCALE}
    if "usual" not in found:
        found["usual"] = usual(fresh(), options.steps)
    for name in [options.only] if options.only else learn.METHODS:
        found[name] = compare(LESSONS[learn.METHODS[name].teaches], partial(teach, name), options.steps)
    return found


if __name__ == "__main__":
    parts = {name: partial(train, name) for name in learn.METHODS}
    Recipe("personalised", __doc__, parts, pack, evaluate).main(steps=50, only="")

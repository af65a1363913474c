"""`python -m recipes.dit` trains, packs and measures the class-conditional transformer."""

from __future__ import annotations

import argparse
from functools import partial

import torch

from faster_diffusion import demo

from ..command import Recipe, compare, kept_report, note
from ..packing import save
from ..scenes import vae
from ..scenes.data import make_pool
from ..scenes.evaluate import quick
from ..training import kept, on_device
from . import assemble, transformer
from .evaluate import obedience

POOL = 24000
GUIDANCE = 2.0


def train(options: argparse.Namespace) -> None:
    """The transformer, on pictures of one thing. Now and then it is asked for some of each class."""
    model = on_device(demo.load("scenes").vae)

    def make() -> dict[str, torch.Tensor]:
        pool = make_pool(POOL, things=1)
        latents = vae.encode(model, pool.pictures) * model.config.scaling_factor
        return {"latents": latents, "classes": torch.tensor([transformer.class_of(scene) for scene in pool.scenes])}

    def watch(step: int, network) -> None:
        if step % 1000 == 0:
            pipe = quick(assemble.pipeline(model, network))
            note(options.runs, step, obedience(pipe, 64, steps=15, guidance=GUIDANCE))

    transformer.fit(**kept(options.runs / "latents.pt", make), folder=options.runs, watch=watch)


def pack(options: argparse.Namespace) -> None:
    """The packaged folder, from the checkpoint, and its card."""
    pipe = assemble.pipeline(demo.load("scenes").vae, transformer.load(options.runs))
    save(pipe, options.out / assemble.NAME, pipe.transformer, pipe.vae)
    if report := kept_report(options):
        assemble.write_card(options.out / assemble.NAME, options.runs, report)


def evaluate(options: argparse.Namespace) -> dict:
    """Obedience of the packaged model."""
    pipe = demo.load(assemble.NAME)
    return compare(options, [pipe], partial(obedience, seed=10000))


if __name__ == "__main__":
    Recipe("dit", __doc__, {"train": train}, pack, evaluate).main(count=320, steps=50, guidance=GUIDANCE)

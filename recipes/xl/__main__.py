"""`python -m recipes.xl` trains, packs and measures a small SDXL, from the scenes model."""

from __future__ import annotations

import argparse
from functools import partial

from faster_diffusion import demo

from ..command import Recipe, compare, kept_report, note
from ..packaged import scenes
from ..packing import save
from ..scenes import tokenizer, vae
from ..scenes.data import make_pool
from ..scenes.evaluate import quick
from ..scenes.unet import training_tokens
from ..training import kept
from . import assemble, towers, unet
from .evaluate import detail, obedience

SOFT_POOL = 8000
GUIDANCE = 2.5


def train(options: argparse.Namespace) -> None:
    """The UNet. Now and then it samples held-out prompts, so that a run gone wrong is seen early."""
    model, both_towers = scenes().vae, towers.make(scenes())

    def make() -> dict:
        pool = make_pool()
        few = unet.soften(pool.pictures[:SOFT_POOL].float()).round().byte()
        factor = model.config.scaling_factor
        return {
            "latents": vae.encode(model, pool.pictures) * factor,
            "tokens": training_tokens(pool),
            "soft": vae.encode(model, few) * factor,
        }

    def watch(step: int, network) -> None:
        if step % 300 == 0:
            pipe = quick(assemble.pipeline(scenes(), both_towers, network))
            note(options.runs, step, obedience(pipe, 20, steps=15, guidance=GUIDANCE))

    told = unet.Told(**kept(options.runs / "latents.pt", make))
    unet.fit(scenes(), both_towers, told, options.runs, watch=watch)


def pack(options: argparse.Namespace) -> None:
    """The packaged folder, from the checkpoint, and its card."""
    both_towers = towers.make(scenes())
    pipe = assemble.pipeline(scenes(), both_towers, unet.load(scenes(), both_towers, options.runs))
    folder = options.out / assemble.NAME
    save(pipe, folder, pipe.unet, pipe.vae)
    for name in ("tokenizer", "tokenizer_2"):
        tokenizer.save(folder / name)
    if report := kept_report(options):
        assemble.write_card(folder, options.runs, report)


def evaluate(options: argparse.Namespace) -> dict:
    """Obedience of the packaged model on held-out prompts, and whether sizes are heeded."""
    pipe = demo.load(assemble.NAME)
    report = compare(options, [pipe], partial(obedience, seed=1))
    return {**report, "detail": detail(pipe, 20, options.steps, options.guidance)}


if __name__ == "__main__":
    Recipe("xl", __doc__, {"train": train}, pack, evaluate).main(count=100, steps=50, guidance=GUIDANCE)

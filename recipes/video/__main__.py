"""`python -m recipes.video` trains, packs and measures the text-to-video model, from the scenes model."""

from __future__ import annotations

import argparse
from functools import partial

from faster_diffusion import demo

from ..command import Recipe, compare, kept_report, note
from ..packaged import scenes
from ..packing import save
from ..scenes import tokenizer
from ..scenes.evaluate import quick
from ..training import kept
from . import assemble, data, unet
from .evaluate import obedience

POOL = 4000
GUIDANCE = 2.5


def train(options: argparse.Namespace) -> None:
    """UNet and text tower. Now and then they sample held-out prompts, so that a run gone wrong is seen early."""

    def make() -> dict:
        clips, frames = data.make_clips(POOL)
        clips, latents = data.with_reversed(clips, data.encode(scenes().vae, frames))
        return {"latents": latents, "tokens": data.tell(clips)}

    def watch(step: int, parts) -> None:
        if step % 200 == 0:
            pipe = quick(assemble.pipeline(scenes(), parts))
            note(options.runs, step, obedience(pipe, 16, steps=12, guidance=GUIDANCE))

    unet.fit(scenes(), **kept(options.runs / "clips.pt", make), folder=options.runs, watch=watch)


def pack(options: argparse.Namespace) -> None:
    """The packaged folder, from the checkpoint, and its card."""
    pipe = assemble.pipeline(scenes(), unet.load(scenes(), options.runs))
    folder = options.out / assemble.NAME
    save(pipe, folder, pipe.unet, pipe.vae)
    tokenizer.save(folder / "tokenizer")
    if report := kept_report(options):
        assemble.write_card(folder, options.runs, report)


def evaluate(options: argparse.Namespace) -> dict:
    """Obedience of the packaged model on held-out prompts."""
    pipe = demo.load(assemble.NAME)
    return compare(options, [pipe], partial(obedience, seed=1))


if __name__ == "__main__":
    Recipe("video", __doc__, {"train": train}, pack, evaluate).main(count=96, steps=50, guidance=GUIDANCE)

"""`python -m recipes.video` trains, packs and measures the text-to-video model, from the scenes model."""

from __future__ import annotations

import argparse
from functools import partial

from diffusers import UNet3DConditionModel
from transformers import CLIPTextModel

from faster_diffusion import demo

from ..command import Recipe, compare, kept_report, note
from ..packaged import scenes
from ..packing import save
from ..scenes import tokenizer
from ..scenes.evaluate import quick
from ..training import kept
from . import assemble, data, reading, unet
from .evaluate import obedience

POOL = 4000
GUIDANCE = 2.5


def train_text(options: argparse.Namespace) -> None:
    """The text tower; the packaged one can read already."""
    if options.init != assemble.NAME:
        reading.fit(scenes().text_encoder, data.ways_to_tell(data.sample_clips(POOL)), options.runs)


def train_unet(options: argparse.Namespace) -> None:
    """The UNet. Now and then it samples held-out prompts, so that a run gone wrong is seen early."""

    def make() -> dict:
        clips, frames = data.make_clips(POOL)
        clips, latents = data.with_reversed(clips, data.encode(scenes().vae, frames))
        return {"latents": latents, "tokens": data.tell(clips)}

    start, text = begun(options)

    def watch(step: int, net) -> None:
        if step % 400 == 0:
            pipe = quick(assemble.pipeline(scenes(), net, text))
            note(options.runs, step, obedience(pipe, 16, steps=12, guidance=GUIDANCE))

    unet.fit(start, text, **kept(options.runs / "clips.pt", make), folder=options.runs, watch=watch)


def begun(options: argparse.Namespace) -> tuple[UNet3DConditionModel, CLIPTextModel]:
    """The UNet to start from, and the text tower that it listens to."""
    if options.init == assemble.NAME:
        packaged = demo.load(assemble.NAME)
        return packaged.unet, packaged.text_encoder
    return unet.build(scenes()), reading.load(scenes().text_encoder, options.runs)


def pack(options: argparse.Namespace) -> None:
    """The packaged folder, from the checkpoints, and its card."""
    start, text = begun(options)
    pipe = assemble.pipeline(scenes(), unet.load(start, options.runs), text)
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
    parts = {"text": train_text, "unet": train_unet}
    recipe = Recipe("video", __doc__, parts, pack, evaluate)
    recipe.main(count=96, steps=50, guidance=GUIDANCE, init=("scenes", assemble.NAME))

"""`python -m recipes.controlnet` trains, packs and measures control networks for the scenes model: canny, scribble."""

from __future__ import annotations

import argparse
from functools import cache, partial

import torch
from diffusers import StableDiffusionControlNetPipeline

from faster_diffusion import demo
from faster_diffusion.demo.scenes import caption
from specimens.conditions import CONDITIONS

from ..command import Recipe, kept_report, note
from ..packaged import scenes
from ..scenes import unet, vae
from ..scenes.data import Pool, make_held_out, make_pool
from ..scenes.evaluate import quick, sample
from ..training import kept
from . import control, describe
from .evaluate import compare, follow, show


@cache
def pool() -> Pool:
    """The pictures that the scenes model was trained on."""
    return make_pool()


def train(kind: str, options: argparse.Namespace) -> None:
    """One network. Now and then it samples held-out scenes, so that a run gone wrong is seen early."""
    latents = kept(options.runs / "latents.pt", lambda: vae.encode(scenes().vae, pool().pictures))
    latents = latents * scenes().vae.config.scaling_factor

    def watch(step: int, network) -> None:
        if step % 500 == 0:
            few = make_held_out(20, seed=6)
            said = [caption(scene) for scene in few.scenes]
            parts = {**scenes().components, "controlnet": network, "requires_safety_checker": False}
            pipe = quick(StableDiffusionControlNetPipeline(**parts))
            images = sample(pipe, said, 12, demo.GUIDANCE_SCALE, image=show(few, kind, seed=6))
            note(options.runs, step, follow(images, few))

    control.fit(scenes(), pool(), latents, unet.training_tokens(pool()), kind, options.runs, watch=watch)


def pack(options: argparse.Namespace) -> None:
    """The packaged folders, in half precision, from the checkpoints there are, and the cards of those measured."""
    report = kept_report(options)
    for kind in CONDITIONS:
        if not (options.runs / f"{kind}.pt").exists():
            continue
        folder = options.out / f"scenes-{kind}"
        network = control.load(scenes(), kind, options.runs)
        network.to(torch.float16, memory_format=torch.contiguous_format).save_pretrained(folder)
        for file in folder.glob("*.safetensors"):
            file.chmod(0o644)
        if kind in report:
            describe.write_card(folder, kind, options.runs, report[kind])


def evaluate(options: argparse.Namespace) -> dict:
    """How well the packaged networks are followed."""
    found = {}
    for kind in [options.only] if options.only else CONDITIONS:
        pipe = demo.load(f"scenes-{kind}")
        for one in (pipe, scenes()):
            one.set_progress_bar_config(disable=True)
        asked = {"scenes": options.count, "steps": options.steps, "guidance": demo.GUIDANCE_SCALE}
        arms = compare(pipe, scenes(), kind, options.count, options.steps)
        found[kind] = {"sampler": type(pipe.scheduler).__name__, **asked, "arms": arms}
    return {**kept_report(options), **found}


if __name__ == "__main__":
    parts = {kind: partial(train, kind) for kind in CONDITIONS}
    Recipe("controlnet", __doc__, parts, pack, evaluate).main(count=100, steps=50, only="")

"""`python -m recipes.cascade` trains, packs and measures two stages of DeepFloyd-IF's kind."""

from __future__ import annotations

import argparse
from functools import cache, partial

from faster_diffusion import demo
from faster_diffusion.demo.scenes import held_out_prompts

from ..card import share
from ..command import Recipe, compare, kept_report, note
from ..packing import save
from ..scenes.data import Pool, make_pool
from . import assemble, reading, text, training
from .evaluate import draw_small, judge_small, obedience

POOL = 24000
GUIDANCE = 2.5


@cache
def pool() -> Pool:
    """The scenes that all parts train on."""
    return make_pool(POOL, things=1)


@cache
def told() -> training.Told:
    """Their pictures and captions, for both stages."""
    return training.tell(pool())


def train_text(options: argparse.Namespace) -> None:
    """The text encoder, which both stages take as it is."""
    reading.fit(pool().scenes, options.runs)


def train_first(options: argparse.Namespace) -> None:
    """Stage I. Now and then it is asked for held-out scenes."""
    few, encoder = held_out_prompts(32, things=1), reading.load(options.runs)

    def watch(step: int, unet) -> None:
        if step % 1000 == 0:
            pipe = assemble.first(unet, encoder)
            pipe.set_progress_bar_config(disable=True)
            verdicts = judge_small(draw_small(pipe, few, steps=30, guidance=GUIDANCE), few)
            right = share(sum(v.objects_right for v in verdicts), len(few))
            note(options.runs, step, {"right": right})

    training.fit_first(told(), encoder, options.runs, watch=watch)


def train_second(options: argparse.Namespace) -> None:
    """Stage II."""
    training.fit_second(told(), reading.load(options.runs), options.runs)


def pack(options: argparse.Namespace) -> None:
    """Both packaged folders, from the checkpoints, and their cards."""
    encoder = reading.load(options.runs)
    for stage, name in assemble.NAMES.items():
        unet = training.load_stage(stage, options.runs)
        save(getattr(assemble, stage)(unet, encoder), options.out / name, unet)
        text.for_old_and_new(options.out / name)
    if report := kept_report(options):
        assemble.write_cards(options.out, options.runs, report)


def evaluate(options: argparse.Namespace) -> dict:
    """Obedience of the packaged stages, the second given what the first draws."""
    pipes = [demo.load(name) for name in assemble.NAMES.values()]
    return compare(options, pipes, partial(obedience, seed=1))


if __name__ == "__main__":
    parts = {"text": train_text, "first": train_first, "second": train_second}
    Recipe("cascade", __doc__, parts, pack, evaluate).main(count=100, steps=100, guidance=GUIDANCE)

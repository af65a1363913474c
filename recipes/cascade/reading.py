"""Teaches the text encoder to read, before any picture: every state shall tell all that the caption says.

DeepFloyd-IF's T5 was trained on text alone, too, and stays as it is while the stages learn. One that learns along with
them from nothing is what a short training of the stages then goes into.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import T5EncoderModel

from faster_diffusion.demo.scenes import BACKGROUNDS, COLOURS, SHAPES, SIZES, Scene, caption, shorten

from ..training import TrainingPlan, load_average, share, train
from . import text

PLAN = TrainingPlan(steps=600, learning_rate=3e-3, warmup=50, ema=0.99, save_every=200)
BATCH = 64
UNPROMPTED = 0.1  # share of empty captions
ASKED = (tuple(SIZES), tuple(COLOURS), SHAPES, tuple(BACKGROUNDS))


def answers(scene: Scene) -> list[int]:
    """What is said of each thing in `ASKED`: which of its names, counted from 1; 0 if nothing is."""
    (thing,) = scene.things
    said = (thing.size, thing.colour, thing.shape, scene.background)
    return [0 if name is None else 1 + names.index(name) for names, name in zip(ASKED, said, strict=True)]


def build() -> nn.ModuleDict:
    """The encoder, and what asks its states."""
    encoder = text.encoder()
    return nn.ModuleDict({"text": encoder, "asked": nn.Linear(text.WIDTH, sum(1 + len(names) for names in ASKED))})


def fit(scenes: list[Scene], folder: Path, plan: TrainingPlan = PLAN) -> T5EncoderModel:
    """Learn from captions of scenes of one thing, each in full or shortened."""
    rng = np.random.default_rng(11)
    told = [shorten(scene, rng) for scene in scenes]
    tokens, right = text.tokenise([caption(scene) for scene in told]), torch.tensor([answers(s) for s in told])
    empty, parts = text.tokenise([""])[0], build()

    def loss(step: int, generator: torch.Generator) -> Tensor:
        rows = torch.randint(len(tokens), (BATCH,), generator=generator)
        said, wanted = tokens[rows], right[rows]
        dropped = torch.rand(BATCH, generator=generator) < UNPROMPTED
        said[dropped], wanted[dropped] = empty, 0
        said, wanted = share(said), share(wanted)
        found = parts["asked"](text.states(parts["text"], said)).split([1 + len(names) for names in ASKED], -1)
        return sum(
            F.cross_entropy(one.transpose(1, 2), wanted[:, [index]].expand(-1, one.shape[1]))
            for index, one in enumerate(found)
        )

    return train(parts, loss, plan, folder, "text")["text"].eval().requires_grad_(False)


def load(folder: Path) -> T5EncoderModel:
    """The encoder of a checkpoint."""
    return load_average(build(), folder / "text.pt")["text"].eval().requires_grad_(False)

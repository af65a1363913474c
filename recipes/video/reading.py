"""Teaches the text tower of the image model to read where a thing goes, before any clip.

The words of a motion are new to it, in letters, and what the image model's UNet reads must stay what it was. So the
tower learns to say of a clip what it said of its scene, and once it has read the motion one thing more: a direction of
its own for each of the four ways.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import CLIPTextModel

from faster_diffusion.demo import scenes
from faster_diffusion.demo.clips import DIRECTIONS, Clip, caption
from faster_diffusion.demo.scenes import Scene

from ..scenes import tokenizer
from ..scenes.unet import tokenise
from ..training import TrainingPlan, load_average, on_device, share, train

PLAN = TrainingPlan(steps=1500, learning_rate=1.5e-3, warmup=100, ema=0.99, save_every=500)
BATCH = 64
LOUD = 0.6  # size of what is added, in standard deviations of the states
UNPROMPTED = 0.1  # share of empty captions, of which nothing new is said


@dataclass(frozen=True)
class Lesson:
    """Captions of clips as tokens (N, 32), and what to say of them.

    Args:
        still: tokens of the same scenes, standing still.
        place: which state of those each token shall have, (N, 32).
        way: number of the direction to add, (N, 32); -1 for none.
    """

    tokens: Tensor
    still: Tensor
    place: Tensor
    way: Tensor

    def __getitem__(self, rows: Tensor) -> Lesson:
        return Lesson(self.tokens[rows], self.still[rows], self.place[rows], self.way[rows])


def lesson(told: list[tuple[Clip, str | None]]) -> Lesson:
    """From clips and the verbs that they are told by."""
    moving, still = [caption(*one) for one in told], [scenes.caption(clip.scene) for clip, _ in told]
    things = [scenes.caption(Scene(clip.scene.things)) for clip, _ in told]
    long, short, before = (_lengths(texts)[:, None] for texts in (moving, still, things))
    at, longer = torch.arange(tokenizer.LENGTH), long - short
    read = at >= before + longer  # all of the motion
    way = torch.tensor([list(DIRECTIONS).index(clip.direction) for clip, _ in told])[:, None]
    return Lesson(
        tokenise(moving),
        tokenise(still),
        torch.where(read, at - longer, at.minimum(before - 1)),
        torch.where(read, way, -1),
    )


def _lengths(texts: list[str]) -> Tensor:
    """In tokens, with that of the start and without that of the end."""
    return torch.tensor([len(ids) - 1 for ids in tokenizer.build()(texts).input_ids])


def fit(
    tower: CLIPTextModel, told: list[tuple[Clip, str | None]], folder: Path, plan: TrainingPlan = PLAN
) -> CLIPTextModel:
    """The tower that can read motions."""
    known, parts = on_device(deepcopy(tower)).eval().requires_grad_(False), build(tower)
    taught, empty = lesson(told), tokenise([""])[0]
    ways = on_device(directions(known))
    spread = ways.square().mean()

    def loss(step: int, generator: torch.Generator) -> Tensor:
        batch = taught[torch.randint(len(taught.tokens), (BATCH,), generator=generator)]
        dropped = torch.rand(BATCH, generator=generator) < UNPROMPTED
        batch.tokens[dropped] = batch.still[dropped] = empty
        batch.place[dropped], batch.way[dropped] = torch.arange(len(empty)), -1
        tokens, still, place, way = (share(part) for part in (batch.tokens, batch.still, batch.place, batch.way))
        states = known(still).last_hidden_state
        wanted = states.gather(1, place[..., None].expand_as(states)) + ways[way]
        return (parts["text"](tokens).last_hidden_state - wanted).square().mean() / spread

    return train(parts, loss, plan, folder, "text")["text"].eval().requires_grad_(False)


def directions(tower: CLIPTextModel) -> Tensor:
    """What is added to a state for each direction, (5, width); the last row, for none, is zero."""
    generator = torch.Generator().manual_seed(13)
    added = torch.randn(len(DIRECTIONS), tower.config.hidden_size, generator=generator)
    with torch.no_grad():
        spread = tower(on_device(tokenise(["a red cube"]))).last_hidden_state.std().item()
    return torch.cat([LOUD * spread * added, torch.zeros(1, added.shape[1])])


def build(tower: CLIPTextModel) -> nn.ModuleDict:
    """A copy of the tower to teach."""
    return nn.ModuleDict({"text": deepcopy(tower).train().requires_grad_(True)})


def load(tower: CLIPTextModel, folder: Path) -> CLIPTextModel:
    """The tower of a checkpoint."""
    return load_average(build(tower), folder / "text.pt")["text"].eval().requires_grad_(False)

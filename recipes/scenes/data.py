"""Pictures and captions: a fixed pool of training scenes, and fresh ones for checking."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from faster_diffusion.demo.scenes import OPPOSITE, Scene, caption, held_out, render, sample_scene, shorten

POOL = 40000  # pictures that all parts train on


@dataclass(frozen=True)
class Pool:
    """Scenes never held out, with their pictures as uint8 (N, 3, 64, 64)."""

    scenes: list[Scene]
    pictures: Tensor

    def __len__(self) -> int:
        return len(self.scenes)

    def images(self) -> np.ndarray:
        """The pictures as images are held elsewhere, uint8 (N, 64, 64, 3)."""
        return self.pictures.permute(0, 2, 3, 1).numpy()

    def captions(self, rows: list[int], rng: np.random.Generator) -> list[str]:
        """Captions of some rows, each in full or shortened."""
        return [caption(shorten(self.scenes[row], rng)) for row in rows]


def make_pool(size: int = POOL, seed: int = 0, things: int | None = None) -> Pool:
    """`size` scenes to train on, of so many things each; without `things`, of one or two."""
    rng = np.random.default_rng([seed, 1])
    scenes: list[Scene] = []
    pictures = np.empty((size, 3, 64, 64), np.uint8)
    while len(scenes) < size:
        scene = sample_scene(rng, things)
        if not held_out(scene):
            pictures[len(scenes)] = render(scene, rng).transpose(2, 0, 1)
            scenes.append(scene)
    return Pool(scenes, torch.from_numpy(pictures))


def make_held_out(size: int, seed: int = 0) -> Pool:
    """`size` scenes that training never sees."""
    rng = np.random.default_rng([seed, 2])
    scenes = []
    while len(scenes) < size:
        scene = sample_scene(rng)
        if held_out(scene):
            scenes.append(scene)
    pictures = np.stack([render(scene, rng).transpose(2, 0, 1) for scene in scenes])
    return Pool(scenes, torch.from_numpy(pictures))


def turn(scene: Scene) -> Scene:
    """The same scene told from its other thing."""
    return replace(scene, things=scene.things[::-1], relation=scene.relation and OPPOSITE[scene.relation])


def pixels(pictures: Tensor) -> Tensor:
    """uint8 to the [-1, 1] that diffusers models speak."""
    return pictures.float() / 127.5 - 1


def numpy_rng(generator: torch.Generator) -> np.random.Generator:
    """A numpy generator that follows a torch one."""
    return np.random.default_rng(int(torch.randint(2**31, (1,), generator=generator)))

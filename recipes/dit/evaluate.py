"""Obedience: how often the pixels show one thing, of the colour and shape of its class."""

from __future__ import annotations

from faster_diffusion.demo.recognise import recognise

from ..card import share
from ..scenes.evaluate import sample
from .transformer import CLASSES


def obedience(pipe, count: int, steps: int, guidance: float, seed: int = 0) -> dict:
    """Shares of `count` images, all classes in turn, that show what their class says."""
    classes = [i % len(CLASSES) for i in range(count)]
    found = [recognise(image) for image in sample(pipe, classes, steps, guidance, seed, batch=len(CLASSES))]
    seen = [(things[0].colour, things[0].shape) if len(things) == 1 else (None, None) for things in found]
    asked = [tuple(CLASSES[number].split()[1:]) for number in classes]
    pairs = list(zip(seen, asked, strict=True))
    measures = {
        "right": [one == other for one, other in pairs],
        "colour": [one[0] == other[0] for one, other in pairs],
        "shape": [one[1] == other[1] for one, other in pairs],
    }
    return {name: share(sum(right), count) for name, right in measures.items()}

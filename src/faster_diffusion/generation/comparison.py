"""Original and accelerated images of the same seeds, timed against each other in one process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from statistics import median
from typing import Any

from PIL import Image

from ..measuring.pixels import in_words, psnr
from ..measuring.timing import Timings, interleave
from ..options.config import PropagationConfig
from ..options.prior_noise import PriorNoise
from . import images, sampling
from .prompts import Prompt

WARM_UP_STEPS = 10
ANOTHER = 25  # dB to the original below which a picture differs at a glance, in its background or a whole thing


@dataclass(frozen=True)
class Comparison:
    """Images in the order of the prompts, and seconds for all of them together."""

    wanted: Sequence[Prompt]
    original: list[Image.Image]
    accelerated: list[Image.Image]
    original_time: Timings
    accelerated_time: Timings
    config: PropagationConfig | None  # as this pipeline took it; none where there are no key steps

    @property
    def psnr(self) -> list[float]:
        """How near each accelerated image is to its original, in dB."""
        return [psnr(*pair) for pair in zip(self.accelerated, self.original, strict=True)]

    def fidelity(self) -> str:
        """How near the accelerated images are to the originals."""
        low, middle, high = (in_words(each) for each in (min(self.psnr), median(self.psnr), max(self.psnr)))
        if low == high:
            return f"Fidelity to the originals: {low}"
        others = sum(each < ANOTHER for each in self.psnr)
        told = f"Fidelity to the originals: PSNR {low} to {high}, median {middle}"
        return told + (f"; {others} of {len(self.psnr)} came out differently (below {ANOTHER} dB)" if others else "")

    def speed(self) -> str:
        """Both times and both speed-ups."""
        before, after = self.original_time, self.accelerated_time
        return (
            f"Origin Pipeline: {before.call_seconds:.3f} seconds\n"
            f"Faster Diffusion: {after.call_seconds:.3f} seconds\n"
            f"Speed-up: {before.unet_seconds / after.unet_seconds:.2f}x in the network "
            f"({before.unet_seconds:.3f} -> {after.unet_seconds:.3f} s), "
            f"{before.call_seconds / after.call_seconds:.2f}x for the whole call"
        )

    @property
    def how(self) -> str:
        """What was done to accelerate."""
        if self.config is None:
            return "no key steps"
        noise = self.config.prior_noise
        mixed_in = f"prior noise {noise.alpha}" if isinstance(noise, PriorNoise) else "no prior noise"
        return f"key steps {self.config.key_steps}, {'parallel' if self.config.parallel else 'sequential'}, {mixed_in}"

    def sheet(self, title: str) -> Image.Image:
        """Each original above its accelerated image, captioned; above all the title, and how it was done."""
        rows = (
            f"Original\n{self.original_time.call_seconds:.2f} s",
            f"Accelerated\n{self.accelerated_time.call_seconds:.2f} s",
        )
        columns = [
            images.Column(pair, f"{prompt.text}\nseed {prompt.seed}, {in_words(decibels)}")
            for *pair, prompt, decibels in zip(self.original, self.accelerated, self.wanted, self.psnr, strict=True)
        ]
        return images.sheet(rows, columns, f"{title}, {self.how}")


def compare(
    pipe: Any, way: sampling.Way, wanted: Sequence[Prompt], settings: sampling.Settings, rounds: int = 1
) -> Comparison:
    """Samples everything as it is and in a `way`, `rounds` times in turn after a short warm-up."""
    made: dict[str, list[Image.Image]] = {}
    configs: list[PropagationConfig | None] = []

    def sample(arm: sampling.Way, name: str, settings: sampling.Settings, wanted: Sequence[Prompt]) -> None:
        with arm.applied(pipe) as handle:
            configs.append(getattr(handle, "config", None))
            made[name] = list(chain.from_iterable(sampling.sample(arm, [pipe], wanted, settings)))

    arms: dict[str, sampling.Way] = {"original": sampling.AsItIs(), "accelerated": way}
    short = replace(settings, steps=tuple(min(steps, WARM_UP_STEPS) for steps in settings.steps))
    for name, arm in arms.items():
        sample(arm, name, short, wanted[: settings.batch_size])
    calls = {name: partial(sample, arm, name, settings, wanted) for name, arm in arms.items()}
    timings = interleave(pipe.unet, calls, rounds, warm_up=0)
    config = next((config for config in configs if config is not None), None)
    return Comparison(
        wanted, made["original"], made["accelerated"], timings["original"], timings["accelerated"], config
    )

"""Original and accelerated images of the same seeds, timed against each other in one process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image

from ..api import disable, enable
from ..measuring.pixels import psnr
from ..measuring.timing import Timings, interleave
from ..options.config import PropagationConfig
from ..options.prior_noise import PriorNoise
from . import images, requests

WARM_UP_STEPS = 10


@dataclass(frozen=True)
class Comparison:
    """Images in the order of the requests, and seconds for all of them together."""

    wanted: Sequence[requests.Request]
    original: list[Image.Image]
    accelerated: list[Image.Image]
    original_time: Timings
    accelerated_time: Timings
    config: PropagationConfig  # as this pipeline took it

    @property
    def psnr(self) -> list[float]:
        """How near each accelerated image is to its original, in dB."""
        return [psnr(*pair) for pair in zip(self.accelerated, self.original, strict=True)]

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
            images.Column(pair, f"{request.prompt}\nseed {request.seed}, {decibels:.1f} dB")
            for *pair, request, decibels in zip(self.original, self.accelerated, self.wanted, self.psnr, strict=True)
        ]
        return images.sheet(rows, columns, f"{title}, {self.how}")


def compare(
    pipe: Any,
    wanted: Sequence[requests.Request],
    settings: requests.RequestSettings,
    config: PropagationConfig,
    batch_size: int,
    rounds: int = 1,
) -> Comparison:
    """Samples everything both ways, `rounds` times in turn after a short warm-up."""
    made: dict[str, list[Image.Image]] = {}
    config = enable(pipe, config).config

    def sample(arm: str, settings: requests.RequestSettings, wanted: Sequence[requests.Request]) -> None:
        disable(pipe)
        if arm == "accelerated":
            enable(pipe, config)
        made[arm] = requests.sample(pipe, wanted, settings, batch_size)

    arms = ("original", "accelerated")
    for arm in arms:
        sample(arm, replace(settings, steps=min(settings.steps, WARM_UP_STEPS)), wanted[:batch_size])
    calls = {arm: lambda arm=arm: sample(arm, settings, wanted) for arm in arms}
    timings = interleave(pipe.unet, calls, rounds, warm_up=0)
    disable(pipe)
    return Comparison(
        wanted, made["original"], made["accelerated"], timings["original"], timings["accelerated"], config
    )

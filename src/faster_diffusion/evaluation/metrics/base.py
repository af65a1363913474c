"""What a metric is, what it may look at, and what it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from statistics import fmean
from typing import Any

import numpy as np
from PIL import Image

from ...generation.filmstrip import cut
from ...generation.prompts import Prompt
from ...measuring.intervals import Interval
from ...measuring.store import Store
from ..features import Extractor, Scorer
from ..real import RealImages


class Need(Enum):
    """What a metric cannot do without, and what to say where it is not there."""

    REFERENCE = "the images of another arm to compare with"
    REAL = "real images: give --real, or prompts that come with pictures"
    FEATURES = "a feature extractor: give --features"
    SCORER = "a CLIP that reads the prompts: give --clip"


@dataclass(frozen=True)
class Value:
    """A measured figure. It may be infinite: a PSNR of equal images is."""

    value: float
    interval: Interval | None = None  # at 95 %
    each: tuple[float, ...] = ()  # for every image; of times, for every batch


@dataclass(frozen=True)
class Material:
    """What there is to judge images by, before any is generated."""

    prompts: Sequence[Prompt]
    references: Sequence[str]  # arms whose images others are compared with
    features: str | None = None  # names of networks, see `features`
    clip: str | None = None
    real: RealImages | None = None
    device: str = "cpu"
    size: tuple[int, int] | None = None  # of the images, or of a video's frames, if that is known
    frames: int | None = None  # of each video; none if images are generated

    def has(self, need: Need) -> bool:
        """Whether something that metrics need is there."""
        having: dict[Need, Any] = {
            Need.REFERENCE: self.references,
            Need.REAL: self.real,
            Need.FEATURES: self.features,
            Need.SCORER: self.clip,
        }
        return bool(having[need])


@dataclass
class Study:
    """What has been generated, and what it is judged by."""

    material: Material
    store: Store
    extractor: Extractor | None = None
    scorer: Scorer | None = None
    _features: dict[str | None, np.ndarray] = field(default_factory=dict)  # by arm; None: of the real images

    @property
    def texts(self) -> list[str]:
        """A prompt an image, or frame."""
        return [prompt.text for prompt in self.material.prompts for _ in range(self.material.frames or 1)]

    def features(self, arm: str | None) -> np.ndarray:
        """Features (N, D) of an arm's images, or frames, or for ``None`` of the real ones."""
        if arm not in self._features:
            if arm is not None:
                images = self.frames(arm)
            else:
                assert self.material.real is not None
                images = self.material.real.open()
            assert self.extractor is not None
            self._features[arm] = self.extractor(images)
        return self._features[arm]

    def frames(self, arm: str) -> Iterator[Image.Image]:
        """All frames of an arm's videos, one after another; of images, these."""
        return (frame for image in self.store.images(arm) for frame in cut(image, self.material.frames or 1))

    def by_prompt(self, scores: Sequence[float]) -> list[float]:
        """Of scores of all frames the mean of each video; of scores of images, these."""
        count = self.material.frames or 1
        return [fmean(scores[start : start + count]) for start in range(0, len(scores), count)]

    def frame_pairs(self, arm: str, reference: str) -> Iterator[tuple[Image.Image, Image.Image]]:
        """The frames of two arms for the same prompts."""
        return zip(self.frames(arm), self.frames(reference), strict=True)

    def pairs(self, arm: str, reference: str) -> Iterator[tuple[Image.Image, Image.Image]]:
        """The images of two arms for the same prompts."""
        return zip(self.store.images(arm), self.store.images(reference), strict=True)


@dataclass(frozen=True)
class Metric:
    """One way of judging an arm. To add one, put it into ``METRICS`` under a key.

    Args:
        name: as a table's heading has it.
        unit: of the figure; empty for a number without.
        higher_is_better: which way it is read.
        measure: from what was generated, the arm and the arm to compare with, if that is needed, to the figure.
        form: how a figure is written, as in a format string.
        needs: what must be there.
        missing: why it cannot be measured for a reason of its own, such as a package that is not installed.
        repeats: whether a run gives the same figure each time. Times do not.
        least: images below which the figure says nothing, and reports leave it out.
    """

    name: str
    unit: str
    higher_is_better: bool
    measure: Callable[[Study, str, str | None], Value]
    form: str = ".3f"
    needs: frozenset[Need] = frozenset()
    missing: Callable[[Material], str | None] = lambda material: None
    repeats: bool = True
    least: int = 1

    def lacks(self, material: Material) -> str | None:
        """Why it cannot be measured; none if it can."""
        need = next((need for need in Need if need in self.needs and not material.has(need)), None)
        return f"needs {need.value}" if need else self.missing(material)

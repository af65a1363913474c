"""Who judges the images, and the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..generation.progress import bar
from ..generation.prompts import Prompt
from ..measuring.store import Store
from . import real
from .features import load_extractor, load_scorer
from .line_up import BASELINE
from .metrics import METRICS, Material, Need, Study, Value
from .results import Column


@dataclass(frozen=True)
class Judges:
    """What images are judged by.

    Args:
        metrics: keys of ``METRICS``; all by default.
        references: names of arms whose images those of the others are compared with, after the baseline.
        features: the network that distances between sets of images are measured in; see ``features``.
        clip: the network that says how well an image fits its prompt.
        real: a folder of real images; by default the pictures of the prompts, or rendered scenes if they are captions
            of these.

    Raises:
        ValueError: a metric is unknown.
    """

    metrics: Sequence[str] = tuple(METRICS)
    references: Sequence[str] = ()
    features: str | None = None
    clip: str | None = None
    real: Path | None = None

    def __post_init__(self) -> None:
        unknown = [key for key in self.metrics if key not in METRICS]
        if unknown:
            raise ValueError(f"Unknown metric {unknown[0]!r}. Known: {', '.join(METRICS)}.")

    def material(
        self, prompts: Sequence[Prompt], device: str, size: tuple[int, int] | None, frames: int | None = None
    ) -> Material:
        """What they judge by, for images of a size if that is known, or for videos of so many frames.

        Raises:
            ValueError: the folder of real images has none.
        """
        fit = size or (1, 1)
        return Material(
            prompts,
            [BASELINE.name, *self.references],
            self.features,
            self.clip,
            real.from_folder(self.real, fit) if self.real else real.of_prompts(prompts, fit, frames),
            device,
            size,
            frames,
        )

    def columns(self, material: Material) -> dict[str, Column]:
        """A column a metric, or one for each reference if it compares."""
        return dict(self._columns(material))

    def _columns(self, material: Material) -> Iterator[tuple[str, Column]]:
        for key in self.metrics:
            metric, missing = METRICS[key], METRICS[key].lacks(material)
            references = material.references if Need.REFERENCE in metric.needs else [None]
            for number, reference in enumerate(references):
                facts = (metric.name, metric.unit, metric.higher_is_better, metric.form, metric.repeats)
                yield f"{key}:{reference}" if number else key, Column(key, *facts, reference, missing)

    def verdict(
        self, material: Material, columns: Mapping[str, Column], arms: Sequence[str], store: Store, progress: bool
    ) -> dict[str, dict[str, Value]]:
        """By arm and column, all that can be measured."""
        wanted = {key: column for key, column in columns.items() if column.missing is None}
        study = self.study(material, store, [column.metric for column in wanted.values()])
        values: dict[str, dict[str, Value]] = {arm: {} for arm in arms}
        with bar(len(arms) * len(wanted), "judging", "figure", progress) as shown:
            for arm in arms:
                for key, column in wanted.items():
                    values[arm][key] = METRICS[column.metric].measure(study, arm, column.reference)
                    shown.update()
        return values

    def study(self, material: Material, store: Store, metrics: Sequence[str]) -> Study:
        """What some metrics need, loaded."""
        needs = {need for key in metrics for need in METRICS[key].needs}
        extractor = load_extractor(str(self.features), material.device) if Need.FEATURES in needs else None
        scorer = load_scorer(str(self.clip), material.device) if Need.SCORER in needs else None
        return Study(material, store, extractor, scorer)

"""Fidelity of arms: how like their images are to those of a run of many steps, batch by batch of prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..arms import Arm
from ..generation.prompts import Prompt
from ..generation.sampling import Settings, generate
from ..measuring.pixels import decibels, mean_square_error
from ..measuring.store import Store, slug
from .records import Records

CALIBRATION, HELD_OUT = "calibration", "held-out"

_ROUNDING = 1 / 12  # square error of rounding to whole numbers: pictures of 8 bits cannot be more alike


class Lab:
    """A pipeline and two sets of prompts, with the images that arms are compared with.

    Args:
        prompts: by split.
        reference: the run of many steps.
        full: runs without reuse; the first batch of their plans is compared with them too.
    """

    def __init__(
        self,
        pipe: Any,
        prompts: Mapping[str, Sequence[Prompt]],
        settings: Settings,
        reference: Arm,
        full: Sequence[Arm],
        records: Records,
    ) -> None:
        self.pipe, self.prompts, self.settings, self.records = pipe, prompts, settings, records
        self.reference = reference
        self._full = {arm.spec for arm in full}
        self._stores: dict[tuple[str, str], Store] = {}
        self._limits: dict[str, int] = {}  # batches of a split that count

    @property
    def baseline(self) -> Arm:
        """The pipeline as it is; times are relative to its."""
        return Arm.parse(f"steps:{self.settings.steps[0]}")

    def batches(self, split: str) -> list[range]:
        """The numbers of the prompts whose images are generated together."""
        return self._store(self.reference, split).batches[: self._limits.get(split)]

    def limit(self, split: str, batches: int) -> None:
        """Leaves out the prompts of a split after the first so many batches."""
        self._limits[split] = batches

    def count(self, split: str) -> int:
        """The prompts of a split that are not left out."""
        return sum(map(len, self.batches(split)))

    def has_reference(self, split: str, batch: range) -> bool:
        """Whether there are images of a batch to compare with."""
        return self._store(self.reference, split).done(self.reference.spec, batch)

    def generate(self, arm: Arm, split: str, batch: range) -> tuple[list[Any], list[float]]:
        """The images of an arm for a batch; and where a gate decides, the network calls that each image took.

        With a gate each is sampled alone, since the images of a batch share their key steps.
        """
        prompts = [self.prompts[split][number] for number in batch]
        with arm.applied(self.pipe) as handle:
            if handle is None or not arm.gated:
                return generate(arm, [self.pipe], prompts, self.settings), []
            images, computed = [], []
            for prompt in prompts:
                images += generate(arm, [self.pipe], [prompt], self.settings)
                summary = handle.summary()
                computed.append((1 - summary.flops_saved) * (summary.computed + summary.reused))
            return images, computed

    def measured(self, arm: Arm, split: str, batch: range) -> bool:
        """Whether the fidelity of a batch is known."""
        return _key(split, batch) in self.records.fidelity(arm)

    def measure(self, arm: Arm, split: str, batch: range) -> None:
        """Generates a batch with an arm and keeps its fidelity to the reference, if that is not known yet."""
        known = self.records.fidelity(arm)
        if _key(split, batch) in known:
            return
        images, computed = self.generate(arm, split, batch)
        fidelity = {"psnr": self._psnr(images, self.reference, split, batch)}
        if computed:
            fidelity["computed"] = computed
        full = replace(arm, propagation=None, name="")
        if arm.propagation is not None and full.spec in self._full and (split, batch.start) == (CALIBRATION, 0):
            fidelity["psnr_full"] = self._psnr(images, full, split, batch)
        self.records.put_fidelity(arm, {**known, _key(split, batch): fidelity})

    def scores(self, arm: Arm, split: str, figure: str = "psnr", batches: int | None = None) -> list[float]:
        """A figure of every image of the first ``batches``, or of all that are measured; dB if it is a PSNR."""
        known = self.records.fidelity(arm)
        keys = [_key(split, batch) for batch in self.batches(split)[:batches]]
        return [score for key in keys for score in known.get(key, {}).get(figure, ())]

    def complete(self, arm: Arm, split: str) -> bool:
        """Whether all prompts of a split are measured that are not left out."""
        return len(self.scores(arm, split)) == self.count(split)

    def keep(self, arm: Arm, split: str, batch: range, images: Sequence[Any]) -> None:
        """Keeps images of the reference or of a full run."""
        self._store(arm, split).put(arm.spec, batch, images, {})

    def _psnr(self, images: Sequence[Any], other: Arm, split: str, batch: range) -> list[float]:
        store = self._store(other, split)
        if not store.done(other.spec, batch):
            self.keep(other, split, batch, self.generate(other, split, batch)[0])
        errors = (mean_square_error(image, store.image(other.spec, n)) for image, n in zip(images, batch, strict=True))
        return [decibels(max(error, _ROUNDING)) for error in errors]

    def _store(self, arm: Arm, split: str) -> Store:
        """Images of the reference or of a full run; one store each, so that a larger space adds some."""
        if (split, arm.spec) not in self._stores:
            folder = self.records.folder / split / slug(arm.spec)
            manifest = {"prompts": [prompt.to_dict() for prompt in self.prompts[split]], "arms": {arm.spec: arm.spec}}
            self._stores[split, arm.spec] = Store(folder, manifest, self.settings.batch_size)
        return self._stores[split, arm.spec]


def _key(split: str, batch: range) -> str:
    return f"{split}-{batch.start:05d}"

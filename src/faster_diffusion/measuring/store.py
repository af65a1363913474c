"""A run on disk that survives being killed: an image is there whole or not at all, and what is there is not redone.

    manifest.json                     what the run is of; another run does not go on from it
    arms/00-baseline/00000.png       an image a prompt
    arms/00-baseline/batch-00000.json  what sampling a batch took, written when its images are there
    arms/00-baseline/flops.json

Batches are the same consecutive prompts in every run, since an image may differ by rounding with its neighbours: one
that was interrupted, or of which a file is broken, is generated anew as a whole. A run may go on with more arms, and
with more prompts after those that it had. One process at a time works in a folder.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from ..files import clear_unfinished, read_json, write_json, write_whole
from .baseline import BASELINE, FORMERLY, current_specs

_SHOWN = 3  # differences between two manifests


class Store:
    """The images and records of a run.

    Args:
        folder: made if it is not there.
        manifest: what the run is of, as JSON; ``"prompts"`` is a list and ``"arms"`` names the arms.
        batch_size: images generated at once.

    Raises:
        ValueError: the folder holds a run of something else.
    """

    def __init__(self, folder: Path, manifest: Mapping[str, Any], batch_size: int) -> None:
        manifest = _checked(folder, manifest)
        self.folder = folder
        self.count = len(manifest["prompts"])
        self._batch_size = batch_size
        self._folders = {
            name: folder / "arms" / f"{number:02d}-{slug(name)}" for number, name in enumerate(manifest["arms"])
        }
        for name, arm in self._folders.items():
            if name == BASELINE and (formerly := arm.with_name(arm.name.replace(BASELINE, FORMERLY))).is_dir():
                formerly.rename(arm)
            arm.mkdir(parents=True, exist_ok=True)
        clear_unfinished(folder)
        write_json(folder / _MANIFEST, manifest)

    @property
    def batches(self) -> list[range]:
        """The numbers of the prompts that are sampled together."""
        starts = range(0, self.count, self._batch_size)
        return [range(start, min(start + self._batch_size, self.count)) for start in starts]

    def done(self, arm: str, batch: range) -> bool:
        """Whether a batch need not be generated any more; one that has grown since must."""
        record = self.record(arm, _batch(batch))
        known = record is not None and record.get("images", len(batch)) == len(batch)
        return known and all(_is_whole(self._path(arm, number)) for number in batch)

    def put(self, arm: str, batch: range, images: Sequence[Image.Image], record: Mapping[str, Any]) -> None:
        """Keeps a batch of images, and what sampling it took."""
        for number, image in zip(batch, images, strict=True):
            write_whole(self._path(arm, number), _png(image))
        self.put_record(arm, _batch(batch), record)

    def image(self, arm: str, number: int) -> Image.Image:
        """The image of an arm for a prompt."""
        with Image.open(self._path(arm, number)) as image:
            return image.convert("RGB")

    def images(self, arm: str) -> Iterator[Image.Image]:
        """All images of an arm, one after another."""
        return (self.image(arm, number) for number in range(self.count))

    def records(self, arm: str) -> list[dict[str, Any]]:
        """What sampling each batch took."""
        records = (self.record(arm, _batch(batch)) for batch in self.batches)
        return [record for record in records if record is not None]

    def put_record(self, arm: str, name: str, record: Mapping[str, Any]) -> None:
        """Keeps a fact about an arm."""
        write_json(self._folders[arm] / f"{name}.json", record)

    def record(self, arm: str, name: str) -> dict[str, Any] | None:
        """A fact about an arm, if it is kept and not broken."""
        record = read_json(self._folders[arm] / f"{name}.json")
        return record if isinstance(record, dict) else None

    def _path(self, arm: str, number: int) -> Path:
        return self._folders[arm] / f"{number:05d}.png"


def check_resumable(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Refuses to go on with a run of something else.

    Raises:
        ValueError: says what differs.
    """
    was, now = _read(folder / _MANIFEST), _plain(manifest)
    if not was:
        return
    differences = list(_differences(was, now))
    if differences:
        more = f", and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
        raise ValueError(
            f"{folder} holds another evaluation: {', '.join(differences[:_SHOWN])}{more}. "
            "Name another folder for this one, or delete that one."
        )


def _read(path: Path) -> dict[str, Any]:
    """A manifest, with the names of today; empty if there is none."""
    if not path.is_file():
        return {}
    try:
        was = dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        raise ValueError(
            f"{path} is broken, so that nothing tells what the folder holds. Name another folder."
        ) from None
    if isinstance(was.get("arms"), dict):
        was["arms"] = current_specs(was["arms"])
    return was


def _checked(folder: Path, manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    """The manifest of a run that may go on in a folder: of what is there, or of that and more arms or prompts.

    Arms are in the order in which they came, so that each keeps its folder.
    """
    was, now = _read(folder / _MANIFEST), _plain(manifest)
    prompts, arms = was.get("prompts", []), was.get("arms")
    if isinstance(arms, dict) and arms.items() <= now["arms"].items() and now["prompts"][: len(prompts)] == prompts:
        check_resumable(folder, {**now, "prompts": prompts, "arms": arms})
        return {**now, "arms": {**arms, **now["arms"]}}
    check_resumable(folder, manifest)
    return manifest


_MANIFEST = "manifest.json"


def _is_whole(path: Path) -> bool:
    """Whether a picture is there, to its last byte."""
    try:
        with Image.open(path) as image:
            image.verify()
    except (OSError, SyntaxError):  # what Pillow raises for a torn PNG
        return False
    return True


def _png(image: Image.Image) -> bytes:
    file = BytesIO()
    image.convert("RGB").save(file, "PNG")
    return file.getvalue()


def _batch(batch: range) -> str:
    return f"batch-{batch.start:05d}"


def slug(name: str) -> str:
    """A name for a folder."""
    return re.sub(r"[^\w.+-]+", "-", name).strip("-.")[:60]


def _plain(content: Any) -> Any:
    """As it is read back from JSON."""
    return json.loads(json.dumps(content))


def _differences(was: Any, now: Any, where: str = "") -> Iterator[str]:
    """What two manifests do not have in common, in words."""
    if isinstance(was, dict) and isinstance(now, dict):
        for key in [*was, *(key for key in now if key not in was)]:
            yield from _differences(was.get(key), now.get(key), f"{where} {key}".strip())
        if list(was) != list(now) and was == now:
            yield f"{where} are in another order"
    elif isinstance(was, list) and isinstance(now, list):
        if len(was) != len(now):
            yield f"{where} are {len(now)}, there {len(was)}"
        for number, pair in enumerate(zip(was, now, strict=False), 1):
            yield from _differences(*pair, f"{where} {number}")
    elif was != now:
        yield f"{where} is {_shown(now)}, there {_shown(was)}"


def _shown(value: Any) -> str:
    text = "none" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:37]}..."

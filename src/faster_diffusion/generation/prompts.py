"""Prompts from a file or a folder, each with a seed and, where there is one, a real picture of it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

PICTURES = (".jpeg", ".jpg", ".png", ".webp")

_CAPTION_KEYS = ("prompt", "text", "caption")


@dataclass(frozen=True)
class Prompt:
    """One image to be generated."""

    text: str
    seed: int
    picture: Path | None = None  # a real picture of it, for distances to real images
    start: Path | None = None  # a picture that the pipeline starts from or follows

    def to_dict(self) -> dict[str, Any]:
        """As a line of a prompts file."""
        pictures = {"image": self.picture, "start": self.start}
        return {
            "prompt": self.text,
            "seed": self.seed,
            **{key: str(path) for key, path in pictures.items() if path is not None},
        }

    @classmethod
    def from_dict(cls, line: Mapping[str, Any]) -> Prompt:
        """The inverse of `to_dict`."""
        pictures = (Path(line[key]) if key in line else None for key in ("image", "start"))
        return cls(line["prompt"], line["seed"], *pictures)


@dataclass(frozen=True)
class _Entry:
    """A prompt as a file has it."""

    text: str
    seed: int | None = None
    picture: Path | None = None
    start: Path | None = None


def read_prompts(path: Path, seed: int = 0) -> list[Prompt]:
    """The prompts of a file or folder; one without a seed has ``seed`` plus its number.

    Args:
        path: one of

            - ``.jsonl``: a line an object with "prompt", and if wanted "seed", "image", the path of a real picture, and
              "start", the path of a picture that the pipeline starts from or follows;
            - ``.json``: captions in COCO's format: the first of every image, then the second of every image, and so on;
            - a folder of pictures with captions: a ``metadata.jsonl`` with "file_name" and "text", or beside each
              picture a text file of its name;
            - any other file: a line a prompt.

    Raises:
        ValueError: it is none of these; says which file and line.
        OSError: it cannot be read.
    """
    if path.is_dir():
        entries = list(_folder(path))
    elif path.suffix.lower() == ".jsonl":
        entries = list(_json_lines(path))
    elif path.suffix.lower() == ".json":
        entries = list(_coco(path))
    else:
        entries = [_Entry(text) for _, text in _lines(path)]
    if not entries:
        raise ValueError(f"{path} has no prompts.")
    seeds = (seed + number if entry.seed is None else entry.seed for number, entry in enumerate(entries))
    return [Prompt(entry.text, seed, entry.picture, entry.start) for entry, seed in zip(entries, seeds, strict=True)]


def seeded(prompts: Iterable[Prompt | str], seed: int = 0) -> list[Prompt]:
    """Prompts as they are, and texts as prompts whose seeds count up from ``seed``."""
    return [Prompt(each, seed + number) if isinstance(each, str) else each for number, each in enumerate(prompts)]


def numbered(texts: Sequence[str], per_text: int = 1, seed: int = 0) -> list[Prompt]:
    """Every text ``per_text`` times; seeds count up from ``seed``, text by text."""
    return seeded([text for text in texts for _ in range(per_text)], seed)


def embedded_prompts(count: int, seed: int = 0, model: str = "scenes") -> list[Prompt]:
    """Captions that an embedded model never saw in training.

    With one thing and with two things in turn; with one thing for a model that generates no more; of clips for one that
    generates videos.
    """
    from ..demo import clips, scenes

    if model.startswith("scenes-video"):
        texts = clips.held_out_prompts(count, seed=1)
    elif model.startswith("scenes-if"):
        texts = scenes.held_out_prompts(count, 1, seed=1)
    else:
        single = scenes.held_out_prompts((count + 1) // 2, 1, seed=1)
        double = scenes.held_out_prompts(count // 2, 2, seed=1)
        texts = [(double if number % 2 else single)[number // 2] for number in range(count)]
    return [Prompt(text, seed + number) for number, text in enumerate(texts)]


def class_prompts(labels: Iterable[str], count: int | None = None, seed: int = 0) -> list[Prompt]:
    """The classes of a class-conditional pipeline in turn, ``count`` in all; one of each if that is left out.

    Args:
        labels: ``pipe.labels``, or those of ``id2label`` in a ``model_index.json``; of names for one class the first.
    """
    names = [label.split(",")[0].strip() for label in labels]
    return [Prompt(names[number % len(names)], seed + number) for number in range(count or len(names))]


def repeated(prompts: Sequence[Prompt], times: int) -> list[Prompt]:
    """Every prompt ``times`` times, with seeds that do not meet those of the others where these count up from one."""
    return [replace(prompt, seed=prompt.seed + number * len(prompts)) for number in range(times) for prompt in prompts]


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Lines that are not empty, each with what to call it in an error."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not text in UTF-8: byte {error.start} is none.") from error
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield f"{path}, line {number}", line.strip()


def _objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for where, line in _lines(path):
        try:
            entry = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"{where} is not JSON: {error.msg}.") from error
        if not isinstance(entry, dict):
            raise ValueError(f'{where} is not an object such as {{"prompt": "a cat"}}.')
        yield where, entry


def _json_lines(path: Path) -> Iterator[_Entry]:
    for where, entry in _objects(path):
        seed = entry.get("seed")
        if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool) or seed < 0):
            raise ValueError(f"{where}: a seed is a whole number from 0, not {seed!r}.")
        pictures = (entry.get(key) for key in ("image", "start"))
        found = (None if name is None else _picture(where, path.parent, name) for name in pictures)
        yield _Entry(_caption(where, entry), seed, *found)


def _folder(path: Path) -> Iterator[_Entry]:
    metadata = path / "metadata.jsonl"
    if metadata.is_file():
        for where, entry in _objects(metadata):
            if "file_name" not in entry:
                raise ValueError(f'{where} has no "file_name".')
            yield _Entry(_caption(where, entry), picture=_picture(where, path, entry["file_name"]))
        return
    for picture in pictures_in(path):
        caption = picture.with_suffix(".txt")
        if not caption.is_file():
            raise ValueError(f"{path} has no metadata.jsonl, and {picture.name} has no caption {caption.name}.")
        yield _Entry(" ".join(line for _, line in _lines(caption)), picture=picture)


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder and of the folders in it, by name."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES and path.is_file())


def _coco(path: Path) -> Iterator[_Entry]:
    try:
        annotations = json.loads(path.read_text(encoding="utf-8"))["annotations"]
        captions = [(entry["image_id"], entry["id"], str(entry["caption"]).strip()) for entry in annotations]
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}, line {error.lineno} is not JSON: {error.msg}.") from error
    except (KeyError, TypeError) as error:
        raise ValueError(
            f'{path} is no file of COCO captions: it needs "annotations" with "image_id", "id" and "caption".'
        ) from error
    rank: dict[Any, int] = defaultdict(int)
    ranked = []
    for image, number, caption in sorted(captions):
        ranked.append((rank[image], image, number, caption))
        rank[image] += 1
    for _, _, _, caption in sorted(ranked):
        yield _Entry(caption)


def _caption(where: str, entry: dict[str, Any]) -> str:
    text = next((entry[key] for key in _CAPTION_KEYS if key in entry), None)
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f'{where} has no "prompt".')
    return text.strip()


def _picture(where: str, folder: Path, name: Any) -> Path:
    path = folder / str(name)
    if not path.is_file():
        raise ValueError(f"{where}: there is no picture {path}.")
    return path

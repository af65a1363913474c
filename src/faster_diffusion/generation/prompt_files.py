"""Prompts from files of every kind that people keep them in."""

from __future__ import annotations

import csv
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .pictures import pictures_in
from .prompts import LARGEST_SEED, Prompt
from .text import decoded, numbered_lines

STANDARD_INPUT = Path("-")

_CAPTION_KEYS = ("prompt", "text", "caption")
_DELIMITERS, _NONE = ",;\t", "\x1f"


@dataclass(frozen=True)
class _Entry:
    """A prompt as a file has it."""

    text: str
    seed: int | None = None
    picture: Path | None = None
    start: Path | None = None


def read_prompts(path: Path, seed: int = 0, per_prompt: int = 1) -> list[Prompt]:
    """The prompts of a file or folder; one without a seed has ``seed`` plus its number.

    Text may be in UTF-8, or in UTF-16 or UTF-32 with a byte-order mark.

    Args:
        path: one of

            - ``.jsonl``: a line an object with "prompt", and if wanted "seed", "image", the path of a real picture, and
              "start", the path of a picture that the pipeline starts from or follows;
            - ``.csv`` or ``.tsv``: the same by columns, which a header names;
            - ``.json``: a list of prompts or of such objects; or captions as COCO or Karpathy has them: the first of
              every image, then the second of every image, and so on;
            - a folder of pictures with captions: a ``metadata.jsonl`` or ``metadata.csv`` with "file_name" and "text",
              or beside each picture a text file of its name;
            - ``-``: standard input, a line a prompt or an object as above;
            - any other file: a line a prompt.
        per_prompt: how often each is asked for, at seeds that count up.

    Raises:
        ValueError: it is none of these; says which file and line.
        OSError: it cannot be read.
    """
    entries = list(_entries(path))
    if not entries:
        raise ValueError(f"{_name(path)} has no prompts.")
    return [
        Prompt(entry.text, number + (seed + index * per_prompt if entry.seed is None else entry.seed), *pictures)
        for index, entry in enumerate(entries)
        for pictures in [(entry.picture, entry.start)]
        for number in range(per_prompt)
    ]


def _entries(path: Path) -> Iterator[_Entry]:
    if path == STANDARD_INPUT:
        return _standard_input()
    if path.is_dir():
        return _folder(path)
    suffix = path.suffix.lower()
    if suffix == ".json":
        return _json(path)
    if suffix == ".jsonl":
        return _tabled(_objects(path, _read(path)), path.parent)
    if suffix in (".csv", ".tsv"):
        return _tabled(_rows(path), path.parent)
    return (_Entry(text) for _, text in numbered_lines(_read(path), _name(path)))


def _read(path: Path) -> str:
    content = sys.stdin.buffer.read() if path == STANDARD_INPUT else path.read_bytes()
    return decoded(content, _name(path))


def _name(path: Path) -> str:
    return "Standard input" if path == STANDARD_INPUT else str(path)


def _standard_input() -> Iterator[_Entry]:
    text = _read(STANDARD_INPUT)
    if text.lstrip().startswith("{"):
        return _tabled(_objects(STANDARD_INPUT, text), Path())
    return (_Entry(line) for _, line in numbered_lines(text, _name(STANDARD_INPUT)))


def _tabled(entries: Iterable[tuple[str, Mapping[str, Any]]], folder: Path) -> Iterator[_Entry]:
    """Entries by name: a prompt, and if wanted a seed and pictures."""
    for where, entry in entries:
        pictures = (entry.get(key) for key in ("image", "start"))
        found = (None if name in (None, "") else _picture(where, folder, name) for name in pictures)
        yield _Entry(_caption(where, entry), _seed(where, entry.get("seed")), *found)


def _objects(path: Path, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for where, line in numbered_lines(text, _name(path)):
        try:
            entry = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise ValueError(f"{where} is not JSON: {getattr(error, 'msg', 'too deep')}.") from error
        if not isinstance(entry, dict):
            raise ValueError(f'{where} is not an object such as {{"prompt": "a cat"}}.')
        yield where, entry


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of a table by the names in its header, which says by what columns are divided."""
    text = _read(path)
    head = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=head.count)
    delimiter = delimiter if delimiter in head else _NONE  # one column, whose commas divide nothing
    try:
        rows = csv.reader(text.splitlines(keepends=True), delimiter=delimiter, strict=True)
        names = [name.strip().lower() for name in next(rows, [])]
        if not any(key in names for key in (*_CAPTION_KEYS, "file_name")):
            raise ValueError(f'{path} has no column "prompt"; its header has: {", ".join(names) or "nothing"}.')
        for row in rows:
            if any(cell.strip() for cell in row):
                yield f"{path}, line {rows.line_num}", dict(zip(names, row, strict=False))
    except csv.Error as error:
        raise ValueError(f"{path} is no table: {error}.") from error


def _folder(path: Path) -> Iterator[_Entry]:
    metadata = next((path / name for name in ("metadata.jsonl", "metadata.csv") if (path / name).is_file()), None)
    if metadata is not None:
        for where, entry in _objects(metadata, _read(metadata)) if metadata.suffix == ".jsonl" else _rows(metadata):
            if "file_name" not in entry:
                raise ValueError(f'{where} has no "file_name".')
            yield _Entry(_caption(where, entry), picture=_picture(where, path, entry["file_name"]))
        return
    for picture in pictures_in(path):
        caption = picture.with_suffix(".txt")
        if not caption.is_file():
            raise ValueError(f"{path} has no metadata.jsonl, and {picture.name} has no caption {caption.name}.")
        yield _Entry(" ".join(line for _, line in numbered_lines(_read(caption), str(caption))), picture=picture)


def _json(path: Path) -> Iterator[_Entry]:
    try:
        content = json.loads(_read(path))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}, line {error.lineno} is not JSON: {error.msg}.") from error
    except RecursionError as error:
        raise ValueError(f"{path} is not JSON: too deep.") from error
    if isinstance(content, dict) and isinstance(content.get("prompts"), list):
        content = content["prompts"]
    if isinstance(content, list) and all(
        isinstance(each, str) or (isinstance(each, dict) and "image_id" not in each) for each in content
    ):
        return _tabled(
            (
                (f"{path}, entry {number}", each if isinstance(each, dict) else {"prompt": each})
                for number, each in enumerate(content, 1)
            ),
            path.parent,
        )
    return (_Entry(caption) for caption in _in_turn(_captions(path, content)))


def _captions(path: Path, content: Any) -> list[tuple[Any, Any, str]]:
    """Captions as COCO has them: image, number, text. Their numbers may be missing; Karpathy has them by image."""
    try:
        if isinstance(content, dict) and "annotations" not in content and content["images"]:
            return [
                (number, index, sentence["raw"].strip())
                for number, image in enumerate(content["images"])
                for index, sentence in enumerate(image["sentences"])
            ]
        annotations = content if isinstance(content, list) else content["annotations"]
        return [
            (entry["image_id"], entry.get("id", number), entry["caption"].strip())
            for number, entry in enumerate(annotations)
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f'{path} is no file of COCO captions: it needs "annotations" with "image_id" and "caption". '
            "A list of prompts is read too."
        ) from error


def _in_turn(captions: Iterable[tuple[Any, Any, str]]) -> Iterator[str]:
    """The first caption of every image, then the second of every image, and so on."""
    rank: dict[Any, int] = defaultdict(int)
    ranked = []
    for image, _, caption in sorted(captions, key=lambda each: (_key(each[0]), _key(each[1]))):
        ranked.append((rank[image], _key(image), caption))
        rank[image] += 1
    return (caption for _, _, caption in sorted(ranked))


def _key(value: Any) -> tuple[int, float, str]:
    """By which numbers and names are sorted together."""
    return (0, value, "") if isinstance(value, (int, float)) else (1, 0, str(value))


def _caption(where: str, entry: Mapping[str, Any]) -> str:
    text = next((entry[key] for key in _CAPTION_KEYS if key in entry), None)
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f'{where} has no "prompt".')
    return text.strip()


def _seed(where: str, value: Any) -> int | None:
    if value is None or value == "":
        return None
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{where}: a seed is a whole number from 0, not {value!r}.")
    if value > LARGEST_SEED:
        raise ValueError(f"{where}: a seed is at most {LARGEST_SEED}, not {value}.")
    return value


def _picture(where: str, folder: Path, name: Any) -> Path:
    path = folder / str(name)
    if not path.is_file():
        raise ValueError(f"{where}: there is no picture {path}.")
    return path

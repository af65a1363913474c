"""Where the pictures of a command go: their names, what is there already, and that each is kept when it is made."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from PIL import Image

from ..generation.errors import InputError
from . import outputs
from .errors import CliError, in_one_line

if TYPE_CHECKING:
    from ..generation.prompts import Prompt

_WORDS, _BYTES = 60, 120  # of a prompt in a name, in characters and as written by a file system
_MAY_DIFFER = ("versions", "device")  # between two pictures that count as the same


@dataclass(frozen=True)
class Planned:
    """A picture that is asked for."""

    prompt: Prompt
    path: Path
    settings: Mapping[str, Any]  # as it will carry them


def hold(out: Path, count: int) -> None:
    """Checks a folder, or a file for one picture, and keeps others from it until the command ends.

    Raises:
        CliError: it cannot take ``count`` pictures.
    """
    from ..generation.metadata import FORMATS

    if is_file(out):
        if count > 1:
            raise CliError(f"--out {out} is one file, but {count} images are to be made; give a folder.")
        outputs.hold_file(out)
    elif out.suffix.lower() in Image.registered_extensions() and not out.is_dir():
        raise CliError(f"--out {out}: pictures are written as {', '.join(FORMATS)}.")
    elif out.exists() and not out.is_dir():
        raise CliError(f"--out {out} is a file, but neither a folder nor one of {', '.join(FORMATS)}.")
    else:
        outputs.hold_folder(out)


def is_file(out: Path) -> bool:
    """Whether this names a picture rather than a folder."""
    from ..generation.metadata import FORMATS

    return out.suffix.lower() in FORMATS


def paths(out: Path, wanted: Sequence[Prompt]) -> list[Path]:
    """Where each picture goes: the file that is named, or in a folder by seed and prompt."""
    if is_file(out):
        return [out]
    names: list[str] = []
    met: Counter[str] = Counter()
    for prompt in wanted:
        name = f"{prompt.seed:05d}-{_slug(prompt.text)}"
        met[name] += 1
        names.append(name if met[name] == 1 else f"{name}-{met[name]}")
    return [out / f"{name}.png" for name in names]


def _slug(text: str) -> str:
    words = re.sub(r"\W+", "-", text.lower()).strip("-")[:_WORDS]
    return words.encode()[:_BYTES].decode(errors="ignore").rstrip("-") or "image"


def lacking(planned: Iterable[Planned], overwrite: bool) -> list[Planned]:
    """Those that are not there yet.

    Raises:
        CliError: something else is in the place of one.
    """
    return [one for one in planned if overwrite or not _is_there(one)]


def _is_there(one: Planned) -> bool:
    from ..generation import images

    if not one.path.exists():
        return False
    try:
        there = images.read_settings(one.path)
    except InputError:
        raise _refused(one.path, "it is nothing of ours that could be read") from None
    difference = next(_differences(there, json.loads(json.dumps(one.settings))), None)
    if difference is not None:
        raise _refused(one.path, f"it was made with {difference}")
    return True


def _refused(path: Path, reason: str) -> CliError:
    return CliError(f"{path} is there already, and {reason}. Add --overwrite, or name another --out.")


def _differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> Iterator[str]:
    """What a picture that is there was made with otherwise."""
    for name in dict.fromkeys((*here, *there)):
        if name not in _MAY_DIFFER and there.get(name) != here.get(name):
            yield f"{name.replace('_', ' ')} {_shown(there.get(name))}, not {_shown(here.get(name))}"


def _shown(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def write(missing: Sequence[Planned], batches: Iterable[Sequence[Image.Image]], again: str, progress: bool) -> None:
    """Keeps every picture as soon as its batch is made, and shows one bar over all.

    Args:
        again: how to make those that an error leaves out.

    Raises:
        CliError: what went wrong, and how much is kept.
    """
    from ..generation import images
    from ..generation.progress import bar

    done = 0
    with bar(len(missing), "images", "image", progress, leave=False) as shown:
        try:
            for batch in batches:
                for image in batch:
                    images.save(image, missing[done].path, dict(missing[done].settings))
                    shown.clear()
                    typer.echo(missing[done].path)
                    done += 1
                    shown.update()
        except BaseException as error:
            if len(missing) == 1:
                raise
            kept = f"{done} of {len(missing)} images are kept; {again} makes the rest."
            told = in_one_line(error)
            if told is None:  # a bug, which is told as such
                typer.echo(kept, err=True)
                raise
            raise CliError(f"{str(told).rstrip('.')}. {kept}", told.code) from error

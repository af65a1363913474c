"""Prompts that models are judged on, from a file or of their own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .errors import CliError

if TYPE_CHECKING:
    from ..generation.prompts import Prompt

EMBEDDED = 64  # of those that embedded models understand, unless told how many


def from_file(path: Path, seed: int, per_prompt: int = 1) -> list[Prompt]:
    """The prompts of a file, a folder, or standard input as ``-``; see `read_prompts`.

    Raises:
        CliError: there is no such file.
    """
    from ..generation.prompt_files import STANDARD_INPUT, read_prompts

    if path != STANDARD_INPUT and not path.exists():
        raise CliError(f"There is no file or folder {path}.")
    return read_prompts(path, seed, per_prompt)


def prompts_for(model: str, path: Path | None, count: int | None, seed: int) -> list[Prompt]:
    """The first ``count`` of a file; without one the classes that a model knows, or what the embedded ones understand.

    Raises:
        CliError: there is no such file, or a model needs one.
    """
    from .. import demo
    from ..generation import loading
    from ..generation.prompts import class_prompts, embedded_prompts

    if path is not None:
        return from_file(path, seed)[:count]
    classes = (loading.read_config(model, "model_index.json") or {}).get("id2label")
    if classes:
        return class_prompts(classes.values(), count, seed)
    if model in demo.available():
        return embedded_prompts(count or EMBEDDED, seed, model)
    raise CliError("This model needs --prompts: a text file with a prompt a line, say.")

"""`faster-diffusion show`: how a picture was made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from .errors import CliError, one_line


@one_line
def show(
    image: Annotated[Path, typer.Argument(help="A picture or a .gif of ours; of other tools, what they write too.")],
    as_json: Annotated[bool, typer.Option("--json", help="All of our own record, and nothing else.")] = False,
) -> None:
    """Prints the settings that a picture carries; `generate --like IMAGE` makes it again."""
    from ..generation.metadata import read

    record, text = read(image)
    if record is None and (as_json or text is None):
        raise CliError(f"{image} carries no settings of Faster Diffusion.")
    if text is not None and not as_json:
        typer.echo(text)
    if record is not None:
        typer.echo(json.dumps(record, indent=1, ensure_ascii=False))

"""`generate --like IMAGE`: options as a picture of ours carries them, where none are given."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from ..generation.errors import InputError

# Parameters of the command, by where a record has them.
_SAME = (
    *("model", "seed", "steps", "guidance", "negative", "height", "width", "dtype", "arm", "profile"),
    *("long_prompts", "image", "strength", "control", "controlnet", "control_scale", "lora", "embedding"),
)
_ACCELERATION = ("key_steps", "parallel", "prior_noise")


def take_settings(context: typer.Context, path: Path | None) -> Path | None:
    """Makes the settings of a picture the defaults of the other options.

    Raises:
        typer.BadParameter: the picture carries none, or those of several images.
    """
    from ..generation.images import read_settings

    if path is None:
        return None
    try:
        settings = read_settings(path)
    except InputError as error:
        raise typer.BadParameter(str(error)) from error
    if "prompt" not in settings:
        raise typer.BadParameter(f"{path} shows several images; give one of them.")
    context.default_map = {**(context.default_map or {}), **defaults(settings)}
    return path


def defaults(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of the command that make a picture with these settings."""
    found = {name: settings[name] for name in _SAME if settings.get(name) is not None}
    acceleration = settings.get("acceleration") or {}
    found |= {name: acceleration[name] for name in _ACCELERATION if name in acceleration}
    if settings.get("profile") is not None or settings.get("arm") is not None:
        found.pop("steps", None)  # they say it themselves
    return {**found, "prompt": [settings["prompt"]], "scheduler": settings.get("solver")}

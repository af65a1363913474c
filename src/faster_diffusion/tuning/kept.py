"""Long runs that are followed batch by batch, and kept on disk, so that what is killed goes on where it was."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from contextlib import suppress
from itertools import starmap
from pathlib import Path
from typing import Any

import torch

from ..arms import Arm
from ..files import write_whole
from ..generation.progress import bar
from ..generation.prompts import Prompt
from ..generation.sampling import Settings
from ..measuring.identity import identity, versions
from .following import Followed, follow
from .following import Path as Latents


def follow_and_keep(
    pipe: Any,
    arm: Arm,
    prompts: Sequence[Prompt],
    settings: Settings,
    folder: Path | None,
    *,
    listen: bool = False,
    progress: bool = False,
) -> Followed:
    """The same as `follow`, ``settings.batch_size`` prompts at a time, each kept in ``folder`` once it is through.

    What lies there of another pipeline, arm, prompt or setting, or torn, is made anew.

    Raises:
        ValueError: see `follow`.
        OSError: the folder cannot be written.
    """
    size = settings.batch_size
    parts = [list(prompts[start : start + size]) for start in range(0, len(prompts), size)]
    about = {
        "arm": arm.spec,
        "settings": settings.to_dict(),
        "listen": listen,
        **({"pipeline": identity(pipe), "versions": versions()} if folder else {}),
    }

    def followed(number: int, part: list[Prompt]) -> Followed:
        path = folder / f"{number:04d}.pt" if folder else None
        made = json.dumps({**about, "prompts": [prompt.to_dict() for prompt in part]}, sort_keys=True, default=str)
        kept = None if path is None else _read(path, made)
        if kept is not None:
            return Followed(arm, tuple(part), settings, *kept)
        run = follow(pipe, arm, part, settings, listen=listen)
        if path is not None:
            _write(path, run, made)
        return run

    return _joined(list(starmap(followed, enumerate(bar(parts, "long run", "batch", progress)))))


def forget(folder: Path) -> None:
    """Deletes what `follow_and_keep` kept in a folder, and the folder if nothing else is in it."""
    for path in folder.glob("[0-9][0-9][0-9][0-9].pt"):
        path.unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()


def _joined(runs: Sequence[Followed]) -> Followed:
    first = runs[0]
    latents = [torch.cat(of_step) for of_step in zip(*(run.path.latents for run in runs), strict=True)]
    said = tuple(torch.cat(of_step) for of_step in zip(*(run.said for run in runs), strict=True))
    path = Latents(first.path.times, latents, first.path.schedule, first.path.scaled)
    return Followed(first.arm, sum((run.prompts for run in runs), ()), first.settings, path, said)


def _write(path: Path, run: Followed, made: str) -> None:
    content = io.BytesIO()
    torch.save({"made": made, "path": vars(run.path), "said": list(run.said)}, content)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content.getvalue())


def _read(path: Path, made: str) -> tuple[Latents, tuple[torch.Tensor, ...]] | None:
    """What was kept, if it is whole and was made so."""
    if not path.exists():
        return None
    try:
        content = torch.load(path, weights_only=True)
        return (Latents(**content["path"]), tuple(content["said"])) if content["made"] == made else None
    except Exception:  # torn: torch fails on such files in many ways
        return None

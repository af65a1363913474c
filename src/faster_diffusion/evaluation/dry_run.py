"""What a run will do and need, estimated before any weights are loaded."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from ..arms import Arm
from ..generation.prompts import Prompt
from ..generation.sampling import Settings
from ..models import schedulers
from . import features
from .judging import Judges

_LARGE = (1024, 1024)  # pixels, where a model does not say


@dataclass(frozen=True)
class Model:
    """What is known of a pipeline without its weights.

    Args:
        scheduler: a scheduler of its own, if its config is at hand.
        size: width and height of its images in pixels, if its configs are at hand.
    """

    scheduler: Any = None
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Requirements:
    """A run before it is started."""

    images: int
    network_calls: int  # each of a batch
    disk_bytes: int  # at most
    free_bytes: int
    measured: tuple[str, ...]
    not_measured: tuple[str, ...]  # each with its reason

    def __str__(self) -> str:
        lines = [
            f"{self.images:,} images, {self.network_calls:,} network calls; at most {self.disk_bytes / 1e6:,.0f} MB "
            f"of {self.free_bytes / 1e9:,.0f} GB free.",
            f"Measured: {', '.join(self.measured)}.",
        ]
        return "\n".join(lines + [f"Not measured: {reason}." for reason in self.not_measured])


def requirements(
    arms: Sequence[Arm],
    prompts: Sequence[Prompt],
    settings: Settings,
    judges: Judges,
    models: Sequence[Model],
    out: Path,
    device: str,
) -> Requirements:
    """What a run takes.

    Raises:
        ValueError: a network to judge by cannot be found, or the disk is too small.
        ImportError: an arm needs a package that is not installed.
    """
    for name in (judges.features, judges.clip):
        reason = features.find(name) if name else None
        if reason:
            raise ValueError(f"The network {name} cannot be had: {reason}.")
    for arm in arms:
        check_installed(arm)
    size = _size(settings, models)
    images, calls = len(arms) * len(prompts), 0
    for arm in arms:
        batches = ceil(len(prompts) / settings.batch_size) + 1  # and the one image whose operations are counted
        calls += batches * sum(_calls(arm, *part) for part in zip(settings.steps, models, strict=True))
    width, height = size or _LARGE
    needed, free = images * (3 * width * height * (settings.frames or 1) + 4096), _free(out)
    if needed > free:
        raise ValueError(f"{out} may need {needed / 1e9:,.1f} GB, but {free / 1e9:,.1f} GB are free there.")
    columns = judges.columns(judges.material(prompts, device, size, settings.frames)).values()
    return Requirements(
        images,
        calls,
        needed,
        free,
        tuple(column.title for column in columns if column.missing is None),
        tuple(f"{column.title} ({column.missing})" for column in columns if column.missing is not None),
    )


def check_installed(arm: Arm) -> None:
    """Refuses an arm whose third-party methods are not installed.

    Raises:
        ImportError: says what to install.
    """
    for method in arm.third_party:
        try:
            with method.applied(None):
                pass
        except ValueError:
            continue  # it is installed, and refuses to be put on nothing


def _calls(arm: Arm, steps: int, model: Model) -> int:
    """How often a run evaluates the network."""
    steps = arm.steps(steps)
    if arm.solver is not None:
        scheduler = schedulers.make(arm.solver, model.scheduler.config if model.scheduler is not None else {})
    elif model.scheduler is not None:
        scheduler = model.scheduler
    else:
        return steps
    return schedulers.network_calls(scheduler, steps)


def _size(settings: Settings, models: Sequence[Model]) -> tuple[int, int] | None:
    """Of the images, if a single pipeline makes them: one that goes on from others follows their size."""
    if len(models) > 1:
        return None
    if settings.width is None and settings.height is None:
        return models[0].size
    own = models[0].size or _LARGE
    return settings.width or own[0], settings.height or own[1]


def _free(folder: Path) -> int:
    """Bytes free where a folder is or will be."""
    there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    return shutil.disk_usage(there).free

"""An evaluation: arms draw the same prompts from the same seeds, in turn, and are judged by what they drew."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..arms import Arm
from ..benchmark import machine
from . import report
from .contest import DEFAULT_ARMS, UNTOUCHED, kind_of, line_up
from .cost import flops, measured, network_of
from .drawing import Settings, check_takes_prompts, draw, sampling_as
from .extra import check_extra
from .fingerprint import fingerprint, versions
from .judging import Judges
from .prompts import Prompt
from .results import ArmResult, Evaluation
from .store import Store, write_json

logger = logging.getLogger(__name__)


def evaluate(
    pipe: Any,
    arms: Sequence[Arm | str] = DEFAULT_ARMS,
    prompts: Sequence[Prompt] = (),
    settings: Settings | None = None,
    judges: Judges | None = None,
    *,
    out: Path,
    name: str = "",
    reports: bool = True,
    progress: bool = False,
) -> Evaluation:
    """Draws every prompt with every arm, judges the images, and writes ``results.json`` and the images to ``out``.

    A run that was stopped is gone on with when it is called again with the same arguments.

    Args:
        pipe: a pipeline that draws images from prompts; or several, each of which goes on from the images of the one
            before, such as DeepFloyd-IF's stages.
        arms: ways of sampling (see ``Arm.parse``); the untouched one is added if it is missing.
        prompts: see ``read_prompts`` and ``embedded_prompts``.
        out: a folder, which is made.
        name: the model's, for the reports.
        reports: whether to write ``report.html``, ``report.md`` and plots too.
        progress: whether to show a progress bar on stderr.

    Raises:
        ValueError: something is not understood, or ``out`` holds another evaluation.
        ImportError: the extra ``eval`` is not installed.
    """
    check_extra()
    pipes = list(pipe) if isinstance(pipe, (list, tuple)) else [pipe]
    settings, judges = settings or Settings(), judges or Judges()
    contest = line_up(arms, judges.references)
    if not prompts:
        raise ValueError("There are no prompts.")
    if len(settings.steps) != len(pipes):
        raise ValueError(f"{len(pipes)} pipelines need a number of steps each, not {len(settings.steps)}.")
    check_takes_prompts(pipes)
    parts = [fingerprint(part) for part in pipes]
    manifest: dict[str, Any] = {
        "model": {"name": name, "parts": parts},
        "prompts": [{"prompt": prompt.text, "seed": prompt.seed} for prompt in prompts],
        "arms": {arm.name: arm.spec for arm in contest},
        "settings": settings.to_dict(),
        "versions": versions(),
    }
    store = Store(out, manifest, settings.batch_size)
    with _quiet(pipes):
        failed = _drawn(pipes, contest, prompts, settings, store, [UNTOUCHED.name, *judges.references], progress)
    material = judges.material(prompts, parts[0]["device"], store.image(UNTOUCHED.name, 0).size)
    columns = judges.columns(material)
    able = [arm.name for arm in contest if arm.name not in failed]
    values = judges.verdict(material, columns, able, store, progress)
    found = Evaluation(
        model=manifest["model"],
        settings=settings.to_dict(),
        machine=machine(),
        judges={
            "features": judges.features,
            "clip": judges.clip,
            "real": f"{material.real.source} ({material.real.count})" if material.real else None,
        },
        prompts=tuple(prompts),
        columns=columns,
        arms=tuple(
            ArmResult(arm.name, arm.spec, kind_of(arm), failed.get(arm.name), values.get(arm.name, {}))
            for arm in contest
        ),
    )
    write_json(out / "results.json", found.to_dict())
    if reports:
        report.write(found, store)
    return found


def _drawn(
    pipes: Sequence[Any],
    arms: Sequence[Arm],
    prompts: Sequence[Prompt],
    settings: Settings,
    store: Store,
    indispensable: Sequence[str],
    progress: bool,
) -> dict[str, str]:
    """Draws what is missing, batch by batch with all arms in turn; gives the arms that cannot, and why.

    What the machine does meanwhile so falls on all arms alike. The one image whose operations are counted warms up.
    """
    networks = [network_of(pipe) for pipe in pipes]
    failed: dict[str, str] = {}

    @contextmanager
    def attempt(arm: Arm) -> Iterator[None]:
        try:
            with sampling_as(arm, pipes):
                yield
        except Exception as error:
            if arm.name in indispensable:
                raise
            failed[arm.name] = f"{type(error).__name__}: {' '.join(str(error).split())}"
            logger.warning("Arm %s is left out. %s", arm.name, failed[arm.name])

    with tqdm(total=len(arms) * store.count, desc="drawing", unit="image", disable=not progress) as bar:
        for arm in arms:
            if store.record(arm.name, "flops") is None:
                with attempt(arm):
                    count = flops(networks, partial(draw, arm, pipes, prompts[:1], settings))
                    store.put_record(arm.name, "flops", {"flops": count})
        for number, batch in enumerate(store.batches):
            for arm in arms[:: -1 if number % 2 else 1]:
                bar.update(len(batch))
                if arm.name in failed or store.done(arm.name, batch):
                    continue
                part = [prompts[index] for index in batch]
                with attempt(arm):
                    images, cost = measured(networks, partial(draw, arm, pipes, part, settings))
                    store.put(arm.name, batch, images, cost.to_dict())
    return failed


@contextmanager
def _quiet(pipes: Sequence[Any]) -> Iterator[None]:
    """Within it, the pipelines show no progress bars of their own."""
    before = [(pipe, dict(getattr(pipe, "_progress_bar_config", {}))) for pipe in pipes]
    for pipe in pipes:
        pipe.set_progress_bar_config(disable=True)
    try:
        yield
    finally:
        for pipe, config in before:
            pipe.set_progress_bar_config(**config)

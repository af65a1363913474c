"""An evaluation: arms draw the same prompts from the same seeds, in turn, and are judged by what they drew."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..arms import Arm
from ..benchmark import machine
from . import real
from .cost import flops, measured, network_of
from .drawing import Settings, check_takes_prompts, draw, sampling_as
from .features import load_extractor, load_scorer
from .fingerprint import fingerprint, versions
from .metrics import METRICS, Metric, Need, Study
from .prompts import Prompt
from .results import ArmResult, Column, Evaluation
from .store import Store, write_json

logger = logging.getLogger(__name__)

UNTOUCHED = Arm()
DEFAULT_ARMS = ("untouched", "paper", "paper + noise", "uniform:4", "steps:25", "dpm++:20", "dpm++:10")


@dataclass(frozen=True)
class Judges:
    """What images are judged by.

    Args:
        metrics: keys of ``METRICS``; all by default.
        references: names of arms whose images those of the others are compared with, after the untouched one.
        features: the network that distances between sets of images are measured in; see ``features``.
        clip: the network that says how well an image fits its prompt.
        real: a folder of real images; by default the pictures of the prompts, or rendered scenes if they are captions
            of these.
    """

    metrics: Sequence[str] = tuple(METRICS)
    references: Sequence[str] = ()
    features: str | None = None
    clip: str | None = None
    real: Path | None = None

    def __post_init__(self) -> None:
        unknown = [key for key in self.metrics if key not in METRICS]
        if unknown:
            raise ValueError(f"Unknown metric {unknown[0]!r}. Known: {', '.join(METRICS)}.")


def evaluate(
    pipe: Any,
    arms: Sequence[Arm | str] = DEFAULT_ARMS,
    prompts: Sequence[Prompt] = (),
    settings: Settings | None = None,
    judges: Judges | None = None,
    *,
    out: Path,
    name: str = "",
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
        name: the model's, for the report.
        progress: whether to show a progress bar on stderr.

    Raises:
        ValueError: something is not understood, or ``out`` holds another evaluation.
    """
    pipes = list(pipe) if isinstance(pipe, (list, tuple)) else [pipe]
    settings, judges = settings or Settings(), judges or Judges()
    contest = line_up(arms, judges.references)
    if not prompts:
        raise ValueError("There are no prompts.")
    if len(settings.steps) != len(pipes):
        raise ValueError(f"{len(pipes)} pipelines need a number of steps each, not {len(settings.steps)}.")
    check_takes_prompts(pipes)
    model = {"name": name, "parts": [fingerprint(part) for part in pipes]}
    manifest = {
        "model": model,
        "prompts": [{"prompt": prompt.text, "seed": prompt.seed} for prompt in prompts],
        "arms": {arm.name: arm.spec for arm in contest},
        "settings": settings.to_dict(),
        "versions": versions(),
    }
    store = Store(out, manifest, settings.batch_size)
    with _quiet(pipes):
        failed = _drawn(pipes, contest, prompts, settings, store, [UNTOUCHED.name, *judges.references], progress)
    study = _study(store, prompts, judges, pipes[0].device.type)
    columns = dict(_columns(judges.metrics, study))
    values = _judged(columns, [arm.name for arm in contest if arm.name not in failed], study, progress)
    found = Evaluation(
        model=model,
        settings=settings.to_dict(),
        machine=machine(),
        judges={
            "features": judges.features,
            "clip": judges.clip,
            "real": f"{study.real.source} ({study.real.count})" if study.real else None,
        },
        prompts=tuple(prompts),
        columns={key: column for key, (column, _) in columns.items()},
        arms=tuple(
            ArmResult(arm.name, arm.spec, kind_of(arm), failed.get(arm.name), values.get(arm.name, {}))
            for arm in contest
        ),
    )
    write_json(out / "results.json", found.to_dict())
    return found


def line_up(arms: Sequence[Arm | str], references: Sequence[str] = ()) -> list[Arm]:
    """The arms, the untouched one first, under which all others are seen.

    Raises:
        ValueError: two have one name, or a reference is none of them.
    """
    parsed = [Arm.parse(arm) if isinstance(arm, str) else arm for arm in arms]
    contest = [UNTOUCHED, *(arm for arm in parsed if arm != UNTOUCHED)]
    names = [arm.name for arm in contest]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"Two arms are called {twice!r}.")
    unknown = next((name for name in references if name not in names), None)
    if unknown is not None:
        raise ValueError(f"No arm is called {unknown!r}, which others are to be compared with: {', '.join(names)}.")
    return contest


def kind_of(arm: Arm) -> str:
    """What an arm does: change the solver or the number of steps alone, reuse the encoder, or what others do."""
    if arm.peers:
        return "other method"
    if arm.propagation is not None:
        return "encoder propagation"
    return "fewer steps" if arm != UNTOUCHED else "untouched"


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


def _study(store: Store, prompts: Sequence[Prompt], judges: Judges, device: str) -> Study:
    size = store.image(UNTOUCHED.name, 0).size
    needs = {need for key in judges.metrics for need in METRICS[key].needs}
    images = real.from_folder(judges.real, size) if judges.real else real.of_prompts(prompts, size)
    return Study(
        store,
        prompts,
        references=[UNTOUCHED.name, *judges.references],
        extractor=load_extractor(judges.features, device) if judges.features and Need.FEATURES in needs else None,
        scorer=load_scorer(judges.clip, device) if judges.clip and Need.SCORER in needs else None,
        real=images,
        device=device,
    )


def _columns(keys: Sequence[str], study: Study) -> Iterator[tuple[str, tuple[Column, Metric]]]:
    """A column a metric, or one for each reference if it compares."""
    for key in keys:
        metric, reason = METRICS[key], METRICS[key].lacks(study)
        references = study.references if Need.REFERENCE in metric.needs else [None]
        for number, reference in enumerate(references):
            column = Column(
                metric.name, metric.unit, metric.higher_is_better, metric.form, metric.repeats, reference, reason
            )
            yield f"{key}:{reference}" if number else key, (column, metric)


def _judged(
    columns: Mapping[str, tuple[Column, Metric]], arms: Sequence[str], study: Study, progress: bool
) -> dict[str, dict[str, Any]]:
    values: dict[str, dict[str, Any]] = {arm: {} for arm in arms}
    measurable = {key: pair for key, pair in columns.items() if pair[0].missing is None}
    with tqdm(total=len(arms) * len(measurable), desc="judging", unit="figure", disable=not progress) as bar:
        for arm in arms:
            for key, (column, metric) in measurable.items():
                values[arm][key] = metric.measure(study, arm, column.reference)
                bar.update()
    return values


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

"""One look at a pipeline: what its stages do from step to step, what that suggests, and where the time goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import nn

from ..api import enable, is_enabled
from ..engine.compiled import is_compiled_whole
from ..models.pipelines import network_of
from ..models.stages import layout_of, stage_names
from ..options.config import PropagationConfig
from .capture import observed
from .change import Change, ChangeMeter
from .drift import Drift, DriftMeter
from .pictures import PictureMeter, Pictures, decoder_of, image_of
from .suggest import Placement, place, suggest, uniform
from .timeline import Timeline, record

KEYS = (5, 9, 13, 25)  # numbers of key steps to suggest
PICTURED = 6  # steps


@dataclass(frozen=True)
class Analysis:
    """What was seen. ``save(folder)`` writes it as tables and pictures."""

    pipeline: str  # its class
    network: str
    scheduler: str
    prompts: tuple[str, ...]
    steps: int  # of the scheduler; a solver of second order evaluates the network more often
    config: PropagationConfig  # of the accelerated run in the timelines
    change: Change
    drift: Drift
    suggestions: tuple[Placement, ...]  # of key steps, fewest first
    others: tuple[Placement, ...]  # to compare them with: as many at equal distances, and those of ``config``
    pictures: Pictures  # of the first prompt
    timelines: tuple[Timeline, ...]  # of the first prompt, baseline and accelerated

    def save(self, folder: Path | str) -> Path:
        """Writes pictures, numbers as JSON and CSV, and ``analysis.md`` that shows them. Needs the extra ``eval``."""
        from .report import write

        return write(self, Path(folder))

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {
            **{name: getattr(self, name) for name in ("pipeline", "network", "scheduler", "steps")},
            "prompts": [*self.prompts],
            "config": self.config.to_dict(),
            "change": self.change.to_dict(),
            "drift": self.drift.to_dict(),
            "suggestions": [placement.to_dict() for placement in self.suggestions],
            "others": [placement.to_dict() for placement in self.others],
            "pictures": self.pictures.to_dict(),
            "timelines": [timeline.to_dict() for timeline in self.timelines],
        }

    def __str__(self) -> str:
        encoder, decoder = (fmean(part) for part in self.change.of_parts)
        baseline, accelerated = self.timelines
        return "\n".join(
            (
                f"Change from step to step: encoder {encoder:.2%}, decoder {decoder:.2%} of the mean square.",
                f"Timeline: baseline {baseline.seconds:.3f} s, {accelerated.title} {accelerated.seconds:.3f} s.",
                *map(self._line, self.suggestions),
            )
        )

    def _line(self, suggestion: Placement) -> str:
        k = len(suggestion.step_indices)
        others = [f"{other.name} {other.drift:.4f}" for other in self.others if len(other.step_indices) == k]
        return f"{k} key steps, drift {suggestion.drift:.4f} ({', '.join(others)}): --key-steps {suggestion.key_steps}"


def analyze(
    pipe: Any,
    prompts: Sequence[str | Mapping[str, Any]] = ({},),
    *,
    steps: int = 50,
    seed: int = 0,
    config: PropagationConfig | None = None,
    keys: Sequence[int] = KEYS,
    pictured: int = PICTURED,
    **call: Any,
) -> Analysis:
    """Samples once a prompt and watches; then once more and once accelerated, for the timeline.

    Afterwards the pipeline is as before. Kept meanwhile are the features of one step, 4 KiB of every other for each
    tensor and sample, and what is pictured.

    Args:
        pipe: a pipeline that ``fd.enable`` takes; not enabled, its network not compiled as a whole.
        prompts: one a call. Where a pipeline takes something else, the arguments in which the calls differ, such as
            ``[{"class_labels": [207]}]``.
        steps: ``num_inference_steps``.
        seed: of the first call; the next ones count up from it.
        config: the acceleration in the timeline; by default the paper's.
        keys: numbers of key steps to suggest; those beyond the run are left out.
        pictured: how many steps are pictured, evenly spread.
        call: further arguments of every call, such as ``guidance_scale=5``.

    Raises:
        ValueError: the pipeline is enabled or compiled, or cannot be accelerated.
    """
    network, config = _checked(pipe, config)
    calls = [{"prompt": prompt} if isinstance(prompt, str) else prompt for prompt in prompts or ({},)]

    def sample(number: int) -> Any:
        generator = torch.Generator("cpu").manual_seed(seed + number)  # a seed is the same image on every device
        return pipe(num_inference_steps=steps, generator=generator, **calls[number], **call)

    encoder, decoder = stage_names(network)
    change, drift = ChangeMeter(), DriftMeter()
    pictures = PictureMeter(pictured, [*encoder, *decoder], layout_of(network).frames)
    for number in range(len(calls)):
        watchers = (change, drift) if number else (change, drift, pictures)
        with observed(pipe, network, *watchers) as capture:
            output = sample(number)
        drift.end_run()
        if not number:
            seen = pictures.result(decoder_of(pipe), image_of(output))
    split = config.reuse.split(network)
    timed = partial(record, pipe, network, partial(sample, 0), split=split, calls_a_step=capture.calls_a_step)
    baseline = timed("baseline")
    with enable(pipe, config):
        sample(0)  # a batch of several steps is new to the machine
        accelerated = timed(f"key steps {config.key_steps}")
    drifted = drift.result()
    suggestions = suggest(drifted, keys)
    plan = config.key_steps
    planned = plan.orders(len(pipe.scheduler.timesteps))
    return Analysis(
        pipeline=type(pipe).__name__,
        network=type(network).__name__,
        scheduler=type(pipe.scheduler).__name__,
        prompts=tuple(_described(prompt) for prompt in prompts),
        steps=steps,
        config=config,
        change=change.result(),
        drift=drifted,
        suggestions=suggestions,
        others=(
            *(uniform(drifted, len(some.step_indices)) for some in suggestions),
            place(str(plan), drifted, planned),
        ),
        pictures=seen,
        timelines=(baseline, accelerated),
    )


def _checked(pipe: Any, config: PropagationConfig | None) -> tuple[nn.Module, PropagationConfig]:
    """The network of a pipeline, and the options as they are for its class."""
    if is_enabled(pipe):
        raise ValueError("What is analysed is the pipeline as it was: call fd.disable(pipe) first.")
    with enable(pipe, config) as handle:  # refuses what cannot be accelerated
        config = handle.config
    network = network_of(pipe)
    if is_compiled_whole(network):
        raise ValueError("The network is compiled as a whole, so that its stages are not seen. Compile it afterwards.")
    return network, config


def _described(prompt: str | Mapping[str, Any]) -> str:
    if isinstance(prompt, str):
        return prompt
    plain = {name: value for name, value in prompt.items() if isinstance(value, str | int | float | list)}
    return ", ".join(f"{name}={plain[name]}" if name in plain else name for name in prompt)

"""`faster-diffusion analyze`: how a model's features change, the key steps that this suggests, and a run's timeline."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from . import names, options, outputs
from .errors import CliError, one_line

PROMPTS = ("a cat wearing sunglasses", "a wooden boat on a lake at sunrise", "a bowl of fruit", "a street in the rain")
CLASSES = ("207", "360", "417", "979")  # of ImageNet: golden retriever, otter, balloon, valley


@one_line
def analyze(
    model: options.Model = "scenes",
    prompt: Annotated[
        list[str] | None,
        typer.Option(help="May be repeated; for a model of classes, their numbers or names. Four of ours by default."),
    ] = None,
    steps: Annotated[int, typer.Option(min=2, help="Sampling steps.")] = 50,
    scheduler: options.SchedulerOption = None,
    guidance: Annotated[float | None, typer.Option(help="Guidance scale; the pipeline's own by default.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the first prompt; the next ones count up from it.")] = 0,
    height: options.PixelsOption = None,
    width: options.PixelsOption = None,
    suggest: Annotated[
        str, typer.Option(metavar="K,K,...", help="For which numbers of key steps to suggest a placement.")
    ] = names.KEYS,
    key_steps: options.KeyStepsOption = "paper",
    parallel: options.ParallelOption = True,
    dtype: options.DtypeOption = None,
    device: options.DeviceOption = None,
    out: Annotated[Path, typer.Option(help="The folder to write.")] = Path("analysis"),
) -> None:
    """Shows how features change from step to step and when which stage runs, and suggests key steps.

    --key-steps and --parallel are of the accelerated run in the timeline.
    """
    from ..measuring.extras import check_extra

    check_extra()
    outputs.hold_folder(out)

    from .. import analysis, demo
    from ..generation import checks, loading
    from ..models import schedulers

    counts = _counts(suggest)
    options.check_solver(scheduler)
    acceleration = options.Acceleration(key_steps, parallel, prior_noise=False)
    pipe = loading.load(model, dtype, device)
    if scheduler is not None:
        pipe.scheduler = schedulers.make(scheduler, pipe.scheduler.config)
    checks.check_size(pipe, {"--height": height, "--width": width})
    acceleration.orders(checks.network_calls(pipe.scheduler, steps))
    if guidance is None and model in demo.available():
        guidance = demo.GUIDANCE_SCALE
    wanted = {"guidance_scale": guidance, "height": height, "width": width}
    call: dict[str, Any] = {name: value for name, value in wanted.items() if value is not None}
    prompts = _prompts(pipe, prompt or (), model in demo.available())
    _check_call(pipe, {**call, **({"prompt": ""} if isinstance(prompts[0], str) else prompts[0])})
    made = analysis.analyze(pipe, prompts, steps=steps, seed=seed, config=acceleration.config(), keys=counts, **call)
    typer.echo(made)
    typer.echo(made.save(out))


def _counts(text: str) -> list[int]:
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        counts = []
    if not counts or min(counts) < 1:
        raise CliError(f"--suggest {text!r} is not a list of numbers of key steps such as 5,9.")
    return counts


def _prompts(pipe: Any, given: Sequence[str], embedded: bool) -> Sequence[str | Mapping[str, Any]]:
    """What the calls differ in: prompts, classes, or nothing but the seed."""
    from .. import demo

    parameters = inspect.signature(pipe.__call__).parameters
    if "prompt" in parameters:
        return given or (demo.prompts(len(PROMPTS)) if embedded else PROMPTS)
    if "class_labels" in parameters:
        return [{"class_labels": [_class(pipe, label)]} for label in given or CLASSES]
    if given:
        raise CliError(f"{type(pipe).__name__} takes no prompts; leave --prompt out.")
    return [{}]


def _class(pipe: Any, label: str) -> int:
    if label.isdecimal():
        return int(label)
    try:
        return int(pipe.get_label_ids(label)[0])
    except (ValueError, AttributeError) as error:
        raise CliError(f"{label!r} is no class of this model: {error}") from error


def _check_call(pipe: Any, call: Mapping[str, Any]) -> None:
    """Refuses a pipeline that lacks an argument, or takes one less."""
    parameters = inspect.signature(pipe.__call__).parameters
    unknown = [name for name in call if name not in parameters]
    if unknown:
        raise CliError(f"{type(pipe).__name__} takes no {unknown[0]}.")
    needed = [
        name
        for name, parameter in parameters.items()
        if parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    missing = [name for name in needed if name not in call]
    if missing:
        raise CliError(
            f"{type(pipe).__name__} needs {', '.join(missing)}, which this command does not give; "
            "faster_diffusion.analysis.analyze does."
        )

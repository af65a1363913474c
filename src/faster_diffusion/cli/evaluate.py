"""`faster-diffusion evaluate`: arms judged by the images they generate and by what that costs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..generation.errors import FetchError
from . import names, options, outputs
from .errors import one_line
from .prompts import prompts_for

if TYPE_CHECKING:
    from ..arms import Arm
    from ..evaluation.dry_run import Model

_MANY = "may be repeated"


@one_line
def evaluate(
    model: options.Model = "scenes",
    then: Annotated[
        list[str] | None,
        typer.Option(metavar="MODEL[:STEPS]", help=f"A model that goes on from the images of the one before; {_MANY}."),
    ] = None,
    arm: Annotated[
        list[str] | None,
        typer.Option("--arm", metavar="[NAME=]SPEC", help=f"A way of sampling, such as 'dpm++:20 + paper'; {_MANY}."),
    ] = None,
    profile: Annotated[
        list[Path] | None, typer.Option("--profile", help=f"A file of tune or fit, as an arm; {_MANY}.")
    ] = None,
    arms: Annotated[Path | None, typer.Option(help="A JSON or YAML file that names arms.")] = None,
    reference: Annotated[
        list[str] | None, typer.Option(help=f"An arm to compare with beside the baseline; {_MANY}.")
    ] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(help="Text, .jsonl, COCO captions (.json), or a folder of pictures with captions; embedded ones."),
    ] = None,
    count: Annotated[int | None, typer.Option(min=1, help="The first so many prompts; 64 of the embedded.")] = None,
    num_images: Annotated[int, typer.Option(min=1, help="Images a prompt.")] = 1,
    real: Annotated[Path | None, typer.Option(help="A folder of real images, for FID and KID.")] = None,
    features: Annotated[
        str | None, typer.Option(help="What FID and KID see with: scenes, a hub id or folder, a TorchScript file.")
    ] = None,
    clip: Annotated[
        str | None, typer.Option(help="What judges images by their prompts: scenes, a hub id, a folder.")
    ] = None,
    metric: Annotated[list[str] | None, typer.Option(help=f"{names.METRICS}; all by default; {_MANY}.")] = None,
    steps: Annotated[int, typer.Option(min=1, help="Sampling steps, where an arm does not say.")] = 50,
    scheduler: options.SchedulerOption = None,
    guidance: Annotated[float | None, typer.Option(help="Guidance scale; the pipeline's own by default.")] = None,
    negative: Annotated[str | None, typer.Option(help="What the images should not show.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the first image; the next ones count up from it.")] = 0,
    batch_size: Annotated[int, typer.Option(min=1, help="Images generated at once.")] = 8,
    frames: Annotated[
        int | None, typer.Option(min=2, help="Generate videos of so many frames; a model of images by Text2Video-Zero.")
    ] = None,
    height: options.PixelsOption = None,
    width: options.PixelsOption = None,
    dtype: options.DtypeOption = None,
    device: options.DeviceOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything but the weights, and stop.")] = False,
    out: Annotated[Path, typer.Option(help="A folder; a run that was stopped there goes on.")] = Path("runs/evaluate"),
) -> None:
    """Samples the same prompts with every arm and judges them: fidelity, quality, time. Writes report.html."""
    from ..measuring.extras import check_extra

    check_extra()
    if not dry_run:
        outputs.hold_folder(out)

    from .. import demo
    from ..evaluation import METRICS, Judges, report
    from ..evaluation import evaluate as run
    from ..evaluation.dry_run import requirements
    from ..evaluation.features import EMBEDDED
    from ..evaluation.line_up import default_arms, line_up
    from ..generation import checks, loading
    from ..generation.prompts import repeated
    from ..generation.sampling import Settings
    from ..generation.videos import as_video_pipeline
    from ..models import schedulers

    options.check_solver(scheduler)
    embedded = model in demo.available()
    if guidance is None and embedded:
        guidance = demo.GUIDANCE_SCALE
    names, counts = _chain(model, then or (), steps)
    contest = line_up(_arms(arm or (), arms, profile or ()) or default_arms(steps), reference or ())
    wanted = repeated(prompts_for(model, prompts, count, seed), num_images)
    settings = Settings(counts, guidance, negative, height, width, batch_size, frames)
    judges = Judges(
        tuple(metric or METRICS),
        tuple(reference or ()),
        features or (EMBEDDED if embedded else None),
        clip or (EMBEDDED if embedded else None),
        real,
    )
    device = loading.check_device(device)
    loading.check_dtype(dtype, device)
    foreseen = requirements(contest, wanted, settings, judges, [_known(name, scheduler) for name in names], out, device)
    if dry_run:
        typer.echo(f"{' then '.join(names)}: {len(wanted)} prompts, {len(contest)} arms.")
        for each in contest:
            typer.echo(f"  {each.name}" + ("" if each.name == each.spec else f": {each.spec}"))
        typer.echo(f"{foreseen}\nThe weights were not checked.")
        return
    pipes = _load(names, dtype, device)
    if frames is not None:
        pipes[-1] = as_video_pipeline(pipes[-1])
    for pipe in pipes:
        if scheduler is not None:
            pipe.scheduler = schedulers.make(scheduler, pipe.scheduler.config)
    checks.check_size(pipes[0], {"--height": height, "--width": width})
    title = " then ".join(names)
    found = run(pipes, contest, wanted, settings, judges, out=out, name=title, progress=True)
    typer.echo(f"{report.markdown(found)}\n\nReport: {out / 'report.html'}")


def _chain(model: str, then: Sequence[str], steps: int) -> tuple[list[str], tuple[int, ...]]:
    """Names of models and the steps of each."""
    names, counts = [model], [steps]
    for entry in then:
        name, _, number = entry.rpartition(":")
        counted = name and number.isdecimal() and int(number) > 0
        names.append(name if counted else entry)
        counts.append(int(number) if counted else steps)
    return names, tuple(counts)


def _arms(specs: Sequence[str], file: Path | None, profiles: Sequence[Path]) -> list[Arm]:
    from ..arms import Arm, read_arms

    named = [spec.partition("=") for spec in specs]
    given = [Arm.parse(spec.strip(), name.strip()) if sign else Arm.parse(name) for name, sign, spec in named]
    tuned = [Arm.parse(f"profile:{path}", path.stem) for path in profiles]
    return [*(read_arms(file) if file else ()), *given, *tuned]


def _known(name: str, scheduler: str | None) -> Model:
    """What a model's configs say, if they are at hand."""
    import diffusers

    from ..evaluation.dry_run import Model
    from ..generation import loading
    from ..models import schedulers

    try:
        config = loading.read_config(name, "scheduler/scheduler_config.json")
        network = loading.read_config(name, "unet/config.json")
        vae = loading.read_config(name, "vae/config.json") or {}
    except FetchError as error:
        typer.echo(f"{error} Its scheduler and the size of its images are assumed.", err=True)
        return Model()
    own = getattr(diffusers, config["_class_name"]).from_config(config) if config else None
    side = (network or {}).get("sample_size")
    factor = 2 ** (len(vae["block_out_channels"]) - 1) if "block_out_channels" in vae else 1
    return Model(
        schedulers.make(scheduler, own.config) if scheduler and own is not None else own,
        (side * factor, side * factor) if isinstance(side, int) else None,
    )


def _load(names: Sequence[str], dtype: str | None, device: str) -> list[Any]:
    """The pipelines. Those of DeepFloyd-IF share their text encoder, which is larger than all the rest."""
    from ..generation import loading

    pipes = [loading.load(names[0], dtype, device)]
    for name in names[1:]:
        encoder = ((loading.read_config(name, "model_index.json") or {}).get("text_encoder") or ("", ""))[1]
        shared = encoder == "T5EncoderModel" == type(getattr(pipes[0], "text_encoder", None)).__name__
        parts = {part: getattr(pipes[0], part) for part in ("text_encoder", "tokenizer")} if shared else {}
        pipes.append(loading.load(name, dtype, device, **parts))
    return pipes

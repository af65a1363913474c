"""`faster-diffusion tune`: the fastest ways to sample a model at a given fidelity, on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options, outputs
from .errors import CliError, one_line
from .prompts import prompts_for

_CHOOSE, _CONFIRM = 16, 32  # prompts, unless it is said


@one_line
def tune(
    model: options.Model = "scenes",
    prompts: Annotated[
        Path | None, typer.Option(help="Text, .jsonl, COCO captions (.json), or a folder of pictures with captions.")
    ] = None,
    calibration: Annotated[int | None, typer.Option(min=1, help="Prompts that choose; 16 if there are enough.")] = None,
    held_out: Annotated[
        int | None, typer.Option(min=1, help="Prompts after these that confirm; 32 if there are enough.")
    ] = None,
    min_psnr: Annotated[float, typer.Option(help="Fidelity that a profile is wanted for, in dB.")] = 35.0,
    max_seconds: Annotated[
        float | None, typer.Option(min=0, help="Seconds of a call within which the best is wanted too.")
    ] = None,
    budget_minutes: Annotated[
        float | None, typer.Option(min=0, help="How long it may take; all is tried by default.")
    ] = None,
    solver: Annotated[
        list[str] | None, typer.Option(help="One to try; may be repeated; by default three, and the model's own.")
    ] = None,
    reference: Annotated[
        str, typer.Option(metavar="ARM", help="The run that images are compared with.")
    ] = "dpm++-trailing:150",
    steps: Annotated[int, typer.Option(min=1, help="Of the baseline.")] = 50,
    scheduler: options.SchedulerOption = None,
    guidance: Annotated[float | None, typer.Option(help="Guidance scale; the pipeline's own by default.")] = None,
    negative: Annotated[str | None, typer.Option(help="What the images should not show.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the first image; the next ones count up from it.")] = 0,
    batch_size: Annotated[int, typer.Option(min=1, help="Images generated at once in the search.")] = 4,
    height: options.PixelsOption = None,
    width: options.PixelsOption = None,
    rounds: Annotated[int, typer.Option(min=0, help="Times that every time is measured; 0 estimates.")] = 7,
    dtype: options.DtypeOption = None,
    device: options.DeviceOption = None,
    out: Annotated[Path, typer.Option(help="A folder; a tuning there goes on, with a larger search too.")] = Path(
        "runs/tune"
    ),
) -> None:
    """Searches steps, solvers, key steps and forecasts for the fastest at each fidelity; writes profiles."""
    from ..measuring.extras import check_extra

    check_extra()
    outputs.hold_folder(out)

    from .. import demo
    from ..generation import checks, loading
    from ..generation.sampling import Settings
    from ..models import schedulers
    from ..tuning import Space, report
    from ..tuning import tune as run

    for name in (scheduler, *(solver or ())):
        options.check_solver(name)
    _check_reference(reference)
    embedded = model in demo.available()
    if guidance is None and embedded:
        guidance = demo.GUIDANCE_SCALE
    wanted = prompts_for(model, prompts, (calibration or _CHOOSE) + (held_out or _CONFIRM), seed)
    choosing = _choosing(len(wanted), calibration, held_out, prompts or model)
    pipe = loading.load(model, dtype, device)
    if scheduler is not None:
        pipe.scheduler = schedulers.make(scheduler, pipe.scheduler.config)
    checks.check_size(pipe, {"--height": height, "--width": width})
    found = run(
        pipe,
        wanted,
        out=out,
        settings=Settings((steps,), guidance, negative, height, width, batch_size),
        calibration=choosing,
        min_psnr=min_psnr,
        max_seconds=max_seconds,
        budget_minutes=budget_minutes,
        space=Space(solvers=tuple(solver)) if solver else None,
        reference=reference,
        rounds=rounds,
        name=model,
        progress=True,
    )
    typer.echo(f"{report.markdown(found)}\nProfiles: {out / 'profiles'}; picture: {out / 'pareto-front.png'}")


def _choosing(count: int, calibration: int | None, held_out: int | None, source: object) -> int:
    """How many of ``count`` prompts choose: as many as are asked for, and leave as many as are asked for."""
    if calibration is None:
        calibration = min(_CHOOSE, count // 2 if held_out is None else count - held_out)
    if calibration < 1 or count - calibration < (held_out or 1):
        needed = f"{max(calibration, 1)} to choose by and {held_out or 1} to confirm with"
        raise CliError(f"{source} has {count} prompt{'s' * (count != 1)}; tuning needs {needed}.")
    return calibration


def _check_reference(spec: str) -> None:
    from ..arms import Arm

    try:
        Arm.parse(spec)
    except ValueError as error:
        raise CliError(f"--reference: {error}") from error

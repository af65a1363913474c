"""`faster-diffusion generate`: images from prompts, accelerated, optionally beside the originals."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import options, ways, writing
from .errors import CliError, one_line
from .like import take_settings
from .prompts import from_file
from .writing import Planned

if TYPE_CHECKING:
    from ..generation import comparison
    from ..generation.prompts import Prompt

GUIDANCE_SCALE = 7.5  # of Stable Diffusion; the embedded models have their own


@one_line
def generate(
    context: typer.Context,
    prompt: Annotated[
        list[str] | None, typer.Argument(metavar="[PROMPT]...", help="One or more prompts.", show_default=False)
    ] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(help="Text, .csv, .jsonl, .json, or a folder of pictures with captions; - is standard input."),
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option(
            metavar="IMAGE",
            is_eager=True,
            callback=take_settings,
            help="Take all that is not given from a picture of ours; alone, it is made again.",
        ),
    ] = None,
    model: options.ModelOption = "scenes",
    steps: Annotated[int, typer.Option(min=1, help="Sampling steps.")] = 50,
    scheduler: options.SchedulerOption = None,
    guidance: Annotated[float | None, typer.Option(help="Guidance scale; 1 is none; 7.5 by default.")] = None,
    negative: Annotated[str | None, typer.Option(help="What the images should not show.")] = None,
    seed: options.SeedOption = 0,
    num_images: Annotated[int, typer.Option(min=1, help="Images a prompt.")] = 1,
    long_prompts: Annotated[
        bool, typer.Option("--long-prompts", help="Read prompts beyond the text encoder's length too, in chunks.")
    ] = False,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Images sampled at once; an image depends on it by rounding alone.")
    ] = 4,
    height: options.PixelsOption = None,
    width: options.PixelsOption = None,
    image: options.ImageOption = None,
    strength: options.StrengthOption = None,
    control: options.ControlOption = None,
    controlnet: options.ControlNetOption = None,
    control_scale: options.ControlScaleOption = 1.0,
    lora: options.LoraOption = None,
    embedding: options.EmbeddingOption = None,
    key_steps: options.KeyStepsOption = "paper",
    parallel: options.ParallelOption = True,
    prior_noise: options.PriorNoiseOption = True,
    arm: options.ArmOption = None,
    profile: options.ProfileOption = None,
    variant: options.VariantOption = None,
    config: options.ConfigOption = None,
    dtype: options.DtypeOption = None,
    device: options.DeviceOption = None,
    offload: options.OffloadOption = None,
    compiled: options.CompileOption = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="Make the originals too, and a sheet of both with PSNR and times.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Make images anew that are there, whatever they were made with.")
    ] = False,
    out: Annotated[Path, typer.Option(help="A folder, or a .png, .jpg or .webp file if one image is made.")] = Path(
        "out"
    ),
) -> None:
    """Makes images from prompts, accelerated. Each is written when it is made, and carries its settings.

    Run again, it makes what is missing.
    """
    any_seed = seed == -1
    seed = options.chosen_seed(seed)
    wanted = _wanted(prompt, prompts, num_images, seed)
    if any_seed:
        typer.echo(f"Seed: {seed}")
    writing.hold(out, len(wanted))

    from .. import demo
    from ..generation import checks, comparison, loading
    from ..generation import long_prompts as chunked
    from ..generation.sampling import Settings, quiet, sample
    from ..generation.steering import Steering
    from ..generation.tokens import warn_of_cuts
    from ..models import schedulers

    options.check_solver(scheduler)
    way = ways.chosen(context, arm, profile, options.Acceleration(key_steps, parallel, prior_noise))
    steps = way.steps(steps)
    steered = Steering(tuple(lora or ()), tuple(embedding or ()), image, strength, control, controlnet, control_scale)
    steered.check_steps(steps)
    device = loading.check_device(device)
    loading.check_offload(offload, device)
    pipe = loading.load(model, dtype, device, offload=offload is not None, variant=variant, config=config)
    _check_takes_prompts(pipe)
    if scheduler is not None:
        pipe.scheduler = schedulers.make(scheduler, pipe.scheduler.config)
    pipe = steered.applied(pipe)
    checks.check_size(pipe, {"--height": height, "--width": width})
    if guidance is None:
        guidance = way.guidance
    if guidance is None:
        guidance = demo.GUIDANCE_SCALE if model in demo.available() else GUIDANCE_SCALE
    if long_prompts:
        chunked.check(pipe)
    else:
        remedy = "--long-prompts reads it in chunks." if chunked.can_be_read(pipe) else ""
        for texts in ([each.text for each in wanted], [negative] if negative else []):
            warn_of_cuts(pipe, texts, remedy)
    settings = Settings((steps,), guidance, negative, height, width, batch_size, None, steered, long_prompts)
    with way.arm.applied(pipe):
        way.check(pipe, steps)
        scheduler_name = type(pipe.scheduler).__name__
    shared = {
        "model": model,
        "steps": steps,
        "guidance": guidance,
        "negative": negative,
        **({"long_prompts": True} if long_prompts else {}),
        "height": height,
        "width": width,
        **steered.to_dict(),
        "scheduler": scheduler_name,
        "solver": scheduler,
        **way.to_dict(),
        "dtype": str(pipe.unet.dtype).removeprefix("torch."),
        "device": device.partition(":")[0],
        "versions": {name: version(name) for name in ("faster-diffusion", "diffusers", "torch")},
    }
    planned = [
        Planned(each, path, {**shared, "prompt": each.text, "seed": each.seed})
        for each, path in zip(wanted, writing.paths(out, wanted), strict=True)
    ]
    missing = writing.lacking(planned, overwrite)
    if compare:
        writing.lacking(_beside(planned), overwrite)
    elif not missing:
        typer.echo("Nothing is left to make; --overwrite makes them anew.")
        return
    if compiled:
        loading.compile_blocks(pipe)
    if offload is not None:
        loading.offload(pipe, offload, device)
    if compare:
        both = comparison.compare(pipe, way.arm, wanted, settings)
        _save_comparison(both, planned, f"{model}, {scheduler_name}, {steps} steps")
        return
    with way.arm.applied(pipe) as handle:
        several = len(missing) > batch_size
        with quiet([pipe] if several else []):
            made = sample(way.arm, [pipe], [one.prompt for one in missing], settings)
            again = f"the same command with --seed {seed}" if any_seed else "the same command"
            writing.write(missing, made, again, several)
        if handle is not None:
            typer.echo(handle.summary())


def _wanted(texts: Sequence[str] | None, file: Path | None, per_prompt: int, seed: int) -> list[Prompt]:
    """The images that are asked for."""
    from ..generation.prompts import numbered

    if file is None:
        if not texts:
            raise CliError("There is nothing to make: give a PROMPT, --prompts FILE, or --like IMAGE.")
        return numbered(texts, per_prompt, seed)
    wanted = from_file(file, seed, per_prompt)
    if any(prompt.start is not None for prompt in wanted):
        raise CliError(f'{file} has pictures to start from ("start"); give one for all as --image.')
    return wanted


def _save_comparison(both: comparison.Comparison, planned: Sequence[Planned], title: str) -> None:
    from ..generation import images
    from ..measuring.pixels import in_words

    for one, before, after, decibels in zip(planned, both.original, both.accelerated, both.psnr, strict=True):
        images.save(after, one.path, dict(one.settings))
        images.save(before, _original(one.path), {**one.settings, "acceleration": None})
        typer.echo(f"{one.path}  {in_words(decibels)} to its original")
    sheet = _sheet(planned)
    images.save(both.sheet(title), sheet.path, dict(sheet.settings))
    typer.echo(f"{sheet.path}\n{both.speed()}")


def _beside(planned: Sequence[Planned]) -> list[Planned]:
    """What a comparison writes beside the accelerated pictures."""
    originals = [Planned(one.prompt, _original(one.path), {**one.settings, "acceleration": None}) for one in planned]
    return [*originals, _sheet(planned)]


def _original(path: Path) -> Path:
    return path.with_stem(f"{path.stem}-original")


def _sheet(planned: Sequence[Planned]) -> Planned:
    """The sheet of all of them."""
    first = planned[0]
    shared = {name: value for name, value in first.settings.items() if name not in ("prompt", "seed")}
    path = first.path.with_stem(f"{first.path.stem}-compare")
    return Planned(first.prompt, path, {**shared, "prompts": [one.prompt.to_dict() for one in planned]})


def _check_takes_prompts(pipe: Any) -> None:
    if getattr(pipe, "unet", None) is None:
        raise CliError(f"{type(pipe).__name__} has no UNet; this accelerates text-to-image pipelines that have one.")
    if getattr(pipe, "tokenizer", None) is None:
        raise CliError(f"{type(pipe).__name__} has no tokenizer, so it cannot read prompts.")

"""`faster-diffusion generate`: images from prompts, accelerated, optionally beside the originals."""

import re
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import demo
from ..arms import Arm
from ..generation import checks, comparison, images, loading, steering
from ..generation.prompts import Prompt, numbered
from ..generation.sampling import Settings, sample
from ..models import schedulers
from . import options
from .errors import CliError, one_line

GUIDANCE_SCALE = 7.5  # of Stable Diffusion; the embedded models have their own


@one_line
def generate(
    prompt: Annotated[list[str], typer.Argument(metavar="PROMPT", help="One or more prompts.", show_default=False)],
    model: options.ModelOption = "scenes",
    steps: Annotated[int, typer.Option(min=1, help="Sampling steps.")] = 50,
    scheduler: options.SchedulerOption = None,
    guidance: Annotated[float | None, typer.Option(help="Guidance scale; 1 is none; 7.5 by default.")] = None,
    negative: Annotated[str | None, typer.Option(help="What the images should not show.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the first image; the next ones count up from it.")] = 0,
    num_images: Annotated[int, typer.Option(min=1, help="Images a prompt.")] = 1,
    batch_size: Annotated[int, typer.Option(min=1, help="Images sampled at once; changes no image.")] = 4,
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
    dtype: options.DtypeOption = None,
    device: options.DeviceOption = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Make the originals too, and a sheet of both with PSNR and times.")
    ] = False,
    out: Annotated[Path, typer.Option(help="A folder, or a .png file if one image is made.")] = Path("out"),
) -> None:
    """Makes images from prompts, accelerated. Every PNG carries its settings."""
    wanted = numbered(prompt, num_images, seed)
    _check_out(out, len(wanted))
    options.check_solver(scheduler)
    acceleration = options.Acceleration(key_steps, parallel, prior_noise)
    steered = steering.Steering(lora or (), embedding or (), image, strength, control, controlnet, control_scale)
    pipe = loading.load(model, dtype, device)
    _check_takes_prompts(pipe)
    if scheduler is not None:
        pipe.scheduler = schedulers.make(scheduler, pipe.scheduler.config)
    pipe = steered.applied(pipe)
    checks.check_size(pipe, {"--height": height, "--width": width})
    acceleration.orders(checks.network_calls(pipe.scheduler, steps))
    if guidance is None:
        guidance = demo.GUIDANCE_SCALE if model in demo.available() else GUIDANCE_SCALE
    settings = Settings((steps,), guidance, negative, height, width, batch_size, steering=steered)
    shared = {
        "model": model,
        "steps": steps,
        "guidance": guidance,
        "negative": negative,
        "height": height,
        "width": width,
        **steered.to_dict(),
        "scheduler": type(pipe.scheduler).__name__,
        "acceleration": asdict(acceleration),
        "dtype": str(pipe.unet.dtype).removeprefix("torch."),
        "device": pipe.device.type,
        "versions": {name: version(name) for name in ("faster-diffusion", "diffusers", "torch")},
    }
    paths = [_path(out, each, len(wanted)) for each in wanted]
    way = Arm(propagation=acceleration.config())
    if compare:
        both = comparison.compare(pipe, way, wanted, settings)
        _save_comparison(both, paths, shared, f"{model}, {shared['scheduler']}, {steps} steps")
        return
    with way.applied(pipe) as handle:
        made = (image for batch in sample(way, [pipe], wanted, settings) for image in batch)
        for each, path, image_made in zip(wanted, paths, made, strict=True):
            images.save(image_made, path, {**shared, **each.to_dict()})
            typer.echo(path)
        typer.echo(handle.summary() if handle else "")


def _save_comparison(both: comparison.Comparison, paths: list[Path], shared: dict[str, Any], title: str) -> None:
    pairs = zip(both.wanted, paths, both.original, both.accelerated, both.psnr, strict=True)
    for each, path, before, after, decibels in pairs:
        settings = {**shared, **each.to_dict()}
        images.save(after, path, settings)
        images.save(before, path.with_stem(f"{path.stem}-original"), {**settings, "acceleration": None})
        typer.echo(f"{path}  PSNR {decibels:.1f} dB")
    sheet = paths[0].with_stem(f"{paths[0].stem}-compare")
    images.save(both.sheet(title), sheet, {**shared, "prompts": [each.to_dict() for each in both.wanted]})
    typer.echo(f"{sheet}\n{both.speed()}")


def _check_out(out: Path, count: int) -> None:
    if out.suffix.lower() != ".png":
        if out.exists() and not out.is_dir():
            raise CliError(f"--out {out} is a file, but neither a folder nor a .png.")
    elif count > 1:
        raise CliError(f"--out {out} is one file, but {count} images are to be made; give a folder.")


def _check_takes_prompts(pipe: Any) -> None:
    if getattr(pipe, "unet", None) is None:
        raise CliError(f"{type(pipe).__name__} has no UNet; this accelerates text-to-image pipelines that have one.")
    if getattr(pipe, "tokenizer", None) is None:
        raise CliError(f"{type(pipe).__name__} has no tokenizer, so it cannot read prompts.")


def _path(out: Path, prompt: Prompt, count: int) -> Path:
    if out.suffix.lower() == ".png" and count == 1:
        return out
    slug = re.sub(r"\W+", "-", prompt.text.lower()).strip("-")[:60].rstrip("-")
    return out / f"{prompt.seed:05d}-{slug or 'image'}.png"

"""`faster-diffusion video`: a video from a prompt or a picture, accelerated."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

import faster_diffusion as fd

from .. import demo
from ..generation import checks, loading, videos
from ..generation.steering import read_image
from . import options
from .errors import CliError, one_line


@one_line
def video(
    prompt: Annotated[str, typer.Argument(metavar="[PROMPT]", help="What the video shows.", show_default=False)] = "",
    model: options.ModelOption = "scenes",
    image: options.ImageOption = None,
    frames: Annotated[int, typer.Option(min=2, help="How many.")] = 8,
    fps: Annotated[int, typer.Option(min=1, help="Frames a second.")] = 8,
    steps: Annotated[int, typer.Option(min=1, help="Sampling steps.")] = 50,
    guidance: Annotated[float | None, typer.Option(help="Guidance scale; the pipeline's own by default.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    height: options.PixelsOption = None,
    width: options.PixelsOption = None,
    key_steps: options.KeyStepsOption = "paper",
    parallel: options.ParallelOption = True,
    prior_noise: options.PriorNoiseOption = True,
    dtype: options.DtypeOption = None,
    device: options.DeviceOption = None,
    out: Annotated[Path, typer.Option(help="A .gif or .webp file.")] = Path("video.gif"),
) -> None:
    """Makes a video. A model of images makes one by Text2Video-Zero."""
    if out.suffix.lower() not in (".gif", ".webp"):
        raise CliError(f"--out {out} is neither a .gif nor a .webp file.")
    acceleration = options.Acceleration(key_steps, parallel, prior_noise)
    pipe = videos.as_video_pipeline(loading.load(model, dtype, device))
    checks.check_size(pipe, {"--height": height, "--width": width})
    acceleration.orders(checks.network_calls(pipe.scheduler, steps))
    if guidance is None and model in demo.available():
        guidance = demo.GUIDANCE_SCALE
    call: dict[str, Any] = {"num_inference_steps": steps, "generator": torch.Generator("cpu").manual_seed(seed)}
    call |= {"prompt": prompt} if prompt else {}
    call |= {"image": read_image(image)} if image else {}
    wanted = {"guidance_scale": guidance, "height": height, "width": width}
    call |= {name: value for name, value in wanted.items() if value is not None}
    handle = fd.enable(pipe, acceleration.config())
    try:
        pictures = videos.frames_of(pipe(**call, **videos.asked(pipe, steps, frames)))[0]
    except TypeError as error:
        raise CliError(f"{type(pipe).__name__} does not take this: {error}") from error
    settings = {"model": model, "prompt": prompt, "seed": seed, "steps": steps, "acceleration": asdict(acceleration)}
    out.parent.mkdir(parents=True, exist_ok=True)
    comment: dict[str, Any] = {"comment": json.dumps(settings).encode()} if out.suffix.lower() == ".gif" else {}
    pictures[0].save(out, save_all=True, append_images=pictures[1:], duration=1000 // fps, loop=0, **comment)
    typer.echo(out)
    typer.echo(handle.summary())

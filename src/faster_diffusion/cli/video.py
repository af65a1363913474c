"""`faster-diffusion video`: a video from a prompt or a picture, accelerated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from . import options, outputs, ways, writing
from .errors import CliError, one_line


@one_line
def video(
    context: typer.Context,
    prompt: Annotated[str, typer.Argument(metavar="[PROMPT]", help="What the video shows.", show_default=False)] = "",
    model: options.ModelOption = "scenes",
    image: options.ImageOption = None,
    frames: Annotated[int, typer.Option(min=2, help="How many.")] = 8,
    fps: Annotated[int, typer.Option(min=1, help="Frames a second.")] = 8,
    steps: Annotated[int, typer.Option(min=1, help="Sampling steps.")] = 50,
    guidance: Annotated[float | None, typer.Option(help="Guidance scale; the pipeline's own by default.")] = None,
    seed: options.SeedOption = 0,
    height: options.PixelsOption = None,
    width: options.PixelsOption = None,
    key_steps: options.KeyStepsOption = "paper",
    parallel: options.ParallelOption = True,
    prior_noise: options.PriorNoiseOption = True,
    arm: options.ArmOption = None,
    profile: options.ProfileOption = None,
    variant: options.VariantOption = None,
    config: options.ConfigOption = None,
    dtype: options.DtypeOption = None,
    device: options.DeviceOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Make a video anew that is there.")] = False,
    out: Annotated[Path, typer.Option(help="A .gif, .webp or .mp4 file.")] = Path("video.gif"),
) -> None:
    """Makes a video. A model of images makes one by Text2Video-Zero."""
    from ..generation import video_files

    video_files.check_format(out)
    outputs.hold_file(out)

    import torch

    from .. import demo
    from ..generation import checks, loading, videos
    from ..generation.metadata import digest
    from ..generation.pictures import fitted, read_picture
    from ..generation.prompts import Prompt
    from ..generation.tokens import warn_of_cuts

    wanted = Prompt(prompt, options.chosen_seed(seed))
    way = ways.chosen(context, arm, profile, options.Acceleration(key_steps, parallel, prior_noise))
    steps = way.steps(steps)
    start = None if image is None else read_picture(image)
    pipe = videos.as_video_pipeline(loading.load(model, dtype, device, variant=variant, config=config))
    checks.check_size(pipe, {"--height": height, "--width": width})
    with way.arm.applied(pipe):
        way.check(pipe, steps)
    if guidance is None:
        guidance = way.guidance
    if guidance is None and model in demo.available():
        guidance = demo.GUIDANCE_SCALE
    settings = {"model": model, "prompt": prompt, "seed": wanted.seed, "steps": steps, "frames": frames, "fps": fps}
    sizes = {"guidance": guidance, "height": height, "width": width}
    settings |= {} if image is None else {"digests": {str(image): digest(image)}}
    settings |= {**sizes, "image": None if image is None else str(image), **way.to_dict()}
    if not writing.lacking([writing.Planned(wanted, out, settings)], overwrite):
        typer.echo("Nothing is left to make; --overwrite makes it anew.")
        return
    warn_of_cuts(pipe, [prompt])
    call: dict[str, Any] = {"num_inference_steps": steps, "generator": torch.Generator("cpu").manual_seed(wanted.seed)}
    call |= {"prompt": prompt} if prompt else {}
    if start is not None:
        call["image"] = start if height is None or width is None else fitted(start, (width, height), image)
    given = {"guidance_scale": guidance, "height": height, "width": width}
    call |= {name: value for name, value in given.items() if value is not None}
    with way.arm.applied(pipe) as handle:
        try:
            pictures = videos.frames_of(pipe(**call, **videos.asked(pipe, steps, frames)))[0]
        except TypeError as error:
            raise CliError(f"{type(pipe).__name__} does not take this: {error}") from error
        video_files.save(pictures, out, fps, settings)
        typer.echo(out)
        if handle is not None:
            typer.echo(handle.summary())

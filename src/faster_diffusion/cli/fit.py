"""`faster-diffusion fit`: what to add to the predictions of a short run, so that it goes where a long one goes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import names, options, outputs
from .errors import CliError, one_line
from .prompts import prompts_for

if TYPE_CHECKING:
    from ..options.profile import Profile


@one_line
def fit(
    model: options.Model = "scenes",
    arm: Annotated[
        str | None,
        typer.Option(
            help="The short run: a solver and its steps, or with a plan. ddim-trailing:8 by default, dpm++1-trailing:8 "
            "with --place."
        ),
    ] = None,
    prompts: Annotated[
        Path | None, typer.Option(help="Text, .jsonl, COCO captions (.json), or a folder of pictures with captions.")
    ] = None,
    fitted: Annotated[int, typer.Option(min=1, help="Prompts that it is fitted to, all sampled at once.")] = 8,
    held_out: Annotated[int, typer.Option(min=0, help="Prompts after these that show whether others gain.")] = 4,
    reference: Annotated[
        str | None, typer.Option(help="The run that it should go along with; 150 steps of its own solver by default.")
    ] = None,
    place: Annotated[
        bool, typer.Option("--place", help="Place its steps too, where they err least; for dpm++ and its like.")
    ] = False,
    guidance: Annotated[float | None, typer.Option(help="Guidance scale; the pipeline's own by default.")] = None,
    negative: Annotated[str | None, typer.Option(help="What the images should not show.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the first image; the next ones count up from it.")] = 0,
    height: options.PixelsOption = None,
    width: options.PixelsOption = None,
    dtype: options.DtypeOption = None,
    device: options.DeviceOption = None,
    out: Annotated[Path, typer.Option(help="The profile, a .json file.")] = Path("fitted.json"),
) -> None:
    """Fits a correction of few steps to a run of many, at one guidance scale; writes a profile.

    Interrupted and run again, it goes on where it was.
    """
    if out.suffix != names.PROFILE:
        raise CliError(f"--out {out}: a profile is a {names.PROFILE} file.")
    outputs.hold_file(out)

    from .. import demo
    from ..generation import checks, loading
    from ..generation.sampling import Settings
    from ..tuning import fit as run
    from ..tuning.kept import forget

    if guidance is None and model in demo.available():
        guidance = demo.GUIDANCE_SCALE
    wanted = prompts_for(model, prompts, fitted + held_out, seed)
    if len(wanted) <= held_out:
        raise CliError(f"{prompts} has {len(wanted)} prompts; with {held_out} held out none is left to fit.")
    pipe = loading.load(model, dtype, device)
    checks.check_size(pipe, {"--height": height, "--width": width})
    settings = Settings(guidance=guidance, negative=negative, height=height, width=width)
    arm = arm or ("dpm++1-trailing:8" if place else "ddim-trailing:8")
    parts = out.with_suffix(".parts")
    profile = run(
        pipe,
        arm,
        wanted,
        settings=settings,
        held_out=held_out,
        reference=reference,
        place=place,
        folder=parts,
        progress=True,
    )
    profile.save(out)
    forget(parts)
    typer.echo(_told(profile, out))


def _told(profile: Profile, path: Path) -> str:
    measured: Any = profile.measured
    lines = [f"Error of the last latents to {measured['reference']}, relative to their size:"]
    for split, error in measured["error"].items():
        before = measured["error_uncorrected"][split]
        lines.append(f"  {split} prompts ({measured['prompts'][split]}): {before:.3f} -> {error:.3f}")
    call = f"pipe(prompt, num_inference_steps={profile.steps}, guidance_scale={measured['guidance']})"
    return "\n".join([*lines, *profile.notes[1:], f'fd.enable(pipe, key_steps="{path}"), then {call}'])

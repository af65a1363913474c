"""The commands, put together."""

from importlib.metadata import version
from typing import Annotated

import typer

from .analyze import analyze
from .bench import bench
from .demo import demo
from .errors import LastResort, show_our_warnings_only
from .evaluate import evaluate
from .fit import fit
from .generate import generate
from .info import info
from .show import show
from .tune import tune
from .video import video

_HELP = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(
    cls=LastResort,
    context_settings=_HELP,
    help="Faster sampling of diffusion models, with the proof of what it keeps.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain: an error is a line, not a box
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version("faster-diffusion"))
        raise typer.Exit


@app.callback()
def main(
    _: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """What every command does first."""
    show_our_warnings_only()


for command in (demo, generate, video, show, info, evaluate, bench, analyze, tune, fit):
    app.command(context_settings=_HELP)(command)

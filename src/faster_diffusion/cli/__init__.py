"""The command `faster-diffusion`."""

import io
import sys


def run() -> None:
    """Entry point: says what to install if the command's own dependencies are missing."""
    try:
        from .main import app
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("typer", "rich", "transformers"):
            raise
        sys.exit(f"The command needs {error.name}. Install it with: pip install 'faster-diffusion[cli]'")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # whatever its code page, what it lacks is written in another way
            stream.reconfigure(errors="backslashreplace")
    app()

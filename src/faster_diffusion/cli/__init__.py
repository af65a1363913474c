"""The command `faster-diffusion`."""

import sys


def run() -> None:
    """Entry point: says what to install if the command's own dependencies are missing."""
    try:
        from .main import app
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("typer", "rich", "transformers"):
            raise
        sys.exit(f"The command needs {error.name}. Install it with: pip install 'faster-diffusion[cli]'")
    app()

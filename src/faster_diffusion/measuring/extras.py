"""What the extra ``eval`` brings."""

from __future__ import annotations

from importlib.util import find_spec

_PACKAGES = ("scipy", "torchmetrics", "transformers", "matplotlib", "jinja2")


def check_extra() -> None:
    """Refuses to start what could not be finished.

    Raises:
        ImportError: names what to install.
    """
    absent = [package for package in _PACKAGES if find_spec(package) is None]
    if absent:
        raise ImportError(
            f"Evaluating needs {', '.join(absent)}. Install what is missing with: pip install 'faster-diffusion[eval]'"
        )

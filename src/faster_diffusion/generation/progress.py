"""The progress bar of a pipeline."""

from __future__ import annotations

from typing import Any


def bar_config(pipe: Any) -> dict[str, Any]:
    """What ``pipe.set_progress_bar_config`` was last given; diffusers keeps nothing before that."""
    return dict(getattr(pipe, "_progress_bar_config", {}))

"""Looks at what a scheduler is given at every step of a run, and where that leads."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..engine.overriding import overridden


@contextmanager
def stepping(scheduler: Any, around: Callable[..., Any]) -> Iterator[None]:
    """Within it, ``around(step, *args, **kwargs)`` is what ``scheduler.step(*args, **kwargs)`` gives."""
    step = scheduler.step

    @functools.wraps(step, updated=())  # pipelines look at its parameters
    def stepped(*args: Any, **kwargs: Any) -> Any:
        return around(step, *args, **kwargs)

    with overridden(scheduler, step=stepped):
        yield

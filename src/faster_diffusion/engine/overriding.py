"""Attributes of an instance that are others for a while, such as ``scheduler.step``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def overridden(instance: Any, **attributes: Any) -> Iterator[dict[str, Any]]:
    """Within it the instance has these attributes; gives those of the names that it had of its own before."""
    before = {name: vars(instance)[name] for name in attributes if name in vars(instance)}
    vars(instance).update(attributes)
    try:
        yield before
    finally:
        for name in attributes:
            del vars(instance)[name]
        vars(instance).update(before)

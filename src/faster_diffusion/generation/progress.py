"""Progress bars, on a terminal and where there is none."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, TypeVar

from tqdm import tqdm

T = TypeVar("T")

SECONDS = 30  # between two lines, where there is no terminal


def bar_config(pipe: Any) -> dict[str, Any]:
    """What ``pipe.set_progress_bar_config`` was last given; diffusers keeps nothing before that."""
    return dict(getattr(pipe, "_progress_bar_config", {}))


def drawn() -> dict[str, Any]:
    """How tqdm shows a bar on stderr: on a terminal over itself, in a log as a line now and then."""
    if sys.stderr.isatty():
        return {}
    told = "{desc}: {n_fmt} of {total_fmt} in {elapsed}, about {remaining} left"
    rare = {"delay": SECONDS, "mininterval": SECONDS, "maxinterval": SECONDS, "miniters": 1}
    return {"file": _Lines(), "bar_format": told, **rare}


def bar(of: int | Sequence[T], about: str, unit: str, shown: bool, **more: Any) -> tqdm[T]:
    """A bar on stderr, if it is to be shown, over things or a number of them; ``more`` goes to tqdm."""
    things, total = (None, of) if isinstance(of, int) else (of, len(of))
    return tqdm(things, total=total, desc=about, unit=unit, disable=not shown, **drawn(), **more)


class _Lines:
    """Writes what a bar would draw over itself in lines, to what stderr is by then; nothing twice in a row."""

    last = ""

    def write(self, text: str) -> None:
        line = text.strip()
        if line and line != self.last:
            self.last = line
            sys.stderr.write(f"{line}\n")

    def flush(self) -> None:
        sys.stderr.flush()

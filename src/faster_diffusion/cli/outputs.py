"""What a command writes to: checked, made and kept from others before any work."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..files import PART, clear_unfinished, locked
from .errors import CliError, held


def hold_folder(out: Path) -> None:
    """Makes the folder ``out``, which until the command ends no other process writes to.

    Raises:
        CliError: it is a file, or cannot be written.
        BlockingIOError: another process writes there.
    """
    if out.exists() and not out.is_dir():
        raise CliError(f"--out {out} is a file; give a folder.")
    held(_writable(out, out))


def hold_file(out: Path) -> None:
    """The same for a file and the folder that it is in.

    Raises:
        CliError: it is a folder, or cannot be written.
        BlockingIOError: another process writes it.
    """
    if out.is_dir():
        raise CliError(f"--out {out} is a folder; give the name of a file.")
    held(_writable(out.parent, out))


@contextmanager
def _writable(folder: Path, out: Path) -> Iterator[None]:
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".{os.getpid()}{PART}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise CliError(f"--out {out} cannot be written: {error.strerror or error}.") from error
    try:
        with locked(out):
            if out == folder:
                clear_unfinished(folder)
            yield
    finally:
        with suppress(OSError):  # those that hold nothing are as they were before
            for parent in missing:
                parent.rmdir()

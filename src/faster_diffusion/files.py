"""Files that are written whole or not at all, by one process at a time."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import get_ident
from typing import IO, Any

PART = ".part"  # how the name of an unfinished one ends
LOCK = ".lock"  # how the name of a lock ends

_holders: dict[Path, int] = {}  # the thread of this process that holds a lock


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file that is there completely or, if this process or the machine dies meanwhile, not at all.

    Raises:
        OSError: it cannot be written, with its path; what was there before is as it was.
    """
    part = path.with_name(f".{path.name[:100]}.{os.getpid()}{PART}")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        if isinstance(error, OSError):  # named by what was asked for
            raise type(error)(error.errno, error.strerror or str(error), str(path)) from error
        raise


def write_json(path: Path, content: Any) -> None:
    """The same for JSON."""
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_whole(path, text.encode())


def read_json(path: Path) -> Any:
    """What a JSON file holds; none if there is no file, or it is torn and has to be made anew."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def clear_unfinished(folder: Path) -> None:
    """Deletes what processes that are gone did not finish, in a folder and those in it."""
    for part in folder.rglob(f".*{PART}"):
        process = part.name.removesuffix(PART).rpartition(".")[2]
        if not (process.isdecimal() and _is_alive(int(process))):
            part.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    if os.name == "nt":  # where no signal can ask
        return process == os.getpid()
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Within it no other process, and no other thread, holds this folder, or this file, which need not be there.

    Whoever holds it may ask again. The system lets go of a lock with the process that holds it, however that ends.

    Raises:
        BlockingIOError: another one holds it; says which.
        OSError: the lock cannot be written.
    """
    lock = (path / LOCK if path.is_dir() else path.with_name(f".{path.name[:100]}{LOCK}")).absolute()
    if _holders.get(lock) == get_ident():
        yield
        return
    file = _held(lock, path)
    _holders[lock] = get_ident()
    try:
        yield
    finally:
        del _holders[lock]
        lock.unlink(missing_ok=True)  # before it is let go, so that nobody can hold what is gone
        file.close()


def _held(lock: Path, path: Path) -> IO[str]:
    """The lock, open and held."""
    while True:
        file = lock.open("a+", encoding="utf-8")
        if not _acquired(file):
            file.seek(0)
            holder = file.read().strip() or "another process"
            file.close()
            raise BlockingIOError(f"{path} is being written by {holder}. Wait until that is done, or name another.")
        if _is_there(file, lock):
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}")
            file.flush()
            return file
        file.close()  # that which held it has deleted it meanwhile


def _is_there(file: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _acquired(file: IO[str]) -> bool:
    try:
        import fcntl
    except ModuleNotFoundError:  # Windows, which neither opens nor deletes what another process holds open for itself
        return True
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: better unguarded than unusable
        return True
    return True

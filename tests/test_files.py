"""Files are written whole or not at all; a folder or a file belongs to one process at a time."""

import errno
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from faster_diffusion import files

HOLD = """
import pathlib, runpy, sys
files = runpy.run_path(sys.argv[1])  # alone, without the package, which takes seconds to import
with files["locked"](pathlib.Path(sys.argv[2])):
    print("held", flush=True)
    sys.stdin.read()
"""


def fail(error):
    def fsync(_):
        raise error

    return fsync


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("before", [None, b"old"])
def test_what_cannot_be_written_leaves_nothing_behind(tmp_path, monkeypatch, error, before):
    path = tmp_path / "x.png"
    if before is not None:
        path.write_bytes(before)
    monkeypatch.setattr(files.os, "fsync", fail(error))
    with pytest.raises(type(error)) as told:
        files.write_whole(path, b"new")
    assert (path.read_bytes() if path.exists() else None) == before
    assert list(tmp_path.iterdir()) == ([] if before is None else [path])
    if isinstance(error, OSError):
        assert (told.value.errno, told.value.filename) == (errno.ENOSPC, str(path))


def test_a_name_as_long_as_a_file_system_takes_can_be_written(tmp_path):
    path = tmp_path / ("x" * 251 + ".png")
    files.write_whole(path, b"whole")
    assert path.read_bytes() == b"whole"


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_another_process_is_told_who_holds_a_lock_and_gets_it_when_that_has_died(tmp_path, kind):
    path = tmp_path if kind == "folder" else tmp_path / "bench.json"
    command = [sys.executable, "-c", HOLD, files.__file__, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(BlockingIOError, match=rf"is being written by process {other.pid} on"), files.locked(path):
            pass
        other.kill()
        other.wait()
        with files.locked(path):
            assert f"process {os.getpid()} on" in next(tmp_path.iterdir()).read_text()
    assert list(tmp_path.iterdir()) == []


def test_who_holds_a_lock_may_ask_again_and_another_thread_may_not(tmp_path):
    with files.locked(tmp_path), files.locked(tmp_path), ThreadPoolExecutor(1) as other:

        def ask():
            with files.locked(tmp_path):
                pass

        with pytest.raises(BlockingIOError, match=f"is being written by process {os.getpid()}"):
            other.submit(ask).result()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_was_deleted_while_waiting_for_it_is_made_anew(tmp_path, monkeypatch):
    acquired, lock = files._acquired, tmp_path / files.LOCK

    def deleted_once(file):
        monkeypatch.setattr(files, "_acquired", acquired)
        lock.unlink()
        return acquired(file)

    monkeypatch.setattr(files, "_acquired", deleted_once)
    with files.locked(tmp_path):
        assert lock.exists()
    assert not lock.exists()


def test_what_a_dead_process_did_not_finish_is_cleared_and_what_another_writes_is_not(tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait()
    (tmp_path / "deep").mkdir()
    gone = [tmp_path / f".x.png.{dead.pid}.part", tmp_path / "deep" / ".y.part"]
    kept = [tmp_path / f".x.png.{os.getppid()}.part", tmp_path / f".y.png.{os.getpid()}.part", tmp_path / "z.part"]
    for path in (*gone, *kept):
        path.touch()
    files.clear_unfinished(tmp_path)
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in kept)

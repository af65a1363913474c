"""Nothing that was made is lost, nothing is overwritten unasked, and what cannot be written is told before any work."""

import errno
import os

import numpy as np
import pytest
import torch
from PIL import Image

from faster_diffusion import files
from faster_diffusion.generation import loading, sampling
from faster_diffusion.generation.images import read_settings
from tests.cli.failing import fails


@pytest.fixture
def four(run, tiny_model):
    """Makes four images into a folder."""

    def make(*arguments):
        shared = ("--num-images", 4, "--model", tiny_model, "--steps", 2, "--key-steps", "uniform:2", "--batch-size", 1)
        return run("generate", "a", *shared, *arguments)

    return make


def stop_at(monkeypatch, number, error):
    """Makes a run fail at its image of this number."""
    generate, made = sampling.generate, []

    def failing(*arguments):
        made.append(arguments)
        if len(made) == number:
            raise error
        return generate(*arguments)

    monkeypatch.setattr(sampling, "generate", failing)
    return made


NAMES = [f"0000{number}-a.png" for number in range(4)]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (KeyboardInterrupt(), "Interrupted."),
        (torch.OutOfMemoryError("CUDA out of memory"), "Out of memory"),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."), "Out of memory"),
        (ValueError("no such thing"), "no such thing"),
    ],
)
def test_what_was_made_is_kept_and_the_same_command_makes_the_rest(four, tmp_path, monkeypatch, error, told):
    with monkeypatch.context() as patch:
        stop_at(patch, 3, error)
        result = four()
    fails(result, told, "2 of 4 images are kept", "the same command makes the rest")
    assert result.exit_code == 1
    assert names(tmp_path / "out") == NAMES[:2]
    before = (tmp_path / "out" / NAMES[0]).stat().st_mtime_ns
    made = stop_at(monkeypatch, 99, None)
    assert four().exit_code == 0
    assert names(tmp_path / "out") == NAMES
    assert len(made) == 2
    assert (tmp_path / "out" / NAMES[0]).stat().st_mtime_ns == before
    assert "Nothing is left to make" in four().stdout


def test_of_a_bug_too_what_was_made_is_kept(four, tmp_path, monkeypatch):
    stop_at(monkeypatch, 3, TypeError("no such thing"))
    result = four()
    assert result.exit_code == 1
    kept, told = result.stderr.splitlines()
    assert kept.startswith("2 of 4 images are kept; ")
    assert told.startswith("Error: TypeError: no such thing (a bug of ours, or of a library we use; please report it")
    assert names(tmp_path / "out") == NAMES[:2]


def test_a_full_disk_is_told_with_the_file_that_did_not_fit(four, tmp_path, monkeypatch):
    sync, calls = os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(descriptor)

    monkeypatch.setattr(files.os, "fsync", full)
    fails(four(), f"out/{NAMES[2]}: No space left on device", "2 of 4 images are kept")
    assert names(tmp_path / "out") == NAMES[:2]


def test_other_settings_do_not_take_the_place_of_a_picture(four, tmp_path):
    four()
    before = (tmp_path / "out" / NAMES[0]).read_bytes()
    fails(
        four("--scheduler", "euler"), f"out/{NAMES[0]} is there already", ", not EulerDiscreteScheduler", "--overwrite"
    )
    fails(four("--guidance", 2), "guidance 7.5, not 2")
    assert (tmp_path / "out" / NAMES[0]).read_bytes() == before
    assert four("--scheduler", "euler", "--overwrite").exit_code == 0
    assert read_settings(tmp_path / "out" / NAMES[0])["solver"] == "euler"


def test_a_picture_to_start_from_that_has_changed_makes_another_image(four, tmp_path):
    for colour in ("red", "blue"):
        Image.new("RGB", (32, 32), colour).save(tmp_path / "start.png")
        result = four("--image", "start.png", "--steps", 4)
    fails(result, f"out/{NAMES[0]} is there already", "digests")


def test_a_file_that_is_not_ours_is_not_overwritten(four, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / NAMES[0]).write_text("mine")
    fails(four(), "nothing of ours", "--overwrite")
    assert (tmp_path / "out" / NAMES[0]).read_text() == "mine"


def test_one_prompt_asked_for_twice_at_one_seed_is_not_lost(run, tiny_model, tmp_path):
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "a!", "seed": 1}\n{"prompt": "a?", "seed": 1}\n')
    result = run("generate", "--prompts", "prompts.jsonl", "--model", tiny_model, "--steps", 2)
    assert result.exit_code == 0, result.stderr
    assert names(tmp_path / "out") == ["00001-a-2.png", "00001-a.png"]


def test_a_name_stays_in_its_folder_and_fits_a_file_system(run, tiny_model, tmp_path):
    for prompt in ("../../b", "/etc/passwd", "\N{GRINNING FACE}", "\N{CJK UNIFIED IDEOGRAPH-4E00}" * 300, "C:\\x"):
        result = run("generate", prompt, "--model", tiny_model, "--steps", 2, "--out", "deep/er")
        assert result.exit_code == 0, result.stderr
    assert len(names(tmp_path / "deep" / "er")) == 5
    assert names(tmp_path) == ["deep"]


@pytest.mark.parametrize(
    "command",
    [
        ("generate", "a"),
        ("generate", "a", "x.png"),
        ("video", "a", "x.gif"),
        ("demo", "x.png"),
        ("fit", "x.json"),
        ("bench", "x.json"),
        ("evaluate",),
        ("tune",),
        ("analyze",),
    ],
    ids=" ".join,
)
def test_every_output_is_checked_before_any_work(run, tmp_path, monkeypatch, command):
    def loaded(*_, **__):
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(loading, "load", loaded)
    name = command[-1] if "." in command[-1] else ""
    command = [word for word in command if word != name]
    (tmp_path / "file").touch()
    out = tmp_path / "file" / name if name else tmp_path / "file" / "folder"
    fails(run(*command, "--out", out), f"--out {out} cannot be written: ")
    if name:
        (tmp_path / name).mkdir()
        fails(run(*command, "--out", name), f"--out {name} is a folder")
    else:
        fails(run(*command, "--out", "file"), "--out file is a file")
    if command[0] != "bench":
        new = tmp_path / "new" / "er"
        fails(run(*command, "--out", new / name if name else new), "AssertionError: a model was loaded")
        assert not (tmp_path / "new").exists()  # nothing was made, so no folders are left


def test_two_at_once_do_not_meet(four, run, tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    acquired = files._acquired
    monkeypatch.setattr(files, "_acquired", lambda file: False)
    fails(four(), "out is being written by", "Wait until that is done")
    monkeypatch.setattr(files, "_acquired", acquired)
    (tmp_path / "out" / files.LOCK).write_text("process 1 on another")  # of one that was killed
    (tmp_path / "out" / ".x.png.part").touch()
    assert four().exit_code == 0
    assert names(tmp_path / "out") == NAMES


@pytest.mark.parametrize(
    ("name", "format"), [("x.jpg", "JPEG"), ("x.jpeg", "JPEG"), ("x.webp", "WEBP"), ("X.PNG", "PNG")]
)
def test_the_name_says_the_format(run, tiny_model, tmp_path, name, format):
    shared = ("generate", "a", "--model", tiny_model, "--steps", 2, "--negative", "ü: b")
    assert run(*shared, "--out", name).exit_code == 0
    assert run(*shared, "--out", "plain.png").exit_code == 0
    picture, plain = Image.open(tmp_path / name), Image.open(tmp_path / "plain.png")
    assert picture.format == format
    assert np.abs(np.asarray(picture, np.int16) - np.asarray(plain)).mean() < (10 if format == "JPEG" else 0.01)
    assert read_settings(tmp_path / name) == read_settings(tmp_path / "plain.png")
    assert run("show", name).stdout == run("show", "plain.png").stdout


@pytest.mark.parametrize("name", ["x.gif", "x.tiff", "x.bmp"])
def test_another_format_is_refused(run, tiny_model, name):
    fails(run("generate", "a", "--model", tiny_model, "--out", name), f"--out {name}", ".png, .jpg")

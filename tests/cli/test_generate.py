"""`faster-diffusion generate` on a tiny model."""

import json

import numpy as np
import pytest
from PIL import Image

from faster_diffusion.generation.images import read_settings


def pixels(path):
    return np.asarray(Image.open(path), np.int16)


def same(a, b):
    """Equal up to the rounding of a convolution over another batch size."""
    return np.abs(pixels(a) - pixels(b)).max() <= 1


def test_writes_an_image_for_each_prompt_and_seed(run, tiny_model, tmp_path):
    result = run("generate", "A red cube!", "b", "--model", tiny_model, "--steps", 5, "--num-images", 2, "--seed", 7)
    assert result.exit_code == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["00007-a-red-cube.png", "00008-a-red-cube.png", "00009-b.png", "00010-b.png"]
    assert "Encoder ran in" in result.stdout
    assert result.stderr == ""


def test_an_image_does_not_depend_on_its_batch(run, tiny_model, tmp_path):
    shared = ("--model", tiny_model, "--steps", 8, "--scheduler", "euler-a")
    run("generate", "a", "b", "c", *shared, "--out", "together", "--batch-size", 3)
    run("generate", "a", "b", "c", *shared, "--out", "apart", "--batch-size", 1)
    run("generate", "c", *shared, "--seed", 2, "--out", "alone.png")
    for name in ("00000-a.png", "00001-b.png", "00002-c.png"):
        assert same(tmp_path / "together" / name, tmp_path / "apart" / name)
    assert same(tmp_path / "together" / "00002-c.png", tmp_path / "alone.png")
    assert not same(tmp_path / "together" / "00000-a.png", tmp_path / "alone.png")


def test_parallel_and_sequential_make_the_same_image(run, tiny_model, tmp_path):
    shared = ("generate", "a", "--model", tiny_model, "--steps", 10)
    run(*shared, "--out", "parallel.png")
    run(*shared, "--sequential", "--out", "sequential.png")
    assert same(tmp_path / "parallel.png", tmp_path / "sequential.png")


def test_prior_noise_is_mixed_in_only_if_wanted(run, tiny_model, tmp_path):
    shared = ("generate", "a", "--model", tiny_model, "--steps", 10, "--key-steps", "uniform:3")
    run(*shared, "--out", "with.png")
    run(*shared, "--no-prior-noise", "--out", "without.png")
    assert read_settings(tmp_path / "with.png")["acceleration"]["prior_noise"] is True
    assert read_settings(tmp_path / "without.png")["acceleration"]["prior_noise"] is False
    assert not np.array_equal(pixels(tmp_path / "with.png"), pixels(tmp_path / "without.png"))


def test_settings_are_read_back_from_the_picture(run, tiny_model, tmp_path):
    options = ("--scheduler", "dpm++", "--guidance", 3, "--negative", "blau, grün", "--height", 40, "--width", 24)
    result = run("generate", "ein Würfel", "--model", tiny_model, "--steps", 6, *options, "--out", "a/b.png")
    assert result.exit_code == 0
    settings = read_settings(tmp_path / "a" / "b.png")
    assert Image.open(tmp_path / "a" / "b.png").size == (24, 40)
    assert settings.pop("versions").keys() == {"faster-diffusion", "diffusers", "torch"}
    assert settings == {
        "model": str(tiny_model),
        "prompt": "ein Würfel",
        "negative": "blau, grün",
        "seed": 0,
        "steps": 6,
        "guidance": 3.0,
        "height": 40,
        "width": 24,
        "scheduler": "DPMSolverMultistepScheduler",
        "solver": "dpm++",
        "acceleration": {"key_steps": "paper", "parallel": True, "prior_noise": True},
        "dtype": "float32",
        "device": "cpu",
    }


def test_compare_writes_both_and_a_sheet(run, tiny_model, tmp_path):
    result = run("generate", "a", "--model", tiny_model, "--steps", 10, "--compare", "--out", "x.png")
    assert result.exit_code == 0
    assert "Origin Pipeline: " in result.stdout
    assert "Faster Diffusion: " in result.stdout
    assert "x.png  " in result.stdout
    assert " dB to its original" in result.stdout
    assert read_settings(tmp_path / "x.png")["acceleration"] is not None
    assert read_settings(tmp_path / "x-original.png")["acceleration"] is None
    sheet = Image.open(tmp_path / "x-compare.png")
    assert sheet.height > 2 * 192
    assert sheet.width > 192


def test_compare_shows_no_difference_where_every_step_is_key(run, tiny_model, tmp_path):
    run("generate", "a", "--model", tiny_model, "--steps", 6, "--key-steps", "all", "--compare", "--out", "x.png")
    assert np.array_equal(pixels(tmp_path / "x.png"), pixels(tmp_path / "x-original.png"))


@pytest.mark.parametrize("dtype", ["bfloat16"])
def test_dtype(run, tiny_model, tmp_path, dtype):
    assert run("generate", "a", "--model", tiny_model, "--steps", 4, "--dtype", dtype, "--out", "x.png").exit_code == 0
    assert read_settings(tmp_path / "x.png")["dtype"] == dtype


def test_runs_as_a_process(run_process, tiny_model, tmp_path):
    result = run_process("generate", "a", "--model", tiny_model, "--steps", 8, "--out", "x.png")
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert json.loads(Image.open(tmp_path / "x.png").info["faster-diffusion"])["prompt"] == "a"

"""A picture tells how it was made, to people, to other tools and to `generate`."""

import json

import numpy as np
import pytest
from PIL import Image

from faster_diffusion.generation.images import read_settings
from tests.cli.failing import fails

OPTIONS = ("--steps", 4, "--scheduler", "euler-a", "--guidance", 3, "--negative", "b, c", "--seed", 5)


def pixels(path):
    return np.asarray(Image.open(path))


@pytest.fixture
def made(run, tiny_model, tmp_path):
    more = ("--key-steps", "uniform:2", "--sequential", "--no-prior-noise", "--height", 40)
    assert run("generate", "a b", "--model", tiny_model, *OPTIONS, *more, "--out", "x.png").exit_code == 0
    return tmp_path / "x.png"


def test_other_tools_read_how_it_was_made(made, tiny_model):
    assert Image.open(made).info["parameters"] == (
        "a b\nNegative prompt: b, c\n"
        f"Steps: 4, Sampler: Euler a, CFG scale: 3, Seed: 5, Size: 32x40, Model: {tiny_model}"
    )


def test_it_is_shown(run, made):
    shown = run("show", made).stdout
    assert shown.startswith("a b\nNegative prompt: b, c\n")
    assert '"solver": "euler-a"' in shown
    assert json.loads(run("show", made, "--json").stdout) == read_settings(made)


def test_what_carries_nothing_says_so(run, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png")
    fails(run("show", "x.png"), "carries no settings")
    fails(run("show", "missing.png"), "no picture missing.png")
    assert run("generate", "--like", "x.png").exit_code == 2


def test_it_is_made_again(run, made, tmp_path):
    assert run("generate", "--like", made, "--out", "again.png").exit_code == 0
    assert np.array_equal(pixels(made), pixels(tmp_path / "again.png"))
    assert read_settings(tmp_path / "again.png") == read_settings(made)
    assert "Nothing is left to make" in run("generate", "--like", made, "--out", "again.png").stdout


def test_what_is_given_comes_first(run, made, tmp_path):
    assert run("generate", "c", "--like", made, "--seed", 9, "--parallel", "--out", "other.png").exit_code == 0
    changed = {
        "prompt": "c",
        "seed": 9,
        "acceleration": {"key_steps": "uniform:2", "parallel": True, "prior_noise": False},
    }
    assert read_settings(tmp_path / "other.png") == {**read_settings(made), **changed}


def test_with_the_embedded_model_to_the_bit(run, tmp_path):
    assert run("generate", "a red sphere", "--steps", 4, "--key-steps", "0,2", "--out", "x.webp").exit_code == 0
    assert run("generate", "--like", "x.webp", "--out", "y.png").exit_code == 0
    assert np.array_equal(pixels(tmp_path / "x.webp"), pixels(tmp_path / "y.png"))

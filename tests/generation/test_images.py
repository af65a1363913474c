"""PNG settings, sheets, seeds."""

import numpy as np
import pytest
from PIL import Image

from faster_diffusion.generation import images
from faster_diffusion.generation.prompts import numbered


def flat(value, size=(8, 6)):
    return Image.new("RGB", size, (value,) * 3)


def test_settings_survive_the_file(tmp_path):
    settings = {"prompt": "ein Würfel\n立方体", "steps": 50, "negative": None, "size": [1, 2]}
    images.save(flat(3), tmp_path / "deep" / "x.png", settings)
    assert images.read_settings(tmp_path / "deep" / "x.png") == settings


def test_a_picture_without_settings_says_so(tmp_path):
    flat(3).save(tmp_path / "x.png")
    with pytest.raises(ValueError, match="carries no settings"):
        images.read_settings(tmp_path / "x.png")


def test_sheet_shows_every_picture_enlarged_without_smoothing():
    columns = [images.Column((flat(40), flat(80)), "first"), images.Column((flat(120), flat(160)), "a longer caption")]
    sheet = np.asarray(images.sheet(("Original", "Accelerated"), columns, "title", cell=32))
    for value in (40, 80, 120, 160):
        assert (sheet == value).all(-1).sum() >= 32 * 24  # 8 x 6 enlarged fourfold
    assert (sheet == 255).all(-1).any()


def test_seeds_count_up_prompt_by_prompt():
    wanted = numbered(["a", "b"], 2, seed=5)
    assert [(prompt.text, prompt.seed) for prompt in wanted] == [("a", 5), ("a", 6), ("b", 7), ("b", 8)]

"""`faster-diffusion video`: Text2Video-Zero with a model of images, and a model of videos."""

import json

import pytest
from PIL import Image

from specimens.rows.video import text_to_video

from .test_errors import fails

SHORT = ("--frames", 3, "--steps", 20, "--out", "x.gif")


@pytest.fixture(scope="module")
def video_model(tmp_path_factory, tiny_model):
    from diffusers import StableDiffusionPipeline

    folder = tmp_path_factory.mktemp("models") / "video"
    pipe, words = text_to_video(), StableDiffusionPipeline.from_pretrained(tiny_model)
    pipe.register_modules(tokenizer=words.tokenizer, text_encoder=words.text_encoder)
    pipe.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("kind", ["images", "videos"])
def test_writes_a_video_that_carries_its_settings(run, tiny_model, video_model, tmp_path, kind):
    model = tiny_model if kind == "images" else video_model
    result = run("video", "a", "--model", model, *SHORT, "--height", 32, "--width", 32)
    assert result.exit_code == 0, result.stderr
    assert "Encoder ran in" in result.stdout
    video = Image.open(tmp_path / "x.gif")
    assert video.n_frames == 3
    assert json.loads(video.info["comment"])["steps"] == 20


def test_another_kind_of_file(run, tiny_model):
    fails(run("video", "a", "--model", tiny_model, "--out", "x.avi"), "neither a .gif nor a .webp")


def test_a_picture_where_the_pipeline_takes_none(run, video_model, tmp_path):
    Image.new("RGB", (32, 32)).save(tmp_path / "picture.png")
    result = run("video", "a", "--model", video_model, *SHORT, "--image", tmp_path / "picture.png")
    fails(result, "TextToVideoSDPipeline", "image")

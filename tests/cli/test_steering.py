"""Pictures, LoRAs, textual inversions and control networks given to `faster-diffusion generate`."""

import numpy as np
import pytest
import torch
from diffusers import ControlNetModel, StableDiffusionPipeline
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from PIL import Image
from safetensors.torch import save_file

from faster_diffusion.demo import scenes
from faster_diffusion.generation.images import read_settings
from tests.evaluation import tiny

from .test_errors import fails


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 40, 3), dtype=np.uint8)).save(path)
    return path


@pytest.fixture
def make(run, tiny_model, tmp_path):
    """Runs the command; gives the picture and the settings in it."""

    def generate(*arguments):
        result = run("generate", "a", "--model", tiny_model, "--steps", 10, "--out", "x.png", "--overwrite", *arguments)
        assert result.exit_code == 0, result.stderr
        assert "Encoder ran in" in result.stdout
        return np.asarray(Image.open(tmp_path / "x.png"), np.int16), read_settings(tmp_path / "x.png")

    return generate


def test_an_image_to_start_from(make, picture):
    near, settings = make("--image", picture, "--strength", 0.3)
    far, _ = make("--image", picture, "--strength", 0.9)
    start = np.asarray(Image.open(picture).resize((32, 32)), np.int16)
    assert near.shape == (32, 32, 3)
    assert np.abs(near - start).mean() != np.abs(far - start).mean()
    assert (settings["image"], settings["strength"]) == (str(picture), 0.3)


def test_a_control_network_follows_a_picture(make, picture, tmp_path):
    control = ControlNetModel.from_unet(tiny.pipeline().unet, conditioning_embedding_out_channels=(4, 8))
    for name, parameter in control.named_parameters():
        if not parameter.any() and "controlnet" in name:
            parameter.data += 0.1
    control.save_pretrained(tmp_path / "control")
    plain, _ = make()
    controlled, settings = make("--control", picture, "--controlnet", tmp_path / "control")
    both, _ = make("--control", picture, "--controlnet", tmp_path / "control", "--image", picture)
    assert settings["control"] == str(picture)
    assert np.abs(controlled - plain).max() > 2
    assert np.abs(controlled - both).max() > 2


def embedded(run, model, *arguments):
    return run("generate", "a small red cube", "--model", model, "--steps", 4, "--out", "x.png", *arguments)


def test_a_model_with_a_control_network_of_its_own_follows_a_picture(run, picture, tmp_path):
    fails(embedded(run, "scenes-canny"), "give one as --control.")
    result = embedded(run, "scenes-canny", "--control", picture)
    assert result.exit_code == 0, result.stderr
    assert Image.open(tmp_path / "x.png").size == (64, 64)


def test_a_model_that_makes_pictures_larger_takes_one_as_it_is(run, tmp_path):
    """Whatever its size; what is drawn looks like it."""
    scene = scenes.render(scenes.parse("a large red cube"), np.random.default_rng(0))
    small = Image.fromarray(scene).resize((32, 32), Image.Resampling.BOX)
    small.save(tmp_path / "small.png")
    fails(embedded(run, "scenes-if-2"), "give one as --image.")
    fails(embedded(run, "scenes-if-2", "--image", "small.png", "--strength", 0.5), "leave --strength out")
    result = embedded(run, "scenes-if-2", "--image", "small.png", "--compare")
    assert result.exit_code == 0, result.stderr
    drawn = Image.open(tmp_path / "x.png")
    assert drawn.size == (64, 64)
    drawn = np.asarray(drawn.resize((32, 32), Image.Resampling.BOX), np.float64)
    assert np.abs(drawn - np.asarray(small)).mean() < 20


def test_a_lora_at_a_weight(make, tmp_path):
    unet = tiny.pipeline().unet
    unet.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_v"]))
    state = get_peft_model_state_dict(unet)
    generator = torch.Generator().manual_seed(0)
    state = {f"unet.{name}": torch.randn(value.shape, generator=generator) for name, value in state.items()}
    save_file(state, tmp_path / "style.safetensors")
    plain, _ = make()
    off, _ = make("--lora", f"{tmp_path / 'style.safetensors'}:0")
    on, settings = make("--lora", tmp_path / "style.safetensors")
    assert np.abs(off - plain).max() <= 1
    assert np.abs(on - plain).max() > 2
    assert settings["lora"] == [str(tmp_path / "style.safetensors")]


def test_a_textual_inversion(make, tiny_model, tmp_path):
    width = StableDiffusionPipeline.from_pretrained(tiny_model).text_encoder.config.hidden_size
    torch.save({"<thing>": torch.ones(width)}, tmp_path / "thing.bin")
    image, settings = make("--embedding", tmp_path / "thing.bin")
    assert image.shape == (32, 32, 3)
    assert settings["embedding"] == [str(tmp_path / "thing.bin")]


def test_what_belongs_together_is_asked_for(run, tiny_model, picture):
    shared = ("generate", "a", "--model", tiny_model)
    fails(run(*shared, "--control", picture), "give one as --controlnet")
    fails(run(*shared, "--controlnet", "./missing"), "give one as --control.")
    fails(run(*shared, "--strength", 0.5), "--image")
    fails(run(*shared, "--image", "missing.png"), "no picture missing.png")
    fails(run(*shared, "--lora", "./missing"), "could not be loaded")
    fails(run(*shared, "--control", picture, "--controlnet", "./missing"), "could not be loaded")

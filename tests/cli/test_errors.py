"""Every mistake gets one clear line on stderr, a non-zero exit, and no traceback."""

import json
import re
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.cli.failing import fails


def test_unknown_scheduler(run, tiny_model):
    fails(run("generate", "a", "--model", tiny_model, "--scheduler", "magic"), "'magic'", "Known: ddim,", "euler-a")


def test_key_step_out_of_range(run, tiny_model):
    result = run("generate", "a", "--model", tiny_model, "--steps", 20, "--key-steps", "0,5,60")
    fails(result, "Key step 60 is out of range", "0 to 19")


def test_key_step_in_range_of_a_solver_with_more_calls_than_steps(run, tiny_model):
    shared = ("generate", "a", "--model", tiny_model, "--steps", 10, "--key-steps", "0,5,18")
    fails(run(*shared), "Key step 18", "0 to 9")
    assert run(*shared, "--scheduler", "heun").exit_code == 0


def test_key_steps_not_understood(run, tiny_model):
    fails(run("generate", "a", "--model", tiny_model, "--key-steps", "often"), "'often'", "uniform:N")


@pytest.mark.parametrize("folder", ["./missing", "/missing/model", "missing"])
def test_missing_folder(run, folder):
    fails(run("generate", "a", "--model", folder), f"no folder {folder}", "Hugging Face Hub")


def test_a_file_as_model(run, tmp_path):
    (tmp_path / "model.ckpt").write_text("weights")
    fails(run("generate", "a", "--model", tmp_path / "model.ckpt"), "is a file")


def test_folder_that_is_no_pipeline(run, tmp_path):
    fails(run("generate", "a", "--model", tmp_path), "no model_index.json")


def test_folder_without_weights(run, tiny_model, tmp_path):
    folder = tmp_path / "bare"
    shutil.copytree(tiny_model, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    fails(run("generate", "a", "--model", folder), "has no weights")


def test_folder_without_one_components_weights(run, tiny_model, tmp_path):
    folder = tmp_path / "partial"
    shutil.copytree(tiny_model, folder)
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    fails(run("generate", "a", "--model", folder), "could not be loaded", "unet")


def test_hub_model_offline(run):
    fails(run("generate", "a", "--model", "someone/something"), "someone/something", "could not be fetched")
    fails(run("info", "someone/something"), "someone/something", "could not be fetched")


@pytest.mark.parametrize(("option", "size", "nearest"), [("--height", 30, 32), ("--width", 3, 8), ("--width", 69, 72)])
def test_size_not_divisible(run, tiny_model, option, size, nearest):
    fails(run("generate", "a", "--model", tiny_model, option, size), f"{option} {size}", f"nearest that is: {nearest}")


def test_unknown_dtype(run, tiny_model):
    fails(run("generate", "a", "--model", tiny_model, "--dtype", "int3"), "'int3'", "bfloat16")


def test_device_that_is_not_there(run, tiny_model):
    fails(run("generate", "a", "--model", tiny_model, "--device", "cuda:77"), "'cuda:77'")


def test_more_steps_than_the_model_was_trained_with(run, tiny_model):
    fails(run("generate", "a", "--model", tiny_model, "--steps", 2000), "2000 steps", "1000")


def test_several_images_into_one_file(run, tiny_model):
    fails(run("generate", "a", "b", "--model", tiny_model, "--out", "x.png"), "x.png", "2 images")


def test_out_is_some_other_file(run, tiny_model, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    fails(run("generate", "a", "--model", tiny_model, "--out", "notes.txt"), "notes.txt")
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_out_of_memory_is_told_with_what_helps(run, tiny_model, monkeypatch):
    import torch
    from diffusers import AutoencoderKL

    def too_big(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")

    monkeypatch.setattr(AutoencoderKL, "decode", too_big)
    fails(run("generate", "a", "--model", tiny_model, "--steps", 3), "Out of memory", "--sequential")


def test_out_of_memory_in_parallel_mode_falls_back_to_smaller_groups(run, tiny_model, tmp_path, monkeypatch):
    from faster_diffusion.engine import decoder

    whole = decoder.run_partially

    def limited(*args, steps, **kwargs):
        if steps > 2:
            raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 99999 bytes.")
        return whole(*args, steps=steps, **kwargs)

    monkeypatch.setattr(decoder, "run_partially", limited)
    result = run("generate", "a", "--model", tiny_model, "--steps", 12, "--key-steps", "uniform:6", "--out", "x.png")
    assert result.exit_code == 0
    assert (tmp_path / "x.png").exists()
    assert all(line.startswith("Warning: Out of memory decoding") for line in result.stderr.strip().splitlines())
    assert "going on with" in result.stderr


@pytest.mark.parametrize(
    "arguments", [("generate",), ("generate", "a", "--steps", "many"), ("generate", "a", "--steps", 0)]
)
def test_usage_errors_end_in_one_line(run, arguments):
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stderr.strip().splitlines()[-1].startswith("Error: ")
    assert "Traceback" not in result.stderr


def test_info_of_a_network_that_is_not_known(run, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"_class_name": "UNet1DModel"}))
    fails(run("info", tmp_path), "UNet1DModel", "UNet2DConditionModel")


def test_info_of_a_pipeline_without_unet(run, tmp_path):
    index = {"_class_name": "FluxPipeline", "transformer": ["diffusers", "FluxTransformer2DModel"]}
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    fails(run("info", tmp_path), "FluxPipeline", "no network that is known")


def test_info_of_a_folder_without_configs(run, tmp_path):
    fails(run("info", tmp_path), "neither")


def test_no_traceback_from_the_process(run_process):
    result = run_process("generate", "a", "--model", "/missing/model")
    assert result.returncode == 2
    assert result.stderr.startswith("Error: There is no folder /missing/model")
    assert len(result.stderr.strip().splitlines()) == 1


def test_what_nobody_foresaw_is_one_line_and_a_file(run, tiny_model, monkeypatch):
    from diffusers import AutoencoderKL

    def broken(*_, **__):
        raise AssertionError("the\nroof fell in")

    monkeypatch.setattr(AutoencoderKL, "decode", broken)
    result = run("generate", "a", "--model", tiny_model, "--steps", 3)
    fails(result, "AssertionError: the roof fell in (a bug of ours", "please report it with ")
    log = Path(re.search(r"report it with (.*)\)", result.stderr)[1])
    assert "in broken\n" in log.read_text()
    log.unlink()


def test_so_it_is_while_arguments_are_read_and_where_no_file_can_be_written(run, monkeypatch):
    from faster_diffusion.generation import images

    monkeypatch.setattr(images, "read_settings", lambda path: {}["x"])
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    fails(run("generate", "--like", "x.png"), "KeyError: 'x' (a bug of ours", "could not be written")

"""`faster-diffusion analyze`."""

import json
import re
import sys

import pytest
from diffusers import DDPMPipeline, DDPMScheduler

from specimens.rows import images, transformers, video
from tests.cli.test_errors import fails


def analyze(run, model, *options):
    return run("analyze", model, "--steps", 4, "--suggest", "2,3", *options)


def test_prints_what_it_found_and_writes_the_folder(run, tiny_model, tmp_path):
    result = analyze(run, tiny_model, "--prompt", "a", "--prompt", "b", "--scheduler", "dpm++", "--out", "looks")
    assert result.exit_code == 0, result.stderr
    for pattern in (
        r"^Change from step to step: encoder \d+\.\d\d%, decoder \d+\.\d\d% of the mean square\.$",
        r"^Timeline: baseline \d+\.\d{3} s, key steps paper \d+\.\d{3} s\.$",
        r"^2 key steps, drift 0\.\d{4} \(uniform 0\.\d{4}\): --key-steps 0,\d$",
        r"^looks/analysis\.md$",
    ):
        assert re.search(pattern, result.stdout, re.MULTILINE), pattern
    made = json.loads((tmp_path / "looks" / "analysis.json").read_text())
    assert made["prompts"] == ["a", "b"]
    assert made["scheduler"] == "DPMSolverMultistepScheduler"


def test_generate_takes_the_key_steps_it_suggests(run, tiny_model):
    found = re.search(r"--key-steps (\S+)$", analyze(run, tiny_model, "--prompt", "a").stdout, re.MULTILINE)
    assert run("generate", "a", "--model", tiny_model, "--steps", 4, "--key-steps", found[1]).exit_code == 0


@pytest.mark.slow
def test_a_model_of_classes_takes_their_numbers(run, tmp_path):
    transformers.dit().save_pretrained(tmp_path / "dit")
    assert analyze(run, tmp_path / "dit", "--prompt", "1", "--out", "looks").exit_code == 0
    assert json.loads((tmp_path / "looks" / "analysis.json").read_text())["prompts"] == ["class_labels=[1]"]
    fails(analyze(run, tmp_path / "dit", "--prompt", "unicorn"), "'unicorn' is no class")


def test_a_model_without_a_prompt_is_analysed_as_it_is(run, tmp_path):
    images.unconditional(DDPMPipeline, DDPMScheduler()).save_pretrained(tmp_path / "ddpm")
    assert analyze(run, tmp_path / "ddpm").exit_code == 0
    fails(analyze(run, tmp_path / "ddpm", "--prompt", "a"), "DDPMPipeline takes no prompts")
    fails(analyze(run, tmp_path / "ddpm", "--guidance", 3), "DDPMPipeline takes no guidance_scale")


def test_a_pipeline_that_needs_more_than_a_prompt_is_refused(run, tmp_path):
    (row,) = (row for row in video.ROWS if row.name == "stable-video-diffusion")
    row.pipe().save_pretrained(tmp_path / "svd")
    fails(analyze(run, tmp_path / "svd"), "StableVideoDiffusionPipeline needs image", "analysis.analyze")


@pytest.mark.parametrize("counts", ["", "few", "0,5", "5;9"])
def test_numbers_of_key_steps_that_are_none(run, tiny_model, counts):
    fails(run("analyze", tiny_model, "--suggest", counts), "--suggest", "such as 5,9")


def test_a_file_as_folder(run, tiny_model, tmp_path):
    (tmp_path / "looks").write_text("")
    fails(run("analyze", tiny_model, "--out", "looks"), "--out looks is a file")


def test_an_unknown_scheduler(run, tiny_model):
    fails(run("analyze", tiny_model, "--scheduler", "magic"), "'magic'", "Known: ddim,")


def test_without_matplotlib_it_says_what_to_install(run, tiny_model, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    fails(run("analyze", tiny_model), "matplotlib", "pip install 'faster-diffusion[eval]'")

"""One look at a pipeline, from the call to the folder."""

import csv
import json
import re
import sys

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionImg2ImgPipeline
from PIL import Image

import faster_diffusion as fd
from faster_diffusion import demo
from faster_diffusion.analysis import analyze, suggest
from faster_diffusion.analysis.capture import observed
from faster_diffusion.analysis.drift import DriftMeter
from faster_diffusion.measuring.pixels import psnr
from faster_diffusion.models.stages import stage_names
from faster_diffusion.options.key_steps import SD_50
from specimens import toys
from specimens.rows import transformers

PROMPTS = [toys.prompt(seed=seed) for seed in range(2)]


@pytest.fixture(scope="module")
def pipe():
    return toys.stable_diffusion()


@pytest.fixture(scope="module")
def analysis(pipe):
    return analyze(pipe, PROMPTS, steps=10, keys=(2, 4), pictured=3)


@pytest.fixture(scope="module")
def folder(analysis, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "analysis"
    assert analysis.save(folder) == folder / "analysis.md"
    return folder


def test_it_tells_change_drift_pictures_and_timelines_of_every_stage(pipe, analysis):
    encoder, decoder = stage_names(pipe.unet)
    assert (list(analysis.change.encoder), list(analysis.change.decoder)) == (encoder, decoder)
    assert analysis.change.step_indices == tuple(range(1, 10))
    assert analysis.drift.matrix.shape == (10, 10)
    assert list(analysis.pictures.stages) == [*encoder, *decoder]
    assert analysis.pictures.step_indices == (0, 4, 9)
    assert [timeline.title for timeline in analysis.timelines] == ["baseline", "key steps paper"]


def test_change_is_what_a_hook_of_one_s_own_measures(pipe):
    outputs = []
    hook = pipe.unet.mid_block.register_forward_hook(lambda _, __, output: outputs.append(output.flatten(1)))
    pipe(**PROMPTS[0], num_inference_steps=10, generator=torch.Generator().manual_seed(0))
    hook.remove()
    first, second, *_ = outputs
    expected = ((second - first).square().sum(1) / second.square().sum(1)).mean().item()
    made = analyze(pipe, PROMPTS[:1], steps=10)
    assert made.change.encoder["mid_block"][0] == pytest.approx(expected, rel=1e-4)


def test_suggestions_stand_beside_uniform_placements_and_the_plan_of_the_run(analysis):
    assert [len(some.step_indices) for some in analysis.suggestions] == [2, 4]
    others = [(some.name, len(some.step_indices)) for some in analysis.others]
    assert others == [("uniform", 2), ("uniform", 4), ("paper", 5)]
    for suggestion, uniform in zip(analysis.suggestions, analysis.others, strict=False):
        assert 0 < suggestion.drift <= uniform.drift
    with fd.enable(toys.stable_diffusion(), key_steps=analysis.suggestions[0].step_indices) as handle:
        assert handle.config.key_steps == fd.KeySteps.parse(analysis.suggestions[0].key_steps)


def test_the_pipeline_is_as_before(pipe, analysis):
    assert not fd.is_enabled(pipe)
    torch.testing.assert_close(toys.sample(pipe), toys.sample(toys.stable_diffusion()), rtol=0, atol=0)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in pipe.unet.modules())


def test_the_folder_has_pictures_and_a_page_that_shows_all_of_them(folder):
    pictures = {path.name for path in folder.glob("*.png")}
    assert pictures == {"change.png", "drift.png", "key_steps.png", "pictures.png", "timeline.png"}
    page = (folder / "analysis.md").read_text()
    assert set(re.findall(r"!\[[^]]+\]\(([^)]+)\)", page)) == pictures
    assert set(re.findall(r"\]\(([^)]+)\)", page)) == {*pictures, "trace.json"}
    for name in pictures:
        assert len(np.unique(np.asarray(Image.open(folder / name).convert("RGB")).reshape(-1, 3), axis=0)) > 20


def test_its_numbers_are_in_json_and_csv(folder, analysis):
    made = json.loads((folder / "analysis.json").read_text())
    assert made == json.loads(json.dumps(analysis.to_dict()))
    header, *rows = csv.reader((folder / "change.csv").open())
    assert header == ["step", *analysis.change.encoder, *analysis.change.decoder]
    assert [float(row[1]) for row in rows] == list(analysis.change.encoder["conv_in"])
    _, *rows = csv.reader((folder / "drift.csv").open())
    np.testing.assert_array_equal(np.array(rows, float)[:, 1:], analysis.drift.matrix)


def test_the_trace_has_both_runs(folder):
    events = json.loads((folder / "trace.json").read_text())["traceEvents"]
    assert {event["pid"] for event in events if event["ph"] == "X"} == {0, 1}


def test_without_matplotlib_it_says_what_to_install(analysis, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=re.escape("faster-diffusion[eval]")):
        analysis.save(tmp_path)


def test_a_run_that_starts_in_the_middle_is_told_by_its_orders():
    pipe = StableDiffusionImg2ImgPipeline(**toys.stable_diffusion().components, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    made = analyze(pipe, [toys.prompt()], steps=10, keys=(2,), image=torch.rand(1, 3, 32, 32), strength=0.6)
    assert made.drift.step_indices == (4, 5, 6, 7, 8, 9)
    assert made.suggestions[0].step_indices[0] == 4
    assert made.pictures.step_indices[0] == 4


def test_a_transformer_is_analysed_too():
    pipe = transformers.dit()
    pipe.set_progress_bar_config(disable=True)
    made = analyze(pipe, [{"class_labels": [207]}], steps=6, keys=(3,))
    assert made.prompts == ("class_labels=[207]",)
    assert list(made.change.decoder) == stage_names(pipe.transformer)[1]
    assert made.pictures.stages["transformer_blocks.0"][0].shape == (4, 4, 3)
    assert made.pictures.image.shape == (16, 16, 3)


def test_an_enabled_pipeline_is_refused(pipe):
    with fd.enable(pipe), pytest.raises(ValueError, match="disable"):
        analyze(pipe, PROMPTS)


def test_a_network_compiled_as_a_whole_is_refused():
    pipe = toys.stable_diffusion()
    pipe.unet.compile()
    with pytest.raises(ValueError, match="compiled as a whole"):
        analyze(pipe, PROMPTS)


def test_what_cannot_be_accelerated_is_refused_before_anything_runs():
    with pytest.raises(TypeError, match="takes a diffusers pipeline"):
        analyze("a pipeline", PROMPTS)


@pytest.mark.slow
def test_on_a_trained_model_the_suggested_key_steps_keep_more_of_the_image_than_as_many_of_the_paper_s():
    pipe = demo.load()
    pipe.set_progress_bar_config(disable=True)

    def draw(prompts):
        seeds = [torch.Generator().manual_seed(seed) for seed in range(len(prompts))]
        return pipe(prompts, guidance_scale=demo.GUIDANCE_SCALE, generator=seeds).images

    def kept(key_steps):
        """PSNR in dB, of prompts that the analysis has not seen."""
        with fd.enable(pipe, key_steps=key_steps, prior_noise=None):
            return np.mean([psnr(*pair) for pair in zip(draw(others), original, strict=True)])

    meter, others = DriftMeter(), demo.prompts(4, seed=7)
    with observed(pipe, pipe.unet, meter):
        draw(demo.prompts(4))
    meter.end_run()
    (suggestion,) = suggest(meter.result(), [len(SD_50)])
    original = draw(others)
    assert kept(suggestion.step_indices) > kept(SD_50) + 2  # dB; 35.8 and 31.5

"""A whole evaluation: what is drawn, what is measured, and that a run that was stopped goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionControlNetPipeline, StableDiffusionInpaintPipeline
from PIL import Image

import faster_diffusion as fd
from faster_diffusion.evaluation import METRICS, Evaluation, Judges, Metric, Value, interleaved
from faster_diffusion.generation.prompts import Prompt
from faster_diffusion.generation.sampling import Settings
from specimens.rows.control import control_of
from specimens.rows.images import upscale
from specimens.rows.transformers import dit
from specimens.rows.video import stable_video_diffusion
from tests.evaluation import tiny

FEW = Judges(metrics=("flops", "psnr"))
SHORT = Settings(steps=(4,), batch_size=2)


def inpaint():
    return StableDiffusionInpaintPipeline(**tiny.pipeline().components, requires_safety_checker=False)


def images(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.glob("arms/*/0*.png"))}


def pixels(path):
    return np.asarray(Image.open(path), np.int16)


def test_the_baseline_arm_is_what_the_pipeline_draws(run):
    drawn = tiny.pipeline()(
        [prompt.text for prompt in tiny.PROMPTS[:2]],
        num_inference_steps=8,
        guidance_scale=3.0,
        generator=[torch.Generator().manual_seed(prompt.seed) for prompt in tiny.PROMPTS[:2]],
    ).images
    for number, image in enumerate(drawn):
        assert np.array_equal(image, pixels(run.folder / "arms" / "00-baseline" / f"{number:05d}.png"))


def test_the_baseline_arm_is_identical_to_itself(run):
    values = run.found.arm("baseline").values
    assert values["psnr"].value == float("inf")
    assert values["ssim"].value == pytest.approx(1)
    assert values["fid"].value == pytest.approx(0, abs=1e-6)
    assert values["kid"].value == pytest.approx(0, abs=1e-9)


def test_an_arm_whose_steps_are_all_key_is_identical_too(run):
    assert run.found.arm("all").values["psnr"].each == (float("inf"),) * len(tiny.PROMPTS)


def test_an_arm_is_compared_with_every_reference(run):
    paper = run.found.arm("paper").values
    assert run.found.columns["psnr:finer"].title == "PSNR to finer"
    assert paper["psnr:finer"].value != paper["psnr"].value < float("inf")
    assert run.found.arm("finer").values["psnr:finer"].value == float("inf")


def test_operations_are_those_of_the_summary(run):
    pipe = tiny.pipeline()
    with fd.enable(pipe) as handle:
        pipe("a", num_inference_steps=8, guidance_scale=3.0)
    summary = handle.summary()
    assert run.found.arm("paper").values["flops"].value * 1e9 == summary.flops
    assert run.found.arm("baseline").values["flops"].value * 1e9 == summary.flops_baseline


def test_every_image_and_every_batch_has_its_figure(run):
    for arm in run.found.arms:
        assert len(arm.values["psnr"].each) == len(arm.values["ssim"].each) == 3
        assert len(arm.values["call_seconds"].each) == 2
        assert 0 < arm.values["network_seconds"].value < arm.values["call_seconds"].value


def test_what_cannot_be_measured_says_why(run):
    missing = {key: column.missing for key, column in run.found.columns.items() if column.missing}
    assert "--real" in missing["fid_real"]
    assert "--clip" in missing["clip_score"]
    assert "scenes" in missing["obeyed"]
    assert "CPU" in missing["peak_memory"]
    assert all(key not in arm.values for arm in run.found.arms for key in missing)


def test_results_survive_their_file(run):
    path = run.folder / "results.json"
    assert Evaluation.read(path).to_dict() == json.loads(path.read_text())
    assert json.loads(path.read_text())["arms"]["baseline"]["metrics"]["psnr"]["value"] == "identical"


def test_results_of_an_earlier_version_which_called_the_baseline_untouched_are_read(run, tmp_path):
    text = (run.folder / "results.json").read_text()
    (tmp_path / "results.json").write_text(text.replace('"baseline"', '"untouched"'))
    assert Evaluation.read(tmp_path / "results.json").to_dict() == json.loads(text)


def test_an_image_does_not_depend_on_its_batch(run, tmp_path):
    tiny.run(tmp_path, settings=replace(tiny.SETTINGS, batch_size=3), judges=FEW)
    for path in images(run.folder):
        assert np.abs(pixels(run.folder / path) - pixels(tmp_path / path)).max() <= 1


def test_arms_are_drawn_in_turn_every_other_batch_backwards(tmp_path, monkeypatch):
    order, generate = [], interleaved.generate
    monkeypatch.setattr(interleaved, "generate", lambda arm, *rest: [order.append(arm.name), generate(arm, *rest)][1])
    tiny.run(tmp_path, arms=["paper", "dpm++:2"], settings=SHORT, judges=FEW)
    arms = ["baseline", "paper", "dpm++:2"]
    assert order == arms + arms + arms[::-1]  # the first time, operations are counted


KILLED = """
import sys, time
from pathlib import Path
from faster_diffusion.measuring import store
from tests.evaluation import tiny

write_whole = store.write_whole

def write(path, content):
    if path.parent.name == "02-paper" and path.name == "00001.png":
        path.with_name(f".{path.name}.half.part").write_bytes(content[:100])
        time.sleep(600)
    write_whole(path, content)

store.write_whole = write
tiny.run(Path(sys.argv[1]))
"""


def test_a_run_killed_while_it_writes_an_image_goes_on_to_the_same_results(run, tmp_path):
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], env={**os.environ, "PYTHONPATH": "."})
    end = time.monotonic() + 200
    while not list(tmp_path.glob("arms/*/.*.half.part")) and process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert len(images(tmp_path)) == 5
    assert images(tmp_path).items() <= images(run.folder).items()

    found = tiny.run(tmp_path)
    assert images(tmp_path) == images(run.folder)
    assert not list(tmp_path.glob("arms/*/.*"))
    for name, arm in found.to_dict()["arms"].items():
        assert json.dumps(arm["metrics"]) == json.dumps(run.found.to_dict()["arms"][name]["metrics"])


def test_a_finished_run_draws_nothing_again(run, monkeypatch):
    monkeypatch.setattr(interleaved, "generate", None)
    assert tiny.run(run.folder).to_dict()["arms"] == run.found.to_dict()["arms"]


def test_another_model_does_not_go_on_with_it(run):
    pipe = tiny.pipeline()
    pipe.unet.conv_in.weight.data[0, 0, 0, 0] += 1
    with pytest.raises(ValueError, match="holds another evaluation: model parts 1 weights is"):
        tiny.run(run.folder, pipe=pipe)


def test_an_arm_that_fails_is_left_out_with_its_reason(tmp_path):
    found = tiny.run(tmp_path, arms=["tgate:2", "paper"], settings=replace(SHORT, guidance=1.0), judges=FEW)
    assert "T-GATE needs guidance" in found.arm("tgate:2").failed
    assert not found.arm("tgate:2").values
    assert found.arm("paper").failed is None


def test_the_baseline_arm_must_not_fail(tmp_path):
    pipe = tiny.pipeline()
    pipe.vae = None
    with pytest.raises(AttributeError):
        tiny.run(tmp_path, pipe=pipe, settings=SHORT)


@pytest.mark.slow
def test_a_pipeline_goes_on_from_the_images_of_another(tmp_path):
    second = upscale()
    second.register_modules(tokenizer=tiny.pipeline().tokenizer)
    pipes, settings = [tiny.pipeline(), second], Settings(steps=(4, 6))
    found = tiny.run(tmp_path, pipe=pipes, arms=["0,2", "steps:3"], settings=settings, judges=FEW)
    assert Image.open(tmp_path / "arms" / "00-baseline" / "00000.png").size == (64, 64)
    flops = {arm.name: arm.values["flops"].value for arm in found.arms}
    assert flops["steps:3"] < flops["0,2"] < flops["baseline"]


def test_a_control_network_follows_the_picture_of_each_prompt_and_counts_as_network(tmp_path):
    plain = tiny.pipeline()
    pipe = StableDiffusionControlNetPipeline(
        **plain.components, controlnet=control_of(plain.unet), requires_safety_checker=False
    )
    prompts = [replace(prompt, start=tmp_path / f"{prompt.text}.png") for prompt in tiny.PROMPTS[:2]]
    for shade, prompt in zip((0, 255), prompts, strict=True):
        Image.new("RGB", (32, 32), (shade,) * 3).save(prompt.start)
    given = {"arms": ["0,2"], "settings": SHORT, "judges": FEW}
    found = tiny.run(tmp_path / "run", pipe=pipe, prompts=prompts, **given)
    drawn = pipe(
        prompts[1].text,
        image=Image.open(prompts[1].start),
        num_inference_steps=4,
        generator=torch.Generator().manual_seed(prompts[1].seed),
    ).images[0]
    kept = pixels(tmp_path / "run" / "arms" / "00-baseline" / "00001.png")
    assert np.abs(np.asarray(drawn, np.int16) - kept).max() <= 1

    alone = tiny.run(tmp_path / "alone", prompts=tiny.PROMPTS[:2], **given)
    more = [found.arm(arm).values["flops"].value - alone.arm(arm).values["flops"].value for arm in ("baseline", "0,2")]
    assert more[0] == pytest.approx(2 * more[1])  # runs at two steps of four


def test_a_class_conditional_transformer_is_told_classes(tmp_path):
    pipe = dit()
    pipe.labels = {"tench": 0, "goldfish": 1}
    given = {"prompts": [Prompt("goldfish", 4)], "settings": SHORT, "judges": FEW}
    found = tiny.run(tmp_path / "run", pipe=pipe, arms=["0,2"], **given)
    drawn = pipe([1], num_inference_steps=4, generator=torch.Generator().manual_seed(4)).images[0]
    assert np.array_equal(drawn, pixels(tmp_path / "run" / "arms" / "00-baseline" / "00000.png"))
    assert found.arm("0,2").values["psnr"].value < float("inf")
    with pytest.raises(ValueError, match="knows no class 'a cat'; its prompts are classes, such as tench, goldfish"):
        tiny.run(tmp_path / "other", pipe=pipe, **{**given, "prompts": [Prompt("a cat", 4)]})


def test_a_metric_of_ones_own(tmp_path, monkeypatch):
    def brightness(study, arm, _):
        means = [float(np.asarray(image).mean()) for image in study.store.images(arm)]
        return Value(sum(means) / len(means), each=tuple(means))

    monkeypatch.setitem(METRICS, "brightness", Metric("brightness", "", True, brightness, form=".0f"))
    found = tiny.run(tmp_path, arms=["paper"], settings=SHORT, judges=Judges(metrics=("brightness",)))
    assert found.columns["brightness"].title == "brightness"
    assert 0 < found.arm("paper").values["brightness"].value < 255


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"arms": ["paper", "paper"]}, "Two arms are called 'paper'"),
        ({"judges": Judges(references=("gone",))}, "No arm is called 'gone'"),
        ({"prompts": []}, "no prompts"),
        ({"settings": Settings(steps=(2, 2))}, "1 pipelines need a number of steps each, not 2"),
        ({"pipe": upscale()}, 'starts from a picture; give every prompt a "start"'),
        ({"prompts": [Prompt("a", 1, start=Path("a.png"))]}, 'starts from no picture, but prompts have a "start"'),
        ({"pipe": inpaint()}, "needs a mask_image"),
        ({"settings": Settings(steps=(2,), frames=4)}, "generates images, not videos of 4 frames"),
        ({"pipe": stable_video_diffusion()}, "generates nothing from prompts or classes"),
    ],
)
def test_what_is_not_understood_is_refused_before_anything_is_drawn(tmp_path, arguments, said):
    with pytest.raises(ValueError, match=said):
        tiny.run(tmp_path, **{"judges": FEW, **arguments})
    assert not list(tmp_path.iterdir())


def test_an_unknown_metric():
    with pytest.raises(ValueError, match=r"Unknown metric 'beauty'. Known: call_seconds, "):
        Judges(metrics=("beauty",))


def test_the_pipelines_own_progress_bar_is_as_before(run):
    pipe = tiny.pipeline()
    pipe.set_progress_bar_config(desc="mine")
    tiny.run(run.folder, pipe=pipe)
    assert pipe._progress_bar_config == {"desc": "mine"}

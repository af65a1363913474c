"""`faster-diffusion evaluate` on the embedded model, its documented commands, and what is said of mistakes."""

import json
import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from faster_diffusion.arms import read_arms
from faster_diffusion.cli import evaluate as command
from faster_diffusion.demo.recognise import obeys
from faster_diffusion.evaluation import Evaluation
from faster_diffusion.evaluation.line_up import line_up
from faster_diffusion.generation import loading
from faster_diffusion.measuring import extras
from specimens import toys
from specimens.rows.images import upscale
from specimens.rows.transformers import dit
from tests.cli.failing import fails

ROOT = Path(__file__).parent.parent.parent
DOCUMENTED = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^faster-diffusion (evaluate (?:[^\\\n]|\\\n)*)", DOCUMENTED, re.MULTILINE)


@pytest.fixture
def coco(tmp_path):
    """The files that the documented commands name, as small as they can be."""
    (tmp_path / "reproduce").symlink_to(ROOT / "reproduce")
    (tmp_path / "annotations").mkdir()
    captions = [{"image_id": n // 2, "id": n, "caption": f"a cat {n}"} for n in range(6)]
    (tmp_path / "annotations" / "captions_val2017.json").write_text(json.dumps({"annotations": captions}))
    (tmp_path / "val2017").mkdir()
    for number in range(3):
        Image.new("RGB", (8, 6)).save(tmp_path / "val2017" / f"{number}.jpg")
    (tmp_path / "inception-2015-12-05.pt").touch()


def test_the_embedded_model_from_prompts_to_report(run, tmp_path):
    arms = ("--arm", "paper + sequential", "--arm", "short=steps:3")
    metrics = [part for key in ("flops", "psnr", "fid", "clip_score", "obeyed") for part in ("--metric", key)]
    result = run("evaluate", "--count", 4, "--steps", 6, *arms, *metrics, "--metric", "call_seconds", "--out", "x")
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    assert "| paper + sequential |" in result.stdout
    assert "| short (steps:3) |" in result.stdout
    assert f"Report: {Path('x') / 'report.html'}" in result.stdout

    found = Evaluation.read(tmp_path / "x" / "results.json")
    baseline, short = found.arm("baseline").values, found.arm("short").values
    assert baseline["psnr"].value == float("inf")
    assert baseline["fid"].value == pytest.approx(0, abs=1e-4)
    assert short["flops"].value == pytest.approx(baseline["flops"].value / 2)
    assert baseline["clip_score"].value > 0.8
    drawn = [Image.open(tmp_path / "x" / "arms" / "00-baseline" / f"{number:05d}.png") for number in range(4)]
    verdicts = [obeys(image, prompt.text) for image, prompt in zip(drawn, found.prompts, strict=True)]
    assert baseline["obeyed"].each == tuple(float(v.objects_right and v.relation_right) for v in verdicts)
    for name in ("report.html", "report.md", "plots/psnr.png"):
        assert (tmp_path / "x" / name).is_file()


@pytest.mark.slow
def test_a_model_of_images_draws_videos_if_frames_are_asked_for(run, tmp_path):
    arms = ("--arm", "0,2", "--metric", "psnr", "--metric", "obeyed")
    result = run("evaluate", "--frames", 2, "--count", 1, "--steps", 4, *arms, "--out", "x")
    assert result.exit_code == 0, result.stderr
    assert Image.open(tmp_path / "x" / "arms" / "00-baseline" / "00000.png").size == (128, 64)


def test_several_commands_are_documented():
    assert len(COMMANDS) == 4


@pytest.mark.parametrize("command", COMMANDS)
def test_a_documented_command_is_ready_but_for_its_weights(run, coco, command):
    result = run(*shlex.split(command.replace("\\\n", " ")), "--dry-run")
    assert result.exit_code == 0, result.stderr
    assert re.search(r"[\d,]+ images, [\d,]+ network calls", result.stdout)
    assert "The weights were not checked." in result.stdout
    if "coco" in command:
        assert "FID to real images" in re.search(r"Measured: (.*)", result.stdout)[1]
        assert "CLIP score" in re.search(r"Measured: (.*)", result.stdout)[1]


def test_a_dry_run_counts_steps_of_every_stage(run, coco):
    command = next(command for command in COMMANDS if "--steps 100" in command)
    result = run(*shlex.split(command.replace("\\\n", " ")), "--dry-run")
    assert "6 prompts, 3 arms" in result.stdout
    assert f"{3 * 7 * 225:,} network calls" in result.stdout


@pytest.mark.parametrize("path", sorted((ROOT / "reproduce" / "arms").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_file_of_arms_can_be_read(path):
    assert len(line_up(read_arms(path))) > 2


def test_a_dry_run_writes_nothing(run, tmp_path):
    assert run("evaluate", "--dry-run").exit_code == 0
    assert not list(tmp_path.iterdir())


def test_prompts_of_ones_own_and_a_model_of_ones_own(run, tiny_model, tmp_path):
    (tmp_path / "prompts.txt").write_text("a\nb\nc\n")
    shared = ("evaluate", tiny_model, "--prompts", "prompts.txt", "--steps", 3, "--metric", "psnr", "--out", "x")
    result = run(*shared, "--arm", "dpm++:2", "--count", 2, "--num-images", 2, "--seed", 5)
    assert result.exit_code == 0, result.stderr
    prompts = json.loads((tmp_path / "x" / "results.json").read_text())["prompts"]
    assert prompts == [{"prompt": text, "seed": 5 + n} for n, text in enumerate("abab")]
    fails(run(*shared, "--arm", "dpm++:2"), "x holds another evaluation: prompts are 3, there 4")


def test_a_model_that_is_told_classes_needs_no_prompts(run, tmp_path):
    names = {0: "tench, Tinca tinca", 1: "goldfish"}
    pipe = dit()
    pipe.register_to_config(id2label=names)
    pipe.save_pretrained(tmp_path / "dit")
    result = run("evaluate", "dit", "--count", 3, "--steps", 3, "--arm", "0,2", "--metric", "psnr", "--out", "x")
    assert result.exit_code == 0, result.stderr
    prompts = json.loads((tmp_path / "x" / "results.json").read_text())["prompts"]
    assert [prompt["prompt"] for prompt in prompts] == ["tench", "goldfish", "tench"]


@pytest.mark.slow
def test_a_model_that_goes_on_from_the_images_of_another(run, tiny_model, tmp_path):
    second = upscale()
    second.register_modules(tokenizer=toys.tokenizer())
    second.save_pretrained(tmp_path / "second")
    (tmp_path / "prompts.txt").write_text("a\n")
    stages = ("--steps", 4, "--then", f"{tmp_path / 'second'}:6", "--prompts", "prompts.txt")
    result = run("evaluate", tiny_model, *stages, "--arm", "0,2", "--metric", "flops", "--out", "x")
    assert result.exit_code == 0, result.stderr
    assert Image.open(tmp_path / "x" / "arms" / "00-baseline" / "00000.png").size == (64, 64)
    assert json.loads((tmp_path / "x" / "results.json").read_text())["settings"]["steps"] == [4, 6]


def test_stages_of_if_share_their_text_encoder(monkeypatch):
    class T5EncoderModel:
        pass

    def load(name, dtype, device, **parts):
        loaded[name] = parts
        return SimpleNamespace(text_encoder=T5EncoderModel(), tokenizer=name)

    loaded: dict = {}
    kinds = {"IF-II": "T5EncoderModel", "upscaler": "CLIPTextModel", "bare": None}
    monkeypatch.setattr(loading, "load", load)
    monkeypatch.setattr(loading, "read_config", lambda name, _: {"text_encoder": ["transformers", kinds[name]]})
    first, *_ = command._load(["IF-I", *kinds], None, "cpu")
    assert loaded["IF-II"] == {"text_encoder": first.text_encoder, "tokenizer": "IF-I"}
    assert loaded["upscaler"] == loaded["bare"] == {}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--arm", "often"), "'often' is not understood"),
        (("--arms", "gone.yaml"), "gone.yaml"),
        (("--prompts", "gone.txt"), "There is no file or folder gone.txt"),
        (("--real", "gone"), "gone has no pictures"),
        (("--features", "gone.pt"), "The network gone.pt cannot be had: there is no file gone.pt"),
        (("--metric", "beauty"), "Unknown metric 'beauty'"),
        (("--reference", "gone"), "No arm is called 'gone'"),
        (("--scheduler", "magic"), "Unknown scheduler 'magic'"),
        (("--dtype", "int3"), "Unknown dtype 'int3'"),
        (("--then", "./gone:3"), "There is no folder ./gone"),
        (("--height", "30", "--steps", "1"), "--height 30 is not a multiple of 8"),
    ],
)
def test_mistakes_are_told_in_one_line(run, arguments, said):
    fails(run("evaluate", *arguments), said)


def test_a_model_that_is_not_embedded_needs_prompts(run, tiny_model):
    fails(run("evaluate", tiny_model), "needs --prompts")


def test_without_the_extra_it_says_what_to_install(run, monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "jinja2" else name)
    fails(run("evaluate"), "Evaluating needs jinja2", "pip install 'faster-diffusion[eval]'")

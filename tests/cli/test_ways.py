"""Commands take their acceleration as single options, as an arm, or as a profile; prompts from files; any seed."""

import json

import numpy as np
import pytest
from PIL import Image

from faster_diffusion import demo
from faster_diffusion.arms import Arm
from faster_diffusion.generation.images import read_settings
from faster_diffusion.options.config import PropagationConfig
from faster_diffusion.options.profile import Profile
from tests.cli.failing import fails
from tests.evaluation import tiny

PLAN = "uniform:2 + output + forecast:1"


def pixels(path):
    return np.asarray(Image.open(path))


@pytest.fixture
def make(run, tiny_model):
    def generate(*arguments):
        return run("generate", "a", "--model", tiny_model, "--overwrite", *arguments)

    return generate


@pytest.fixture
def profile(tmp_path):
    """Of the tiny model."""
    from faster_diffusion.models.fingerprint import Fingerprint
    from faster_diffusion.models.schedulers import Solver, make

    pipe = tiny.pipeline()
    config = PropagationConfig("uniform:2", prior_noise=None)
    solver = Solver.of(make("euler", pipe.scheduler.config))
    Profile(Fingerprint.of(pipe, pipe.unet), solver, 6, config, {"guidance": 3.0}).save(tmp_path / "fast.json")
    return tmp_path / "fast.json"


def test_an_arm_says_all_that_single_options_say(make, tmp_path):
    assert make("--steps", 4, "--key-steps", "uniform:2", "--no-prior-noise", "--out", "single.png").exit_code == 0
    assert make("--steps", 4, "--arm", "uniform:2", "--out", "arm.png").exit_code == 0
    assert np.array_equal(pixels(tmp_path / "single.png"), pixels(tmp_path / "arm.png"))
    assert read_settings(tmp_path / "arm.png")["arm"] == "uniform:2"


def test_an_arm_says_more_than_they_can(make, run, tmp_path):
    result = make("--arm", f"euler:6 + {PLAN}", "--out", "x.png")
    assert result.exit_code == 0, result.stderr
    settings = read_settings(tmp_path / "x.png")
    assert settings["arm"] == Arm.parse(f"euler:6 + {PLAN}").spec
    assert (settings["scheduler"], settings["steps"]) == ("EulerDiscreteScheduler", 6)
    assert run("generate", "--like", "x.png", "--out", "again.png").exit_code == 0
    assert np.array_equal(pixels(tmp_path / "x.png"), pixels(tmp_path / "again.png"))
    assert run("generate", "--like", "x.png", "--sequential", "--steps", 6, "--out", "other.png").exit_code == 0
    assert "arm" not in read_settings(tmp_path / "other.png")


def test_the_baseline_is_an_arm_too(make):
    result = make("--steps", 2, "--arm", "baseline", "--out", "x.png")
    assert (result.exit_code, result.stdout) == (0, "x.png\n")


def test_a_profile_sets_steps_scheduler_and_guidance(make, run, profile, tmp_path):
    result = make("--profile", profile, "--out", "x.png")
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    settings = read_settings(tmp_path / "x.png")
    assert (settings["steps"], settings["scheduler"], settings["guidance"]) == (6, "EulerDiscreteScheduler", 3.0)
    assert run("generate", "--like", "x.png", "--out", "again.png").exit_code == 0
    assert np.array_equal(pixels(tmp_path / "x.png"), pixels(tmp_path / "again.png"))
    assert make("--arm", f"profile:{profile}", "--out", "arm.png").exit_code == 0
    assert np.array_equal(pixels(tmp_path / "x.png"), pixels(tmp_path / "arm.png"))


def test_an_embedded_model_with_its_profile(run, tmp_path):
    result = run("generate", "a red sphere", "--profile", demo.profile("scenes"), "--out", "x.png")
    assert result.exit_code == 0, result.stderr
    assert "Network:" in result.stdout


def test_the_arm_of_a_profile_is_read_as_it_is_written(profile):
    arm = Arm.parse(f"profile:{profile}")
    assert Arm.parse(arm.spec) == arm
    assert (arm.spec, arm.steps(50)) == (f"profile:{profile}", 6)
    pipe = tiny.pipeline()
    before = pipe.scheduler
    with arm.applied(pipe) as handle:
        assert type(pipe.scheduler).__name__ == "EulerDiscreteScheduler"
        assert handle.profile.steps == 6
    assert pipe.scheduler is before


def test_what_a_profile_says_is_not_fitted_again(profile):
    from faster_diffusion.tuning import fit

    with pytest.raises(ValueError, match="is made already; give a solver and its steps"):
        fit(tiny.pipeline(), f"profile:{profile}", ["a", "b"])


def test_an_evaluation_takes_profiles(run, profile, tiny_model):
    shared = ("--dry-run", "--prompts", "p.txt", "--profile", profile, "--out", "new")
    profile.with_name("p.txt").write_text("a\n")
    result = run("evaluate", tiny_model, *shared)
    assert result.exit_code == 0, result.stderr
    assert f"  fast: profile:{profile}" in result.stdout
    assert not profile.with_name("new").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--arm", "paper", "--key-steps", "all"), "--arm says all of the acceleration; leave --key-steps out"),
        (("--arm", "paper", "--sequential"), "leave --sequential or --parallel out"),
        (("--profile", "x.json", "--arm", "paper"), "--arm says all of the acceleration; leave --profile out"),
        (("--arm", "euler:4", "--steps", 5), "--arm says its steps; leave --steps out"),
        (("--arm", "euler:4 + paper", "--scheduler", "ddim"), "--arm says its scheduler; leave --scheduler out"),
        (("--arm", "often"), "--arm: Arm part 'often' is not understood"),
        (("--profile", "missing.json"), "--profile: there is no file missing.json"),
        (("--arm", "profile:a.json + paper"), "stands alone"),
        (("--seed", 2**64), "A seed is a whole number from 0 to 18446744073709551615"),
        (("--offload", "model", "--device", "cpu"), "on cpu all is in memory already"),
        (("--offload", "disk"), "Unknown way to offload 'disk'. Known: model, sequential"),
    ],
)
def test_what_does_not_go_together(make, arguments, told):
    result = make(*arguments)
    fails(result, told)
    assert result.exit_code == 2


def test_a_profile_of_another_model(make):
    fails(make("--profile", demo.profile("scenes"), "--out", "x.png"), "is for another model")


def test_compiling_compiles_the_blocks_that_repeat(make, monkeypatch):
    from diffusers import UNet2DConditionModel

    asked = []
    monkeypatch.setattr(UNet2DConditionModel, "compile_repeated_blocks", lambda self, **options: asked.append(options))
    assert make("--steps", 2, "--compile", "--out", "x.png").exit_code == 0
    assert asked == [{"dynamic": True}]


def test_prompts_from_a_file_and_from_standard_input(run, tiny_model, tmp_path, monkeypatch):
    (tmp_path / "p.csv").write_bytes("prompt,seed\na,7\nb,\n".encode("utf-16"))
    shared = ("generate", "--model", tiny_model, "--steps", 2, "--num-images", 2)
    assert run(*shared, "--prompts", "p.csv", "--out", "file").exit_code == 0
    names = ["00002-b.png", "00003-b.png", "00007-a.png", "00008-a.png"]
    assert sorted(path.name for path in (tmp_path / "file").iterdir()) == names

    from typer.testing import CliRunner

    from faster_diffusion.cli.main import app

    words = [*map(str, shared), "--prompts", "-", "--out", "input"]
    assert CliRunner().invoke(app, words, input="\ufeffa\nb\n").exit_code == 0
    assert len(list((tmp_path / "input").iterdir())) == 4
    fails(run("generate"), "give a PROMPT, --prompts FILE, or --like IMAGE")
    fails(run(*shared, "--prompts", "missing.txt"), "There is no file or folder missing.txt")


def test_any_seed_is_told(make, tmp_path):
    result = make("--steps", 2, "--seed", -1, "--out", "x.png")
    assert f"Seed: {read_settings(tmp_path / 'x.png')['seed']}\n" in result.stdout


def test_a_prompt_that_is_cut_is_told(run, tiny_model):
    result = run("generate", "a" * 90, "--model", tiny_model, "--steps", 20, "--out", "x.png")
    assert result.exit_code == 0
    assert "Warning: The prompt is longer than the 77 tokens that StableDiffusionPipeline reads." in result.stderr
    assert "--long-prompts reads it in chunks." in result.stderr


def test_a_long_prompt_is_read_in_chunks_and_made_again_so(run, tiny_model, tmp_path):
    result = run("generate", "a" * 90, "--model", tiny_model, "--steps", 20, "--long-prompts", "--out", "x.png")
    assert result.exit_code == 0, result.stderr
    assert "longer" not in result.stderr
    assert run("generate", "--like", "x.png", "--out", "y.png").exit_code == 0
    assert (tmp_path / "x.png").read_bytes() == (tmp_path / "y.png").read_bytes()
    result = run("generate", "a" * 90, "--model", tiny_model, "--steps", 20, "--out", "x.png")
    assert result.exit_code == 2
    assert "x.png is there already, and it was made with long prompts True, not none." in result.stderr


def test_one_side_alone_has_its_effect(make, tmp_path):
    assert make("--steps", 2, "--height", 40, "--out", "x.png").exit_code == 0
    assert Image.open(tmp_path / "x.png").size == (32, 40)


@pytest.fixture
def video(run, tiny_model):
    def make(*arguments):
        return run("video", "a", "--model", tiny_model, "--frames", 2, "--steps", 20, *arguments)

    return make


def test_a_video_by_an_arm_is_not_overwritten(video, run, tmp_path):
    assert video("--arm", "uniform:2 + forecast:1", "--seed", -1, "--out", "x.webp").exit_code == 0
    record = json.loads(run("show", "x.webp", "--json").stdout)
    assert record["arm"] == "uniform:2 + forecast:1"
    again = ("--seed", record["seed"], "--out", "x.webp")
    assert "Nothing is left" in video("--arm", "uniform:2 + forecast:1", *again).stdout
    fails(video(*again), "x.webp is there already", "--overwrite")


def test_an_mp4_where_something_writes_it(video, tmp_path, monkeypatch):
    from faster_diffusion.generation import video_files

    writes = ("cv2", "imageio_ffmpeg")
    if any(map(video_files.find_spec, writes)):
        assert video("--out", "x.mp4").exit_code == 0
        assert b"ftyp" in (tmp_path / "x.mp4").read_bytes()[:12]
    monkeypatch.setattr(video_files, "find_spec", lambda name: None)
    fails(video("--out", "y.mp4"), "y.mp4 needs something that writes MP4: pip install imageio imageio-ffmpeg")

"""`faster-diffusion tune`."""

import json
from dataclasses import replace

import pytest

import faster_diffusion as fd
from faster_diffusion import tuning
from faster_diffusion.cli import tune as command_module
from faster_diffusion.cli.errors import CliError
from tests.evaluation import tiny
from tests.tuning.tiny import SPACE


@pytest.mark.slow
def test_tunes_a_folder_and_goes_on(run, tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr(tuning, "Space", lambda solvers: replace(SPACE, solvers=solvers))
    (tmp_path / "prompts.txt").write_text("a\nb\nc\n")
    command = ("tune", tiny_model, "--prompts", "prompts.txt", "--out", "tuned", "--solver", "ddim-trailing")
    options = ("--reference", "ddim:12", "--steps", 6, "--guidance", 3, "--rounds", 0, "--max-seconds", 1000)
    result = run(*command, *options, "--calibration", 1)
    assert result.exit_code == 0, result.stderr
    assert "Pareto front: nothing is faster and nearer at once" in result.stdout
    assert "Profiles: tuned/profiles; picture: tuned/pareto-front.png" in result.stdout
    assert json.loads((tmp_path / "tuned" / "manifest.json").read_text())["settings"]["guidance"] == 3
    profile = next((tmp_path / "tuned" / "profiles").glob("*.json"))
    assert fd.enable(tiny.pipeline(), key_steps=profile).profile.path == profile
    assert "holds another" in run(*command, *options, "--calibration", 1, "--seed", 3).stderr


def test_what_is_wrong_is_said_before_the_model_is_loaded(run, tmp_path):
    (tmp_path / "one.txt").write_text("a\n")
    for options, says in (
        (("--reference", "magic"), "--reference: Arm part 'magic' is not understood"),
        (("--solver", "magic"), "Unknown scheduler 'magic'"),
        (("--prompts", "nowhere.txt"), "no file or folder nowhere.txt"),
        (("--prompts", "one.txt"), "one.txt has 1 prompt"),
    ):
        result = run("tune", "scenes", *options)
        assert result.exit_code == 2
        assert says in result.stderr
        assert "Traceback" not in result.stderr


def test_a_model_that_is_not_embedded_needs_prompts(run, tiny_model):
    assert "This model needs --prompts" in run("tune", tiny_model).stderr


@pytest.mark.parametrize(
    ("asked", "chosen"), [((None, None), 2), ((3, None), 3), ((None, 3), 2), ((3, 2), 3), ((4, 1), 4), ((1, 1), 1)]
)
def test_as_many_prompts_choose_and_confirm_as_are_asked_for(asked, chosen):
    assert command_module._choosing(5, *asked, "file") == chosen


@pytest.mark.parametrize(
    ("count", "asked", "needed"), [(1, (None, None), "1 to choose by and 1"), (5, (3, 3), "3 to choose by and 3")]
)
def test_too_few_prompts_are_named(count, asked, needed):
    with pytest.raises(CliError, match=f"file has {count} prompts?; tuning needs {needed} to confirm with"):
        command_module._choosing(count, *asked, "file")

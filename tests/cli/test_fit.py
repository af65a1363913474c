"""`faster-diffusion fit`."""

import faster_diffusion as fd
from tests.evaluation import tiny


def test_writes_a_profile_and_says_how_near_it_comes(run, tiny_model, tmp_path):
    (tmp_path / "prompts.txt").write_text("a\nb\nc\nd\n")
    options = ("--prompts", "prompts.txt", "--arm", "ddim-trailing:3", "--reference", "ddim:9", "--guidance", 3)
    result = run("fit", tiny_model, *options, "--fitted", 3, "--held-out", 1, "--out", "three.json")
    assert result.exit_code == 0, result.stderr
    assert "Error of the last latents to ddim:9" in result.stdout
    assert "fitted prompts (3): " in result.stdout
    assert "held out prompts (1): " in result.stdout
    assert 'fd.enable(pipe, key_steps="three.json"), then pipe(prompt, num_inference_steps=3' in result.stdout
    handle = fd.enable(tiny.pipeline(), key_steps=tmp_path / "three.json")
    assert (handle.profile.steps, len(handle.config.correction.weights)) == (3, 3)


def test_places_the_steps_if_asked(run, tiny_model, tmp_path):
    (tmp_path / "prompts.txt").write_text("a\n")
    options = ("--prompts", "prompts.txt", "--fitted", 1, "--held-out", 0, "--guidance", 3, "--reference", "ddim:9")
    result = run("fit", tiny_model, *options, "--place", "--out", "new/eight.json")
    assert result.exit_code == 0, result.stderr
    found = fd.enable(tiny.pipeline(), key_steps=tmp_path / "new" / "eight.json").config.correction.timesteps
    assert len(found) == 8
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["eight.json"]


def test_what_is_wrong_is_one_line(run, tiny_model, tmp_path):
    (tmp_path / "one.txt").write_text("a\n")
    for options, says in (
        (("--arm", "magic"), "Arm part 'magic' is not understood"),
        (("--arm", "heun:4"), "one network call a step"),
        (("--arm", "ddim:4", "--place"), "takes no timesteps of one's own"),
        (("--out", "profile.txt"), "a profile is a .json file"),
        (("--held-out", 4), "one.txt has 1 prompts; with 4 held out none is left to fit"),
    ):
        result = run("fit", tiny_model, "--prompts", "one.txt", "--held-out", 0, *options)
        assert result.exit_code in (1, 2)
        assert says in result.stderr
        assert "Traceback" not in result.stderr

"""Cases and suites."""

import json

import pytest

from faster_diffusion import demo
from faster_diffusion.arms import Arm
from faster_diffusion.benchmark.architectures import ARCHITECTURES
from faster_diffusion.benchmark.cases import SUITES, Case, case


def test_a_case_survives_json():
    one = Case("sd15", "cuda", "float16", 4, (768, 512), 20, 1.0, "graphs", False, (Arm.parse("paper", "ours"),))
    assert Case.from_dict(json.loads(json.dumps(one.to_dict()))) == one
    assert Case.from_dict(one.to_dict()).arms[1].name == "ours"


def test_what_is_not_said_is_the_models_own():
    known = ARCHITECTURES["svd"]
    one = case("svd", steps=None, batch=2)
    assert (one.size, one.steps, one.guidance, one.batch) == (known.size, known.steps, known.guidance, 2)
    assert case("scenes").guidance == demo.GUIDANCE_SCALE


def test_the_baseline_arm_is_always_there_and_no_arm_is_there_twice():
    arms = (Arm.parse("paper"), Arm.parse("paper"))
    assert [arm.name for arm in Case("scenes", arms=arms).arms] == ["baseline", "paper"]


def test_the_name_says_whether_the_whole_call_has_the_vae():
    assert "with VAE" in case("sd15").name
    assert "without VAE" in case("sd15", vae=False).name
    assert "no VAE" in case("if-1").name
    assert "with VAE" in case("dit-xl", vae=False).name  # its pipeline cannot leave it out


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"mode": "magic"}, "Unknown mode 'magic'. Known: eager"),
        ({"mode": "graphs"}, "CUDA graphs need a GPU"),
        ({"mode": "stage-graphs"}, "CUDA graphs need a GPU"),
        ({"batch": 0}, "at least 1"),
        ({"arms": (Arm.parse("paper", "a"), Arm.parse("all", "a"))}, "Two arms are called 'a'"),
    ],
)
def test_nonsense_is_refused(options, says):
    with pytest.raises(ValueError, match=says):
        Case("scenes", **options)


def test_the_suite_for_a_gpu_has_all_that_is_to_be_published():
    cases = SUITES["gpu"].cases
    assert len(set(cases)) == len(cases)
    assert {one.device for one in cases} == {"cuda"}
    for model in ("sd15", "sdxl", "controlnet", "if-1", "modelscope", "svd", "dit-xl"):
        for batch in (1, 4, 16):
            modes = {one.mode for one in cases if (one.model, one.batch) == (model, batch)}
            assert {"eager", "regional"} <= modes
    assert {one.size for one in cases if one.model == "sd15"} >= {(512, 512), (768, 768)}
    assert {one.mode for one in cases} == {"eager", "regional", "full", "graphs", "stage-graphs"}
    swept = [one for one in cases if Arm.parse("paper + parallel:4") in one.arms]
    assert {one.batch for one in swept} == {1, 2, 4, 8, 16, 32}
    assert {one.size[0] for one in swept} == {256, 384, 512, 768, 1024}


def test_a_suite_measures_all_peers_on_each_of_its_models_and_one_in_every_case_that_is_not_a_sweep():
    for suite in SUITES.values():
        arms = {one: " ".join(arm.spec for arm in one.arms) for one in suite.cases}
        for model in {one.model for one in suite.cases}:
            parts = " ".join(arms[one] for one in suite.cases if one.model == model)
            assert all(name in parts for name in ("baseline", "all", "deepcache:", "tome:", "tgate:")), model
        assert all("deepcache:" in parts or "parallel:4" in parts for parts in arms.values())

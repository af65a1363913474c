"""Profiles: what they hold, whom they fit, and that enabling one leaves nothing behind."""

import copy
import json
import logging

import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler

import faster_diffusion as fd
from faster_diffusion.models import schedulers
from faster_diffusion.models.fingerprint import Fingerprint
from faster_diffusion.models.schedulers import Solver
from faster_diffusion.options.profile import FORMAT, Profile
from specimens import toys

CONFIG = fd.PropagationConfig("0,1,3,6", prior_noise=None, reuse="output", forecast=fd.Forecast(1, 0.9))
STEPS = 8


@pytest.fixture
def pipe():
    return toys.stable_diffusion()


@pytest.fixture
def path(pipe, tmp_path):
    """A profile of the toy that samples with DPM-Solver++."""
    solver = Solver.of(schedulers.make("dpm++-karras", pipe.scheduler.config))
    path = tmp_path / "fast.json"
    Profile(Fingerprint.of(pipe, pipe.unet), solver, STEPS, CONFIG, {"psnr": 35.0}, ("a note",)).save(path)
    return path


def changed(path, **fields):
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
    return path


def test_is_read_back_as_the_same(path, pipe):
    profile = Profile.load(path)
    assert (profile.steps, profile.config, profile.measured, profile.notes) == (
        STEPS,
        CONFIG,
        {"psnr": 35.0},
        ("a note",),
    )
    assert Profile.from_dict(profile.to_dict()) == profile
    assert json.loads(path.read_text())["format"] == FORMAT


@pytest.mark.parametrize(
    "config",
    [fd.PropagationConfig(), fd.PropagationConfig([0, 3], 4, None, "deep:1", 2), fd.PropagationConfig("0,", gate=0.1)],
)
def test_a_config_is_read_back_from_its_dictionary(config):
    assert fd.PropagationConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_samples_as_the_same_options_and_scheduler_do_by_hand(pipe, path):
    by_hand = toys.stable_diffusion()
    by_hand.scheduler = schedulers.make("dpm++-karras", by_hand.scheduler.config)
    fd.enable(by_hand, CONFIG)
    handle = fd.enable(pipe, key_steps=path)
    assert handle.config == CONFIG
    assert handle.profile.steps == STEPS
    assert Solver.of(pipe.scheduler) == Solver.of(by_hand.scheduler)
    assert torch.equal(toys.sample(pipe, num_inference_steps=STEPS), toys.sample(by_hand, num_inference_steps=STEPS))


def test_options_beside_it_go_first(pipe, path):
    config = fd.enable(pipe, key_steps=str(path), forecast=2, parallel=False).config
    assert (config.forecast, config.parallel, config.key_steps) == (fd.Forecast(2), False, CONFIG.key_steps)


def test_disabling_makes_the_pipeline_what_it_was(pipe, path):
    own, before, expected = pipe.scheduler, dict(pipe.config), toys.sample(pipe)
    for _ in range(2):
        fd.enable(pipe, key_steps=path)
        assert isinstance(pipe.scheduler, DPMSolverMultistepScheduler)
        toys.sample(pipe, num_inference_steps=STEPS)
        fd.disable(pipe)
        assert pipe.scheduler is own
        assert dict(pipe.config) == before
        assert torch.equal(toys.sample(pipe), expected)


def test_enabling_anew_begins_from_the_pipelines_own_scheduler(pipe, path):
    own = pipe.scheduler
    fd.enable(pipe, key_steps=path)
    fd.enable(pipe, key_steps=path)
    fd.enable(pipe, key_steps="paper")
    assert pipe.scheduler is own


def test_a_scheduler_given_meanwhile_stays(pipe, path):
    fd.enable(pipe, key_steps=path)
    pipe.scheduler = mine = DDIMScheduler(**toys.SCHEDULER)
    fd.disable(pipe)
    assert pipe.scheduler is mine


def test_a_copy_of_an_enabled_pipeline_gets_its_own_scheduler_back_too(pipe, path):
    expected = toys.sample(pipe)
    fd.enable(pipe, key_steps=path)
    other = copy.deepcopy(pipe)
    fd.disable(other)
    assert isinstance(other.scheduler, DDIMScheduler)
    assert torch.equal(toys.sample(other), expected)
    assert isinstance(pipe.scheduler, DPMSolverMultistepScheduler)


def test_another_number_of_steps_is_warned_of_once_with_the_remedy(pipe, path, caplog):
    fd.enable(pipe, key_steps=path)
    with caplog.at_level(logging.WARNING, "faster_diffusion"):
        toys.sample(pipe, num_inference_steps=STEPS)
        assert not caplog.messages
        toys.sample(pipe, num_inference_steps=12)
        toys.sample(pipe, num_inference_steps=12)
    assert [text for text in caplog.messages if "num_inference_steps=8" in text] == [
        f"Profile {path} was tuned for 8 steps and this run took 12: what it promises does not hold. "
        "Call the pipeline with num_inference_steps=8."
    ]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (
            {"guidance_scale": 2.0},
            "at guidance 7.5 and this run was at 2: what it promises does not hold. "
            "Call the pipeline with guidance_scale=7.5, or tune at 2.",
        ),
        (
            {"height": 48, "width": 64},
            "at 32x32 pixels (height x width) and this run was at 48x64: what it promises does not hold. "
            "Call the pipeline with height=32, width=32, or tune at 48x64.",
        ),
    ],
)
def test_another_guidance_or_size_is_warned_of_once_with_the_remedy(pipe, path, caplog, call, says):
    changed(path, measured={"guidance": 7.5, "size": [32, 32]})
    fd.enable(pipe, key_steps=path)
    with caplog.at_level(logging.WARNING, "faster_diffusion"):
        given = {"height": 32, "width": 32, "guidance_scale": 7.5, "num_inference_steps": STEPS}
        toys.sample(pipe, **given)
        assert not caplog.messages
        toys.sample(pipe, **{**given, **call})
        toys.sample(pipe, **{**given, **call})
    assert caplog.messages == [f"Profile {path} was tuned {says}"]


def test_a_call_that_says_no_guidance_is_at_the_pipelines_own(pipe, path, caplog):
    changed(path, measured={"guidance": 2.0})
    fd.enable(pipe, key_steps=path)
    with caplog.at_level(logging.WARNING, "faster_diffusion"):
        toys.sample(pipe, num_inference_steps=STEPS)
    assert [text for text in caplog.messages if "was tuned at guidance 2 and this run was at 7.5" in text]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_copy_in_another_precision_is_the_same_model(pipe, path, dtype):
    pipe.to(dtype=dtype)
    assert fd.enable(pipe, key_steps=path).profile is not None


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (lambda: toys.stable_diffusion(toys.unet(attention_head_dim=4)), "a UNet2DConditionModel of another arch"),
        (lambda: _with_other_weights(), "other weights of the same architecture"),
    ],
)
def test_another_model_is_refused_and_left_as_it_is(path, other, says):
    pipe = other()
    own = pipe.scheduler
    with pytest.raises(ValueError, match=f"is for another model: for {says}.*Tune this one") as error:
        fd.enable(pipe, key_steps=path)
    assert str(error.value).startswith(f"Profile {path} is")
    assert "\n" not in str(error.value)
    assert pipe.scheduler is own
    assert not fd.is_enabled(pipe)


def _with_other_weights():
    pipe = toys.stable_diffusion()
    with torch.no_grad():
        for parameter in pipe.unet.parameters():
            parameter.mul_(1.05)
    return pipe


def test_another_pipeline_of_the_network_is_refused(pipe, path):
    changed(path, model={**json.loads(path.read_text())["model"], "pipeline": "StableDiffusionImg2ImgPipeline"})
    with pytest.raises(ValueError, match="for StableDiffusionImg2ImgPipeline, and this is StableDiffusionPipeline"):
        fd.enable(pipe, key_steps=path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": FORMAT + 1}, "of format 2, and this version reads format 1: update"),
        ({"steps": 0}, "is a broken profile: steps is 0"),
        ({"config": {"key_steps": "paper"}}, "is a broken profile: it has no 'prior_noise'"),
        ({"config": {**CONFIG.to_dict(), "magic": 1}}, "is a broken profile"),
        ({"solver": "dpm++"}, "is a broken profile"),
        ({"model": None}, "is a broken profile"),
    ],
)
def test_a_broken_or_newer_file_is_refused(pipe, path, change, says):
    with pytest.raises(ValueError, match=says):
        fd.enable(pipe, key_steps=changed(path, **change))


@pytest.mark.parametrize("text", ["", "[]", "{}", "3", "{"])
def test_what_is_no_profile_is_refused(pipe, tmp_path, text):
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(ValueError, match="other.json is no profile of faster-diffusion"):
        fd.enable(pipe, key_steps=tmp_path / "other.json")


def test_a_missing_file_is_named(pipe):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.json"):
        fd.enable(pipe, key_steps="nowhere.json")


def test_a_profile_beside_a_config_or_for_a_bare_network_is_refused(pipe, path):
    with pytest.raises(ValueError, match="and no config"):
        fd.enable(pipe, fd.PropagationConfig(), key_steps=path)
    with pytest.raises(ValueError, match="A profile is for a pipeline"):
        fd.enable(pipe.unet, key_steps=path)


def test_a_scheduler_that_this_diffusers_does_not_have_is_named(pipe, path):
    with pytest.raises(ValueError, match="has no scheduler MagicScheduler, which the profile needs"):
        fd.enable(pipe, key_steps=changed(path, solver={"name": "MagicScheduler", "config": {}}))
    assert isinstance(pipe.scheduler, DDIMScheduler)
    assert not fd.is_enabled(pipe)

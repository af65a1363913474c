"""Arms on a pipeline: each samples as it says, and leaves the pipeline as it was."""

import pytest
import torch
from diffusers import DPMSolverMultistepScheduler, EulerDiscreteScheduler

import faster_diffusion as fd
from faster_diffusion.arms import Arm
from faster_diffusion.models import schedulers
from specimens import toys

ARMS = (
    "baseline",
    "steps:5",
    "dpm++:8",
    "paper",
    "euler:10 + uniform:3 + sequential + noise",
    "deepcache:3",
    "tome:0.5",
    "tgate:4",
    "ddim:10 + uniform:2 + sequential + deepcache:2 + tome:0.5",
)


@pytest.fixture(scope="module")
def pipe():
    return toys.stable_diffusion()


@pytest.fixture(scope="module")
def baseline(pipe):
    return toys.sample(pipe)


def attributes(pipe):
    """Class, attributes and hooks of every module."""
    return {
        name: (type(module), dict(vars(module)), list(module._forward_hooks), list(module._forward_pre_hooks))
        for name, module in pipe.unet.named_modules()
    }


def sample(pipe, spec):
    arm = Arm.parse(spec)
    with arm.applied(pipe):
        return toys.sample(pipe, num_inference_steps=arm.steps(10))


@pytest.mark.parametrize("spec", ARMS)
def test_afterwards_the_next_image_is_the_baselines_to_the_bit(pipe, baseline, spec):
    before, scheduler, cls = attributes(pipe), pipe.scheduler, type(pipe)
    made = sample(pipe, spec)
    assert torch.equal(made, baseline) == (spec == "baseline")
    assert (pipe.scheduler, type(pipe)) == (scheduler, cls)
    assert attributes(pipe) == before
    assert not hasattr(pipe, "tgate")
    assert not fd.is_enabled(pipe)
    assert torch.equal(toys.sample(pipe), baseline)


@pytest.mark.parametrize("spec", ARMS)
def test_an_exception_leaves_nothing_behind_either(pipe, baseline, spec):
    before = attributes(pipe)
    with pytest.raises(KeyboardInterrupt), Arm.parse(spec).applied(pipe):
        toys.sample(pipe, num_inference_steps=4)
        raise KeyboardInterrupt
    assert attributes(pipe) == before
    assert torch.equal(toys.sample(pipe), baseline)


@pytest.mark.parametrize("spec", ARMS)
def test_applicable_says_nothing_against_what_works_and_changes_nothing(pipe, spec):
    before = attributes(pipe)
    assert Arm.parse(spec).applicable(pipe) is None
    assert attributes(pipe) == before


def test_gives_the_handle_of_an_accelerated_arm_only(pipe):
    with Arm.parse("uniform:5").applied(pipe) as handle:
        toys.sample(pipe)
        assert handle.summary().key_steps == (0, 5)
    with Arm.parse("dpm++:10").applied(pipe) as handle:
        assert handle is None
        assert isinstance(pipe.scheduler, DPMSolverMultistepScheduler)


def test_samples_as_the_options_do_by_hand(pipe):
    by_hand = toys.stable_diffusion()
    by_hand.scheduler = schedulers.make("euler", by_hand.scheduler.config)
    fd.enable(by_hand, key_steps="uniform:3", parallel=False, prior_noise=fd.PriorNoise(0.01))
    expected = toys.sample(by_hand, num_inference_steps=12)
    assert torch.equal(sample(pipe, "euler:12 + uniform:3 + sequential + noise:0.01"), expected)


def test_every_step_key_is_the_baseline_image(pipe, baseline):
    assert torch.equal(sample(pipe, "all"), baseline)


def test_a_pipeline_that_is_accelerated_already_is_not_taken():
    pipe = toys.stable_diffusion()
    with fd.enable(pipe):
        assert "fd.disable(pipe)" in Arm.parse("baseline").applicable(pipe)


def test_continuous_timesteps_are_for_euler_only():
    pipe = toys.stable_diffusion()
    pipe.scheduler = EulerDiscreteScheduler(timestep_type="continuous", prediction_type="v_prediction")
    assert "continuous timesteps" in Arm.parse("dpm++:10").applicable(pipe)
    assert Arm.parse("euler:10").applicable(pipe) is None

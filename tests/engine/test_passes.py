"""Loops that go through the steps several times or backwards, or whose conditions change: what runs, what is added."""

import re

import pytest
import torch
from diffusers import StableDiffusionImg2ImgPipeline

import faster_diffusion as fd
from faster_diffusion.engine.course import Course, Move
from faster_diffusion.engine.trajectory import Trajectory
from specimens import toys

MODES = pytest.mark.parametrize("parallel", [True, False, 2], ids=["parallel", "sequential", "two-at-once"])
NOISE = fd.PriorNoise(0.01)
TEXT = toys.prompt()["prompt_embeds"]


@pytest.fixture
def pipe():
    return toys.stable_diffusion()


@pytest.fixture
def scheduler(pipe):
    pipe.scheduler.set_timesteps(20)
    return pipe.scheduler


@pytest.fixture
def rows(pipe):
    """How many rows each call of the network's last layer had."""
    seen = []
    toys.count_rows(pipe.unet.conv_out, seen)
    return seen


def image(unet, scheduler, seed, steps=None, condition=lambda step: TEXT):
    x = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(seed))
    for number, t in enumerate(scheduler.timesteps if steps is None else steps):
        x = scheduler.step(unet(x, t, condition(number)).sample, t, x).prev_sample
    return x


def moves(trajectory, steps):
    course = Course()
    return [course.make(trajectory, step) for step in steps]


def test_a_loop_begins_anew_where_it_comes_back_to_its_first_step():
    trajectory = Trajectory(torch.arange(9, -1, -1))
    begins, stays, on, back = Move
    assert moves(trajectory, [2, 2, 3, 5, 2, 3, 1]) == [begins, stays, on, on, begins, on, begins]
    assert moves(trajectory, [3, 2, 1, 0]) == [begins, back, back, back]
    assert moves(trajectory, [0, 1, 2, 3, 2, 3, 0]) == [begins, on, on, on, back, on, begins]


# Several images in one run


OPTIONS = [
    {"prior_noise": NOISE},
    {"prior_noise": fd.PriorNoise(0.01, start=1)},
    {"key_steps": [0], "gate": 0.1, "forecast": 1, "prior_noise": None},
]


@MODES
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("first", [0, 12])
def test_every_pass_through_the_steps_is_as_in_a_run_of_its_own(pipe, scheduler, parallel, options, first):
    handle, steps = fd.enable(pipe.unet, parallel=parallel, **options), scheduler.timesteps[first:]
    alone = []
    with torch.no_grad():
        for seed in (1, 2):
            with handle.sampling(scheduler):
                alone.append(image(pipe.unet, scheduler, seed, steps))
        with handle.sampling(scheduler):
            together = [image(pipe.unet, scheduler, seed, steps) for seed in (1, 2)]
    for one, other in zip(alone, together, strict=True):
        assert torch.equal(one, other)


def test_images_that_are_inverted_and_sampled_in_one_run_do_not_meet(pipe, scheduler):
    """The way back ends at the step at which the way forth begins."""
    handle = fd.enable(pipe.unet, key_steps="uniform:5", prior_noise=None)
    back = [scheduler.timesteps[n] for n in range(19, -1, -1)]
    with torch.no_grad():
        with handle.sampling(scheduler):
            expected = image(pipe.unet, scheduler, 2)
        with handle.sampling(scheduler):
            image(pipe.unet, scheduler, 1, back)
            torch.testing.assert_close(image(pipe.unet, scheduler, 2), expected, rtol=0, atol=1e-3)


# Nothing is computed in vain


def every(steps):
    return lambda step: TEXT * (1 + step // steps / 10)


@MODES
@pytest.mark.parametrize(
    ("condition", "backwards", "reason"),
    [
        (every(1), False, "what the network is conditioned on .* changes"),
        (every(2), False, None),
        (every(20), True, "goes through the scheduler's timesteps backwards"),
    ],
    ids=["prompt-travel", "every-second-step", "inversion"],
)
def test_no_more_is_computed_than_without(pipe, scheduler, rows, caplog, parallel, condition, backwards, reason):
    steps = [scheduler.timesteps[n] for n in (range(19, -1, -1) if backwards else range(20))]
    handle = fd.enable(pipe.unet, parallel=parallel, prior_noise=None)
    with torch.no_grad(), handle.sampling(scheduler):
        image(pipe.unet, scheduler, 1, steps, condition)
    assert sum(rows) == 20
    assert [record.message.startswith("Nothing was accelerated") for record in caplog.records] == [True] * bool(reason)
    if reason:
        assert handle.summary().reused == 0
        assert re.search(reason, caplog.text)
    else:
        assert handle.summary().reused > 0


def test_a_group_that_is_thrown_away_is_the_last_that_is_computed_ahead(pipe, scheduler, rows):
    handle = fd.enable(pipe.unet, key_steps="uniform:5", prior_noise=None)
    with torch.no_grad(), handle.sampling(scheduler):
        image(pipe.unet, scheduler, 1, condition=lambda step: TEXT * (1 + (step >= 7)))
    assert rows == [5, 5] + [1] * (20 - 7)
    assert handle.summary().key_steps == (0, 5, 7, 10, 15)


def test_steps_left_out_of_the_loop_stop_what_is_computed_ahead(pipe, scheduler, rows, caplog):
    handle = fd.enable(pipe.unet, key_steps="uniform:5", prior_noise=None)
    with torch.no_grad(), handle.sampling(scheduler):
        image(pipe.unet, scheduler, 1, scheduler.timesteps[::5][1:])
        image(pipe.unet, scheduler, 1, scheduler.timesteps[4::5])
    assert sum(rows) <= 5 + 6
    assert not handle.summary().reused


# Where nothing is reused, there is nothing to mend


def test_img2img_with_a_single_step_gets_no_noise_and_the_summary_says_so(pipe):
    img2img = StableDiffusionImg2ImgPipeline.from_pipe(pipe)
    img2img.set_progress_bar_config(disable=True)
    start = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    untouched = toys.sample(img2img, image=start, strength=0.1)
    handle = fd.enable(img2img, prior_noise=NOISE)
    assert torch.equal(toys.sample(img2img, image=start, strength=0.1), untouched)
    assert (handle.summary().noisy_steps, "Prior noise: none" in str(handle.summary())) == (0, True)
    toys.sample(img2img, image=start, strength=0.2)
    assert handle.summary().noisy_steps > 0
    assert f"Prior noise: {NOISE}" in str(handle.summary())


@MODES
def test_a_prompt_that_changes_with_every_step_gets_no_noise(pipe, parallel):
    def travel(pipe, step, t, tensors):
        return {"prompt_embeds": tensors["prompt_embeds"] * 1.001}

    call = {"callback_on_step_end": travel, "callback_on_step_end_tensor_inputs": ["prompt_embeds"]}
    untouched = toys.sample(pipe, **call)
    with fd.enable(pipe, parallel=parallel, prior_noise=NOISE) as handle:
        image = toys.sample(pipe, **call)
    torch.testing.assert_close(image, untouched, rtol=0, atol=1e-5)
    assert handle.summary().noisy_steps == 0


def test_noise_is_mixed_in_where_steps_are_reused(pipe, scheduler):
    handle = fd.enable(pipe.unet, prior_noise=NOISE)
    with torch.no_grad(), handle.sampling(scheduler):
        image(pipe.unet, scheduler, 1)
    assert handle.summary().noisy_steps == sum(t < 500 for t in scheduler.timesteps.tolist())

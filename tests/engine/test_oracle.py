"""The engine against a plain reimplementation of the method, in double precision, for every scheduler."""

import copy
import inspect

import pytest
import torch
from diffusers import DDIMScheduler, EDMEulerScheduler

import faster_diffusion as fd
from specimens import toys
from tests import oracle

SCHEDULERS = sorted(DDIMScheduler(**toys.SCHEDULER).compatibles, key=lambda cls: cls.__name__)
STEPS = 10
MODES = {"in parallel": True, "one by one": False, "two by two": 2}
NOISE = fd.PriorNoise(alpha=0.01)


@pytest.fixture(scope="module")
def pipe():
    pipe = toys.stable_diffusion()
    for network in (pipe.unet, pipe.vae, pipe.text_encoder):
        network.double()
    return pipe


@pytest.fixture(scope="module")
def prompt():
    return {name: embeds.double() for name, embeds in toys.prompt(2).items()}


@pytest.fixture(params=SCHEDULERS, ids=lambda cls: cls.__name__)
def scheduler(request, pipe):
    extra = {"noise_sampler_seed": 0} if request.param.__name__ == "DPMSolverSDEScheduler" else {}
    pipe.scheduler = request.param.from_config(DDIMScheduler(**toys.SCHEDULER).config, **extra)
    return pipe.scheduler


def generators():
    return [torch.Generator().manual_seed(3 + i) for i in range(2)]


def start(scheduler, drawn_by):
    return scheduler.init_noise_sigma * torch.cat(
        [torch.randn((1, 4, 16, 16), generator=generator, dtype=torch.float64) for generator in drawn_by]
    )


def expected(pipe, prompt, noise, guidance=7.5):
    """What the oracle makes of the same prompt, seeds and scheduler."""
    scheduler = copy.deepcopy(pipe.scheduler)
    scheduler.set_timesteps(STEPS)
    drawn_by = generators()
    text = [prompt["negative_prompt_embeds"]] * (guidance is not None) + [prompt["prompt_embeds"]]
    takes_generator = "generator" in inspect.signature(scheduler.step).parameters
    return oracle.sample(
        pipe.unet,
        scheduler,
        start(scheduler, drawn_by),
        torch.cat(text),
        keys=fd.KeySteps.parse("paper").orders(len(scheduler.timesteps)),
        guidance=guidance,
        alpha=noise.alpha if noise else 0.0,
        **({"generator": drawn_by} if takes_generator else {}),
    )


@pytest.mark.parametrize("noise", [None, NOISE])
def test_the_image_is_the_method_s(pipe, prompt, scheduler, noise):
    if noise and isinstance(scheduler, EDMEulerScheduler):
        noise = None  # has no training timesteps for the oracle; its late part is specified in test_noise
    by_oracle = expected(pipe, prompt, noise)
    # Sigma-space schedulers keep their levels in single precision, and the oracle takes its own from the betas.
    tolerance = 1e-5 if noise and scheduler.init_noise_sigma != 1 else 1e-9
    for name, parallel in MODES.items():
        with fd.enable(pipe, parallel=parallel, prior_noise=noise) as handle:
            image = toys.sample(pipe, 2, num_inference_steps=STEPS, **prompt)
        assert handle.summary().reused > 0
        torch.testing.assert_close(
            image, by_oracle, rtol=0, atol=tolerance, msg=lambda text, name=name: f"{name}: {text}"
        )


def test_with_every_step_key_the_image_is_bit_exactly_the_untouched_one(pipe, prompt, scheduler):
    untouched = toys.sample(pipe, 2, num_inference_steps=STEPS, **prompt)
    with fd.enable(pipe, key_steps="all"):
        assert torch.equal(toys.sample(pipe, 2, num_inference_steps=STEPS, **prompt), untouched)


def test_without_guidance(pipe, prompt):
    pipe.scheduler = DDIMScheduler(**toys.SCHEDULER)
    with fd.enable(pipe, prior_noise=NOISE):
        image = toys.sample(pipe, 2, guidance_scale=1.0, **prompt)
    torch.testing.assert_close(image, expected(pipe, prompt, NOISE, guidance=None), rtol=0, atol=1e-9)


@pytest.mark.parametrize("steps", [10, 20, 50])
def test_ddim_with_its_update_written_out(pipe, prompt, steps):
    pipe.scheduler = DDIMScheduler(**toys.SCHEDULER)
    with fd.enable(pipe, prior_noise=NOISE):
        image = toys.sample(pipe, 2, num_inference_steps=steps, **prompt)
    text = torch.cat([prompt["negative_prompt_embeds"], prompt["prompt_embeds"]])
    keys = fd.KeySteps.parse("paper").orders(steps)
    start_at = start(pipe.scheduler, generators())
    by_hand = oracle.ddim(pipe.unet, pipe.scheduler, start_at, text, keys=keys, guidance=7.5, alpha=NOISE.alpha)
    torch.testing.assert_close(image, by_hand, rtol=0, atol=1e-9)

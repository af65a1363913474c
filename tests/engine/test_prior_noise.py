"""Prior noise: z_t <- z_t + alpha * z_T in the late steps, before the network sees z_t."""

import copy

import pytest
import torch
from diffusers import DDIMScheduler, EDMEulerScheduler, EulerDiscreteScheduler

import faster_diffusion as fd
from specimens import toys

ALPHA = 0.01


def scheduler_of(cls):
    return cls.from_config(DDIMScheduler(**toys.SCHEDULER).config)


def sample(scheduler, noise, *, steps=10, key_steps="uniform:2", first=0):
    """Latents at the beginning of each step and at the end, where the network predicts zero."""
    scheduler.set_timesteps(steps)
    generator = torch.Generator().manual_seed(0)
    latents = [torch.randn(1, 4, 8, 8, generator=generator) * scheduler.init_noise_sigma]
    unet = toys.unet()
    with torch.no_grad(), fd.enable(unet, key_steps=key_steps, prior_noise=noise).sampling(scheduler):
        for t in scheduler.timesteps[first:]:
            scheduler.scale_model_input(latents[-1], t)
            latents.append(scheduler.step(torch.zeros_like(latents[-1]), t, latents[-1]).prev_sample)
    return latents


def first_late(scheduler):
    return int((scheduler.timesteps >= 500).sum())


def test_steps_are_untouched_until_the_late_part_begins():
    scheduler = scheduler_of(DDIMScheduler)
    plain, noisy = sample(scheduler, None), sample(scheduler, fd.PriorNoise(ALPHA))
    late = first_late(scheduler)
    assert all(torch.equal(a, b) for a, b in zip(plain[:late], noisy[:late], strict=True))
    torch.testing.assert_close(noisy[late], plain[late] + ALPHA * plain[0])


def test_every_late_step_gains_alpha_times_the_initial_latent():
    scheduler = scheduler_of(DDIMScheduler)
    noisy = sample(scheduler, fd.PriorNoise(ALPHA))
    for order in range(first_late(scheduler), 9):
        stepped = scheduler.step(torch.zeros_like(noisy[0]), scheduler.timesteps[order], noisy[order]).prev_sample
        torch.testing.assert_close(noisy[order + 1], stepped + ALPHA * noisy[0])


def test_the_result_gets_none():
    scheduler = scheduler_of(DDIMScheduler)
    noisy = sample(scheduler, fd.PriorNoise(ALPHA))
    last = scheduler.step(torch.zeros_like(noisy[0]), scheduler.timesteps[-1], noisy[-2]).prev_sample
    assert torch.equal(noisy[-1], last)


def test_start_1_begins_with_the_first_step():
    scheduler = scheduler_of(DDIMScheduler)
    plain, noisy = sample(scheduler, None), sample(scheduler, fd.PriorNoise(ALPHA, start=1))
    stepped = scheduler.step(torch.zeros_like(plain[0]), scheduler.timesteps[0], plain[0] * (1 + ALPHA)).prev_sample
    torch.testing.assert_close(noisy[1], stepped + ALPHA * plain[0])


def test_in_sigma_space_the_addition_is_the_same_share_of_what_the_network_sees():
    euler, ddim = scheduler_of(EulerDiscreteScheduler), scheduler_of(DDIMScheduler)
    plain, noisy = sample(euler, None), sample(euler, fd.PriorNoise(ALPHA))
    sample(ddim, None)
    late = first_late(euler)
    # Both are seen at unit variance: x / sqrt(1 + sigma^2) is z.
    sigma_late, sigma_first = euler.sigmas[late], euler.sigmas[0]
    seen = (noisy[late] - plain[late]) / (1 + sigma_late**2).sqrt()
    torch.testing.assert_close(seen, ALPHA * plain[0] / (1 + sigma_first**2).sqrt())


def test_where_timesteps_are_not_on_the_training_scale_the_order_tells_what_is_late():
    scheduler = scheduler_of(EDMEulerScheduler)
    plain, noisy = sample(scheduler, None), sample(scheduler, fd.PriorNoise(ALPHA))
    assert [torch.equal(a, b) for a, b in zip(plain, noisy, strict=True)] == [True] * 5 + [False] * 6


def test_a_run_in_which_every_step_is_key_gets_none():
    scheduler = scheduler_of(DDIMScheduler)
    plain, noisy = sample(scheduler, None), sample(scheduler, fd.PriorNoise(ALPHA), key_steps="all")
    assert all(torch.equal(a, b) for a, b in zip(plain, noisy, strict=True))


def test_a_run_that_starts_in_the_late_part_takes_its_first_latent_for_the_initial_one():
    scheduler = scheduler_of(DDIMScheduler)
    plain, noisy = sample(scheduler, None, first=6), sample(scheduler, fd.PriorNoise(ALPHA), first=6)
    grown = scheduler.step(torch.zeros_like(plain[0]), scheduler.timesteps[6], plain[0] * (1 + ALPHA)).prev_sample
    torch.testing.assert_close(noisy[1], grown + ALPHA * plain[0])


def test_latents_that_change_their_shape_lose_the_noise_with_a_warning(caplog):
    scheduler = scheduler_of(DDIMScheduler)
    scheduler.set_timesteps(10)
    latents = torch.randn(2, 4, 8, 8)
    unet = toys.unet()
    with torch.no_grad(), fd.enable(unet, prior_noise=fd.PriorNoise(ALPHA, start=1)).sampling(scheduler):
        scheduler.step(torch.zeros_like(latents), scheduler.timesteps[0], latents)
        half = scheduler.step(torch.zeros_like(latents[:1]), scheduler.timesteps[1], latents[:1]).prev_sample
    assert "Prior noise is left out: latents changed" in caplog.text
    assert torch.equal(half, scheduler.step(torch.zeros_like(half), scheduler.timesteps[1], latents[:1]).prev_sample)


@pytest.mark.parametrize("cls", [DDIMScheduler, EulerDiscreteScheduler])
def test_the_scheduler_is_itself_again_after_the_run(cls):
    scheduler = scheduler_of(cls)
    sample(scheduler, fd.PriorNoise(ALPHA))
    assert not {"step", "scale_model_input"} & set(vars(scheduler))


@pytest.mark.parametrize("cls", [DDIMScheduler, EulerDiscreteScheduler])
def test_a_copy_of_the_scheduler_goes_on_from_where_it_was_made(cls):
    scheduler = scheduler_of(cls)
    straight = sample(scheduler, fd.PriorNoise(ALPHA))
    scheduler.set_timesteps(10)
    latent, unet, current = straight[0], toys.unet(), scheduler
    with torch.no_grad(), fd.enable(unet, prior_noise=fd.PriorNoise(ALPHA)).sampling(scheduler):
        for order, t in enumerate(scheduler.timesteps):
            current = copy.deepcopy(scheduler) if order == 3 else current
            latent = current.step(torch.zeros_like(latent), t, latent).prev_sample
    assert torch.equal(latent, straight[-1])
    assert not {"step", "scale_model_input", "__deepcopy__"} & {*vars(scheduler), *vars(current)}


def test_every_pass_through_the_timesteps_has_an_initial_latent_of_its_own():
    scheduler = scheduler_of(DDIMScheduler)
    passes, unet = [], toys.unet()
    with torch.no_grad(), fd.enable(unet, prior_noise=fd.PriorNoise(ALPHA)).sampling(scheduler):
        for seed in range(2):
            scheduler.set_timesteps(10)
            latents = [torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(seed))]
            for t in scheduler.timesteps:
                latents.append(scheduler.step(torch.zeros_like(latents[-1]), t, latents[-1]).prev_sample)
            passes.append(latents)
    late = first_late(scheduler)
    for latents in passes:
        stepped = scheduler.step(torch.zeros_like(latents[0]), scheduler.timesteps[late - 1], latents[late - 1])
        torch.testing.assert_close(latents[late], stepped.prev_sample + ALPHA * latents[0])


def test_frames_that_grow_from_one_latent_share_its_noise(caplog):
    scheduler = scheduler_of(DDIMScheduler)
    scheduler.set_timesteps(10)
    latent = torch.randn(1, 4, 8, 8)
    frames = torch.randn(3, 4, 8, 8)
    noise, unet = fd.PriorNoise(ALPHA, start=1), toys.unet()
    with torch.no_grad(), fd.enable(unet, prior_noise=noise).sampling(scheduler):
        scheduler.step(torch.zeros_like(latent), scheduler.timesteps[0], latent)
        noisy = scheduler.step(torch.zeros_like(frames), scheduler.timesteps[1], frames).prev_sample
    plain = scheduler.step(torch.zeros_like(frames), scheduler.timesteps[1], frames).prev_sample
    torch.testing.assert_close(noisy, plain + ALPHA * latent)
    assert "Prior noise is left out" not in caplog.text

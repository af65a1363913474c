"""Solvers by their short names."""

import json
import re

import pytest
import torch
from diffusers import DDIMScheduler

from faster_diffusion.models import schedulers
from faster_diffusion.models.schedulers import Solver
from faster_diffusion.options.config import PropagationConfig
from faster_diffusion.options.correction import TERMS, Correction
from specimens import toys


@pytest.mark.parametrize("name", schedulers.SOLVERS)
def test_every_name_is_a_scheduler_over_the_models_own_noise_that_samples(name):
    own = DDIMScheduler(**toys.SCHEDULER)
    scheduler = schedulers.make(name.upper(), own.config)
    assert type(scheduler).__name__ == schedulers.SOLVERS[name][0]
    assert scheduler.config.beta_schedule == "scaled_linear"
    scheduler.set_timesteps(10)
    assert len(scheduler.timesteps) >= 10


def farthest(scheduler, own, steps, prediction):
    """How far from an image a run ends whose model knows it, given what that predicts of the noise that it sees."""
    scheduler.set_timesteps(steps)
    image, generator = torch.linspace(-1, 1, 64).view(1, 1, 8, 8), torch.Generator().manual_seed(0)
    latent = scheduler.init_noise_sigma * torch.randn(1, 1, 8, 8, generator=generator)
    for t in scheduler.timesteps:
        seen, alpha = scheduler.scale_model_input(latent, t), own.alphas_cumprod[round(float(t))]
        noise = (seen - alpha.sqrt() * image) / (1 - alpha).sqrt()
        latent = scheduler.step(prediction(noise, image, alpha), t, latent).prev_sample
    return (latent - image).abs().max()


SPACINGS = (*schedulers.SPACINGS, "rho4", "rho2.5-to10", "ays", "ays-xl")


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("name", sorted({*schedulers.SOLVERS} - {"kdpm2", "kdpm2-a"}))  # these are seconds to make
def test_a_solver_with_a_spacing_comes_to_the_image_or_its_class_has_none(name, spacing):
    """A model that knows the image: its prediction is the noise in the latent."""
    full, own = f"{name}-{spacing}", DDIMScheduler(**toys.SCHEDULER)
    if not schedulers.is_known(full):
        with pytest.raises(ValueError, match=f"Scheduler has no {spacing}. Known|has no spacing"):
            schedulers.make(full, own.config)
        return
    scheduler = schedulers.make(full, own.config)
    assert farthest(scheduler, own, 14, lambda noise, image, alpha: noise) < 0.15


def test_which_solvers_have_a_spacing_of_their_own():
    able = {name for name in schedulers.SOLVERS if schedulers.is_known(f"{name}-rho4")}
    assert set(schedulers.SOLVERS) - able == {"ddim", "ddpm", "deis", "euler-a", "pndm"}


def sigmas(name, steps):
    scheduler = schedulers.make(name, DDIMScheduler(**toys.SCHEDULER).config)
    scheduler.set_timesteps(steps)
    return scheduler.sigmas


@pytest.mark.parametrize("steps", [5, 12])
@pytest.mark.parametrize("solver", ["dpm++", "unipc", "euler"])
def test_a_power_law_of_seven_down_to_the_last_timestep_is_karras_s(solver, steps):
    torch.testing.assert_close(
        sigmas(f"{solver}-rho7-to0", steps), sigmas(f"{solver}-karras", steps), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("rho", [1.5, 2.5, 4])
def test_a_power_law_is_even_in_its_root_from_the_noisiest_timestep_to_its_last(rho):
    table = ((1 - (own := DDIMScheduler(**toys.SCHEDULER)).alphas_cumprod) / own.alphas_cumprod).sqrt()
    levels = sigmas(f"dpm++-rho{rho:g}-to30", 9)[:-1]
    torch.testing.assert_close(levels[[0, -1]], table[[-1, 30]].float(), rtol=1e-4, atol=1e-5)
    gaps = (levels ** (1 / rho)).diff()
    torch.testing.assert_close(gaps, gaps[:1].expand_as(gaps), rtol=1e-3, atol=1e-5)


def test_ten_aligned_steps_are_those_that_diffusers_carries():
    scheduler = schedulers.make("dpm++-ays", DDIMScheduler(**toys.SCHEDULER).config)
    scheduler.set_timesteps(10)
    assert scheduler.timesteps.tolist() == [999, 850, 736, 645, 545, 455, 343, 233, 124, 24]


def test_a_spacing_is_kept_by_a_profile_s_solver():
    own = DDIMScheduler(**toys.SCHEDULER)
    solver = Solver.of(schedulers.make("dpm++-rho2.5-to10", own.config))
    again = Solver(**json.loads(json.dumps(solver.to_dict()))).make(own)
    again.set_timesteps(6)
    torch.testing.assert_close(again.sigmas, sigmas("dpm++-rho2.5-to10", 6))
    with pytest.raises(ValueError, match="no spacing 'rho-1'"):
        Solver(solver.name, solver.config, "rho-1").make(own)


@pytest.mark.parametrize("name", ["dpm++-magic", "dpm++-rho", "dpm++-rho0", "ddim-karras", "ddim-rho4", "dpm++-"])
def test_a_spacing_that_is_not_known_or_not_had_is_refused(name):
    with pytest.raises(ValueError, match=f"(Unknown scheduler '{re.escape(name)}'|has no spacing)"):
        schedulers.make(name, DDIMScheduler(**toys.SCHEDULER).config)


@pytest.mark.parametrize("name", schedulers.SOLVERS)
def test_from_noise_alone_a_solver_comes_to_the_image_or_is_refused(name):
    """A model of zero terminal SNR that knows the image: its velocity is that of the image and the noise seen."""
    config = {**toys.SCHEDULER, "prediction_type": "v_prediction", "timestep_spacing": "trailing"}
    own = DDIMScheduler(**config, rescale_betas_zero_snr=True)
    if name in ("deis", "dpm++-single", "heun", "kdpm2", "kdpm2-a", "lms", "pndm"):  # diffusers' have no such option
        with pytest.raises(ValueError, match="take ddim, dpm"):
            schedulers.make(name, own.config)
        return
    scheduler = schedulers.make(name, own.config)

    def velocity(noise, image, alpha):
        return alpha.sqrt() * noise - (1 - alpha).sqrt() * image

    assert farthest(scheduler, own, 20, velocity) < 0.1


def test_an_unknown_name_is_refused_with_those_that_are_known():
    with pytest.raises(ValueError, match=r"'magic'. Known: ddim, .*unipc"):
        schedulers.make("magic", DDIMScheduler().config)


OWN = (999, 950, 700, 420, 90)


@pytest.mark.parametrize("name", ["dpm", "dpm++", "dpm++-trailing", "dpm++-sde", "euler", "ddpm", "dpm++1"])
def test_a_solver_may_have_timesteps_of_its_own_for_runs_of_so_many_steps(name):
    plain = schedulers.make(name, DDIMScheduler(**toys.SCHEDULER).config)
    placed = schedulers.placed(plain, OWN)
    placed.set_timesteps(len(OWN))
    assert placed.timesteps.tolist() == list(OWN)
    assert Solver.of(placed) == Solver.of(plain)
    for scheduler in (plain, placed):
        scheduler.set_timesteps(8)
    assert torch.equal(placed.timesteps, plain.timesteps)


def test_pipelines_take_other_timesteps_for_a_call_all_the_same():
    pipe = toys.stable_diffusion()
    pipe.scheduler = schedulers.placed(schedulers.make("dpm++", pipe.scheduler.config), OWN)
    toys.sample(pipe, num_inference_steps=len(OWN))
    assert pipe.scheduler.timesteps.tolist() == list(OWN)
    toys.sample(pipe, timesteps=[900, 500, 400, 300, 1])
    assert pipe.scheduler.timesteps.tolist() == [900, 500, 400, 300, 1]


@pytest.mark.parametrize(("name", "why"), [("ddim", "take dpm"), ("unipc", "take dpm"), ("dpm++-karras", "karras")])
def test_solvers_that_take_no_timesteps_say_so(name, why):
    with pytest.raises(ValueError, match=why):
        schedulers.placed(schedulers.make(name, DDIMScheduler(**toys.SCHEDULER).config), OWN)


def test_a_correction_is_sampled_at_the_timesteps_that_it_was_fitted_for():
    scheduler = schedulers.make("dpm++", DDIMScheduler(**toys.SCHEDULER).config)
    scheduler.set_timesteps(len(OWN))
    weights = ((0.0,) * len(TERMS),) * len(OWN)
    for timesteps in (None, scheduler.timesteps.tolist()):
        config = PropagationConfig("all", correction=Correction(weights, 4, True, timesteps))
        assert schedulers.through(scheduler, config.timesteps) is scheduler
    assert schedulers.through(scheduler, PropagationConfig("all").timesteps) is scheduler
    config = PropagationConfig("all", correction=Correction(weights, 4, True, OWN))
    placed = schedulers.through(scheduler, config.timesteps)
    placed.set_timesteps(len(OWN))
    assert placed.timesteps.tolist() == list(OWN)

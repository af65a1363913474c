"""Solvers by their short names."""

import pytest
import torch
from diffusers import DDIMScheduler

from faster_diffusion import solvers
from tests import toys


@pytest.mark.parametrize("name", solvers.SOLVERS)
def test_every_name_is_a_scheduler_over_the_models_own_noise_that_samples(name):
    own = DDIMScheduler(**toys.SCHEDULER)
    scheduler = solvers.make(name.upper(), own.config)
    assert type(scheduler).__name__ == solvers.SOLVERS[name][0]
    assert scheduler.config.beta_schedule == "scaled_linear"
    scheduler.set_timesteps(10)
    assert len(scheduler.timesteps) >= 10


@pytest.mark.parametrize("name", solvers.SOLVERS)
def test_from_noise_alone_a_solver_comes_to_the_image_or_is_refused(name):
    """A model of zero terminal SNR that knows the image: its velocity is that of the image and the noise seen."""
    config = {**toys.SCHEDULER, "prediction_type": "v_prediction", "timestep_spacing": "trailing"}
    own = DDIMScheduler(**config, rescale_betas_zero_snr=True)
    if name in ("deis", "dpm++-single", "heun", "kdpm2", "kdpm2-a", "lms", "pndm"):  # diffusers' have no such option
        with pytest.raises(ValueError, match="take ddim, dpm"):
            solvers.make(name, own.config)
        return
    scheduler = solvers.make(name, own.config)
    scheduler.set_timesteps(20)
    image, generator = torch.linspace(-1, 1, 64).view(1, 1, 8, 8), torch.Generator().manual_seed(0)
    latent = scheduler.init_noise_sigma * torch.randn(1, 1, 8, 8, generator=generator)
    for t in scheduler.timesteps:
        seen, alpha = scheduler.scale_model_input(latent, t), own.alphas_cumprod[round(float(t))]
        noise = (seen - alpha.sqrt() * image) / (1 - alpha).sqrt()
        latent = scheduler.step(alpha.sqrt() * noise - (1 - alpha).sqrt() * image, t, latent).prev_sample
    assert (latent - image).abs().max() < 0.1


def test_an_unknown_name_is_refused_with_those_that_are_known():
    with pytest.raises(ValueError, match=r"'magic'. Known: ddim, .*unipc"):
        solvers.make("magic", DDIMScheduler().config)

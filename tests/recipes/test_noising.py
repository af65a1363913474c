"""What networks that predict noise or velocity learn from."""

import pytest
import torch
from diffusers import DDPMScheduler

from recipes.noising import OFFSET, add_noise, draw_noise, draw_times, noise_error, velocity


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def test_a_batch_has_times_of_the_whole_run(generator):
    times = draw_times(32, 1000, generator)
    assert (times.diff() >= 0).all()
    assert times.min() < 80
    assert 960 < times.max() < 1000


@pytest.mark.parametrize("shape", [(64, 4, 8, 8), (64, 4, 3, 8, 8)])
def test_a_channel_of_a_sample_has_one_offset(shape, generator):
    noise = draw_noise(shape, generator)
    assert noise.shape == shape
    means = noise.flatten(2).mean(-1)
    expected = (OFFSET**2 + 1 / noise[0, 0].numel()) ** 0.5
    assert means.std().item() == pytest.approx(expected, rel=0.2)


def test_noise_is_added_as_schedulers_do(generator):
    scheduler = DDPMScheduler()
    x, noise, times = torch.randn(3, 4, 8, 8), torch.randn(3, 4, 8, 8), torch.tensor([0, 500, 999])
    noisy = add_noise(x, noise, scheduler.alphas_cumprod[times])
    torch.testing.assert_close(noisy, scheduler.add_noise(x, noise, times))


def test_the_weight_of_an_error_is_finite_on_every_schedule():
    for schedule in ("scaled_linear", "squaredcos_cap_v2"):
        alphas = DDPMScheduler(beta_schedule=schedule).alphas_cumprod
        errors = [noise_error(torch.ones(1, 3, 2, 2), torch.zeros(1, 3, 2, 2), alpha[None]) for alpha in alphas]
        assert max(errors) < 20  # 1 / 0.004 ** 0.5 = 16
        assert min(errors) > 0


def test_velocity_is_what_schedulers_take_it_for(generator):
    scheduler = DDPMScheduler()
    x, noise, times = torch.randn(3, 4, 8, 8), torch.randn(3, 4, 8, 8), torch.tensor([0, 500, 999])
    torch.testing.assert_close(
        velocity(x, noise, scheduler.alphas_cumprod[times]), scheduler.get_velocity(x, noise, times)
    )

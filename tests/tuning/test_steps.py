"""Where the steps of a corrected run are best."""

import itertools

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, EDMEulerScheduler
from hypothesis import given
from hypothesis import strategies as st

from faster_diffusion.arms import Arm
from faster_diffusion.generation.sampling import Settings
from faster_diffusion.models.spacing import PowerLaw
from faster_diffusion.tuning.following import Followed, Path
from faster_diffusion.tuning.steps import SPREAD, best_steps, places
from specimens import toys

N = 7


def long_run(seed=0, guided=True):
    """A run of many steps over two images of 60 numbers, of which nothing is known but what it showed."""
    generator = torch.Generator().manual_seed(seed)
    latents = list(torch.randn((N + 1, 2, 3, 4, 5), generator=generator).cumsum(0))
    said = torch.randn((N, 2, 3, 4, 5, 2), generator=generator).cumsum(0)
    if not guided:
        said[..., 1] = 0
    path = Path(times=[float(t) for t in range(990, 990 - 140 * N, -140)], latents=latents)
    return Followed(Arm.parse("ddim:7"), (), Settings(), path, tuple(said))


@pytest.fixture(scope="module")
def scheduler():
    return DDIMScheduler(**toys.SCHEDULER)


def misses(long, scheduler, orders, rows):
    """What the steps of a run miss, by least squares over all numbers of all images."""
    alpha2 = [*(float(scheduler.alphas_cumprod[int(time)]) for time in long.path.times), 1.0]
    total = 0.0
    for number, (here, there) in enumerate(itertools.pairwise((*orders, N))):
        terms = [long.path.latents[here], *long.said[here].unbind(-1)]
        if number:
            terms += long.said[orders[number - 1]].unbind(-1)
        matrix = torch.stack([term[:rows].flatten() for term in terms], 1).double().numpy()
        target = long.path.latents[there][:rows].flatten().double().numpy()
        left = target - matrix @ np.linalg.lstsq(matrix, target, rcond=None)[0]
        total += np.mean(left**2) * SPREAD**2 / (alpha2[there] * SPREAD**2 + 1 - alpha2[there])
    return total


@pytest.mark.parametrize("guided", [True, False])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_no_other_steps_miss_less(scheduler, count, guided):
    long = long_run(guided=guided)
    found = [long.path.times.index(time) for time in best_steps(long, scheduler, count, rows=2)]
    every = [(0, *rest) for rest in itertools.combinations(range(1, N), count - 1)]
    least = min(misses(long, scheduler, orders, 2) for orders in every)
    assert misses(long, scheduler, found, 2) == pytest.approx(least, rel=1e-4)


def test_only_the_images_that_fit_are_looked_at(scheduler):
    one, other = long_run(seed=1), long_run(seed=2)
    for latent, different in zip(one.path.latents, other.path.latents, strict=True):
        latent[0] = different[0]
    for said, different in zip(one.said, other.said, strict=True):
        said[0] = different[0]
    assert best_steps(one, scheduler, 4, rows=1) == best_steps(other, scheduler, 4, rows=1)
    assert best_steps(one, scheduler, 4, rows=2) != best_steps(other, scheduler, 4, rows=2)


def test_a_run_of_fewer_steps_is_too_short(scheduler):
    with pytest.raises(ValueError, match="8 steps cannot be chosen from a run of 7"):
        best_steps(long_run(), scheduler, 8, rows=2)


def test_noise_has_to_be_known():
    with pytest.raises(ValueError, match="EDMEulerScheduler has no alphas_cumprod"):
        best_steps(long_run(), EDMEulerScheduler(), 4, rows=2)


def test_besides_the_least_errors_power_laws_are_tried_where_their_timesteps_are_all_different(scheduler):
    long = long_run()
    found = places(long, scheduler, 4, rows=2)
    assert found["the steps of least error"] == best_steps(long, scheduler, 4, rows=2)
    assert len(found) == 4
    for timesteps in found.values():
        assert len(set(timesteps)) == 4
        assert list(timesteps) == sorted(timesteps, reverse=True)
    assert all(timesteps[0] == 999 for name, timesteps in found.items() if "rho" in name)


@given(rho=st.floats(0.5, 9), last=st.integers(0, 400), steps=st.integers(2, 40))
def test_the_timesteps_of_a_power_law_go_from_the_noisiest_to_its_last(scheduler, rho, last, steps):
    timesteps = PowerLaw(rho, last).timesteps(scheduler, steps)
    assert (timesteps[0], timesteps[-1]) == (999, last)
    assert list(timesteps) == sorted(timesteps, reverse=True)
    table = ((1 - scheduler.alphas_cumprod) / scheduler.alphas_cumprod).sqrt().log().numpy()
    levels = PowerLaw(rho, last).levels(np.exp(table), steps)
    nearest = [int(np.abs(table - level).argmin()) for level in np.log(levels)]
    assert np.abs(np.subtract(timesteps, nearest)).max() <= 1

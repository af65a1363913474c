"""Solvers by their short names."""

import pytest
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


def test_an_unknown_name_is_refused_with_those_that_are_known():
    with pytest.raises(ValueError, match=r"'magic'. Known: ddim, .*unipc"):
        solvers.make("magic", DDIMScheduler().config)

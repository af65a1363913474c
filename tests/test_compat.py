"""Scripts written for the research code run unchanged."""

import random

import numpy as np
import pytest
import torch

import faster_diffusion as fd
from faster_diffusion.compat import (
    register_controlnet_pipeline,
    register_faster_forward,
    register_normal_pipeline,
    register_parallel_pipeline,
    seed_everything,
)
from specimens import toys

REGISTER = {
    register_normal_pipeline: False,
    register_parallel_pipeline: True,
    register_controlnet_pipeline: True,
}


@pytest.fixture
def pipe():
    return toys.stable_diffusion()


@pytest.mark.parametrize("register", REGISTER)
def test_call_is_the_accelerated_pipeline_and_the_pipeline_itself_is_not(pipe, register):
    baseline = toys.sample(pipe)
    register(pipe)
    register_faster_forward(pipe.unet)
    image = toys.sample(pipe.call)
    assert torch.equal(toys.sample(pipe), baseline)
    with fd.enable(pipe, key_steps="50ls", parallel=REGISTER[register]):
        assert torch.equal(toys.sample(pipe), image)
    assert not torch.equal(image, baseline)


def test_mod_chooses_the_key_steps(pipe):
    register_parallel_pipeline(pipe, mod=4)
    register_faster_forward(pipe.unet, mod=4)
    with fd.enable(pipe, key_steps="uniform:4"):
        expected = toys.sample(pipe)
    assert torch.equal(toys.sample(pipe.call), expected)


def test_without_faster_forward_call_is_the_baseline(pipe):
    register_parallel_pipeline(pipe)
    assert torch.equal(toys.sample(pipe.call), toys.sample(pipe))


def test_two_different_mods_are_refused(pipe):
    register_parallel_pipeline(pipe, mod="50ls2")
    register_faster_forward(pipe.unet, mod="50ls")
    with pytest.raises(ValueError, match="mod=50ls2, its network with mod=50ls. Give one"):
        toys.sample(pipe.call)


def test_a_network_that_cannot_be_accelerated_is_refused(pipe):
    with pytest.raises(ValueError, match="AutoencoderKL cannot be accelerated"):
        register_faster_forward(pipe.vae)


def test_seed_everything_seeds_python_numpy_and_torch():
    drawn = []
    for _ in range(2):
        seed_everything(2023)
        drawn.append((random.random(), np.random.rand(), torch.rand(1).item()))
    assert drawn[0] == drawn[1]

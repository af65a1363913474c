"""Every pipeline of the table against a plain oracle, and its saving against a counter of FLOPs."""

import inspect

import pytest
import torch

import faster_diffusion as fd
from specimens import oracle
from tests.flops import counted
from tests.pipelines.kinds import for_each_kind

KEYS = [0, 3, 4]
CLOSE = {"rtol": 0, "atol": 1e-3}  # latents of the toys have a spread of 1 to 20


def test_it_is_the_oracle_s_result(row, pipe):
    expected = oracle.sample(row, pipe, KEYS)
    with fd.enable(pipe, key_steps=KEYS, prior_noise=None):
        torch.testing.assert_close(row.sample(pipe), expected, **CLOSE)


@for_each_kind
def test_the_flops_in_the_summary_are_those_counted(row, pipe):
    if row.twin_differs:
        pytest.skip(row.twin_differs)
    with fd.enable(pipe, key_steps=KEYS, parallel=False) as handle, counted(row.network(pipe)) as counter:
        row.sample(pipe)
    assert handle.summary().flops == counter.total
    assert handle.summary().flops < handle.summary().flops_untouched


@for_each_kind
def test_without_guidance_too(row, pipe):
    """Where the pipeline has guidance, a scale of 1 leaves half of the batch out."""
    if "guidance_scale" not in inspect.signature(pipe.__call__).parameters:
        unguided = ("unconditional", "stable-video", "latent-super-resolution", "marigold", "ledits")
        assert row.name.startswith(unguided)
        return
    made = {}
    for parallel in (True, False):
        with fd.enable(pipe, key_steps=KEYS, parallel=parallel) as handle:
            made[parallel] = row.sample(pipe, **{"guidance_scale": 1.0, **row.unguided})
            assert handle.summary().reused == row.steps - len(row.computed(KEYS))
    torch.testing.assert_close(made[True], made[False], **CLOSE)


@for_each_kind
def test_offloading_before_or_after_enabling_makes_the_same_image(row, pipe):
    if pipe.model_cpu_offload_seq is None:
        pytest.skip("diffusers cannot offload this pipeline")
    with fd.enable(pipe, key_steps=KEYS):
        expected = row.sample(pipe)
    for enabled_first in (True, False):
        other = row.pipe()
        if enabled_first:
            fd.enable(other, key_steps=KEYS)
        other.enable_model_cpu_offload(device="cpu")
        if not enabled_first:
            fd.enable(other, key_steps=KEYS)
        for _ in range(2):  # the hooks of offloading are put on anew after every call
            torch.testing.assert_close(row.sample(other), expected, **CLOSE)

"""Late in sampling the conditional half of a guided batch is enough."""

import pytest
import torch

import faster_diffusion as fd
from specimens import toys
from tests.flops import counted

PLANS = [
    {"key_steps": "all"},
    {"key_steps": [0, 2, 4, 7]},
    {"key_steps": [0, 2, 4, 7], "forecast": 1},
    {"key_steps": [0, 2, 4, 7], "reuse": "deep:1"},
    {"key_steps": [0, 2, 4, 7], "reuse": "output", "forecast": 1},
]


@pytest.fixture(scope="module")
def pipe():
    return toys.stable_diffusion()


@pytest.fixture(params=PLANS, ids=str)
def plan(request):
    return {"prior_noise": None, **request.param}


def batches(pipe):
    """Lists the rows of every batch that the network's first layer sees."""
    seen = []

    def look(module, args):
        seen.append(len(args[0]))

    look.batch_independent = True
    return seen, pipe.unet.conv_in.register_forward_pre_hook(look)


def test_the_unconditional_half_runs_up_to_that_share_of_the_steps(pipe):
    seen, hook = batches(pipe)
    with fd.enable(pipe, key_steps="all", guidance_until=0.6) as handle:
        toys.sample(pipe)
    hook.remove()
    assert seen == [2] * 6 + [1] * 4
    assert handle.summary().halves == 4
    assert "4 of 10 calls" in str(handle.summary())


def test_with_nothing_left_out_the_image_is_that_without_the_option(pipe, plan):
    with fd.enable(pipe, **plan):
        expected = toys.sample(pipe)
    with fd.enable(pipe, **plan, guidance_until=1.0):
        assert torch.equal(toys.sample(pipe), expected)


def test_parallel_equals_sequential_a_batch_its_images_and_a_second_call_the_first(pipe, plan):
    made = {}
    for parallel in (True, False, 2):
        with fd.enable(pipe, **plan, parallel=parallel, guidance_until=0.5):
            made[parallel] = toys.sample(pipe, 2)
            assert torch.equal(toys.sample(pipe, 2), made[parallel])
        torch.testing.assert_close(made[parallel], made[True], rtol=0, atol=1e-3)
    with fd.enable(pipe, **plan, guidance_until=0.5):
        first = {name: rows[:1] for name, rows in toys.prompt(2).items()}
        one = toys.sample(pipe, **first)
    torch.testing.assert_close(made[True][:1], one, rtol=0, atol=1e-3)


def test_it_comes_near_the_image_with_all_of_the_guidance(pipe, plan):
    with fd.enable(pipe, **plan):
        expected = toys.sample(pipe)
    distances = []
    for until in (0.8, 0.4):
        with fd.enable(pipe, **plan, guidance_until=until):
            distances.append((toys.sample(pipe) - expected).abs().mean())
    assert 0 < distances[0] < distances[1] < expected.std()


def test_the_flops_in_the_summary_are_those_counted(pipe, plan):
    with fd.enable(pipe, **plan, parallel=False, guidance_until=0.5) as handle, counted(pipe.unet) as counter:
        toys.sample(pipe)
    assert handle.summary().flops == counter.total


def test_a_batch_that_is_not_two_halves_of_the_same_is_left_as_it_is_with_a_warning(pipe, caplog):
    with fd.enable(pipe, key_steps=[0, 4], prior_noise=None):
        expected = toys.sample(pipe, 2, guidance_scale=1.0)
    with fd.enable(pipe, key_steps=[0, 4], prior_noise=None, guidance_until=0.5):
        assert torch.equal(toys.sample(pipe, 2, guidance_scale=1.0), expected)
    assert "guidance_until is left out" in caplog.text


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_what_is_no_share_is_refused(share):
    with pytest.raises(ValueError, match="guidance_until is a fraction of the steps"):
        fd.PropagationConfig(guidance_until=share)


def test_a_prompt_that_changes_late_is_computed_with_both_halves_again(pipe):
    """What the halves differ by belongs to a prompt."""

    def change(pipe, step, t, tensors):
        if step == 6:
            tensors["prompt_embeds"] = tensors["prompt_embeds"] * 1.5
        return tensors

    seen, hook = batches(pipe)
    with fd.enable(pipe, key_steps="all", guidance_until=0.5):
        toys.sample(pipe, callback_on_step_end=change, callback_on_step_end_tensor_inputs=["prompt_embeds"])
    hook.remove()
    assert seen == [2] * 5 + [1] * 2 + [2] + [1] * 2


@pytest.mark.parametrize("degree", [0, 1])
def test_a_gate_goes_on_with_the_conditional_half(pipe, degree):
    """The errors of a batch that is half as large are told from the same half of what was predicted before."""
    made = {}
    for parallel in (True, False):
        options = {"key_steps": [0], "gate": 0.1, "forecast": degree, "prior_noise": None, "guidance_until": 0.5}
        with fd.enable(pipe, **options, parallel=parallel) as handle:
            made[parallel] = toys.sample(pipe, 2, num_inference_steps=20)
        assert handle.summary().halves > 0
        assert 1 < handle.summary().computed < 20
    torch.testing.assert_close(made[True], made[False], rtol=0, atol=1e-3)

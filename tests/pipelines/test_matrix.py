"""What every pipeline of the table must show."""

import pytest
import torch

import faster_diffusion as fd
from faster_diffusion.models.stages import stage_names
from tests.pipelines.kinds import for_each_kind

KEYS = [0, 3, 4]
CLOSE = {"rtol": 0, "atol": 1e-3}  # latents of the toys have a spread of 1 to 20


@pytest.fixture(scope="module")
def untouched(row, pipe):
    return row.sample(pipe)


def test_with_every_step_key_the_result_is_bit_exactly_the_untouched_one(row, pipe, untouched):
    with fd.enable(pipe, key_steps="all"):
        assert torch.equal(row.sample(pipe), untouched)


def test_parallel_equals_sequential_and_a_second_call_the_first(row, pipe, untouched):
    made = {}
    for parallel in (True, False, 2):
        with fd.enable(pipe, key_steps=KEYS, parallel=parallel):
            made[parallel] = row.sample(pipe)
            if parallel != 2:
                assert torch.equal(row.sample(pipe), made[parallel])
        torch.testing.assert_close(made[parallel], made[True], **CLOSE)
    assert (made[True] - untouched).abs().max() > 1e-3
    assert torch.equal(row.sample(pipe), untouched)


def test_a_batch_of_two_in_parallel_equals_sequential(row, pipe):
    if row.single:
        pytest.skip(row.single)
    made = []
    for parallel in (True, False):
        with fd.enable(pipe, key_steps=KEYS, parallel=parallel):
            made.append(row.sample(pipe, 2))
    torch.testing.assert_close(*made, **CLOSE)


def test_key_steps_reused_steps_and_the_runs_of_encoder_and_decoder_are_those_of_the_plan(row, pipe):
    runs = {"encoder": 0, "decoder": 0}
    network = row.network(pipe)
    encoder, decoder = stage_names(network)
    first, last = network.get_submodule(encoder[0]), network.get_submodule(decoder[-1])
    hooks = [
        first.register_forward_pre_hook(lambda *_: runs.update(encoder=runs["encoder"] + 1)),
        last.register_forward_pre_hook(lambda *_: runs.update(decoder=runs["decoder"] + 1)),
    ]
    with fd.enable(pipe, key_steps=KEYS) as handle:
        row.sample(pipe)
    for hook in hooks:
        hook.remove()
    computed, summary = row.computed(KEYS), handle.summary()
    assert summary.key_steps == tuple(sorted(set(computed)))
    assert (summary.computed, summary.reused) == (len(computed), row.steps - len(computed))
    assert runs == {"encoder": len(computed), "decoder": row.steps if row.alone else len(computed)}


@for_each_kind
def test_after_an_exception_in_the_middle_the_next_call_is_clean(row, pipe, monkeypatch):
    with fd.enable(pipe, key_steps=KEYS):
        expected = row.sample(pipe)
        step = pipe.scheduler.step
        with monkeypatch.context() as patch:
            seen = []

            def failing(*args, **kwargs):
                seen.append(1)
                if len(seen) == 3:
                    raise KeyboardInterrupt
                return step(*args, **kwargs)

            patch.setattr(pipe.scheduler, "step", failing)
            with pytest.raises(KeyboardInterrupt):
                row.sample(pipe)
        assert torch.equal(row.sample(pipe), expected)

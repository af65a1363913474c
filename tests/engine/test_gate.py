"""A gate makes a step key before what is reused drifts too far."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import faster_diffusion as fd
from faster_diffusion.engine.pace import relative_error
from specimens import toys

gaps, errors, degrees = st.integers(1, 12), st.floats(1e-6, 10), st.integers(0, 3)


@pytest.fixture(scope="module")
def pipe():
    return toys.stable_diffusion().to(torch.float64)  # near a tolerance, rounding decides what is key


def sample(pipe, n=1, **options):
    with fd.enable(pipe, **{"key_steps": [0], "prior_noise": None, **options}) as handle:
        image = toys.sample(pipe, n, num_inference_steps=20)
    return image, handle.summary()


@given(gaps, errors, degrees)
def test_a_gap_is_never_longer_than_allowed_nor_than_twice_the_last(gap, error, degree):
    following = fd.Gate(0.05, longest=7).next_gap(gap, error, degree)
    assert 1 <= following <= min(7, 2 * gap)


@given(gaps, errors, degrees, st.floats(1, 100))
def test_a_larger_error_makes_no_longer_gap(gap, error, degree, factor):
    gate = fd.Gate(0.05)
    assert gate.next_gap(gap, error * factor, degree) <= gate.next_gap(gap, error, degree)


@given(gaps, degrees)
def test_the_error_that_is_allowed_keeps_the_gap_but_for_a_margin(gap, degree):
    assert fd.Gate(0.05, longest=20).next_gap(gap, 0.05, degree) == max(1, int(0.9 * gap))


def test_the_worst_sample_tells_the_error():
    prediction = torch.ones(2, 4)
    assert relative_error(torch.tensor([[1.0] * 4, [1.5] * 4]), prediction) == pytest.approx(0.5)


@pytest.mark.parametrize("reuse", ["encoder", "deep:1", "output"])
@pytest.mark.parametrize("degree", [0, 1])
def test_a_tighter_gate_makes_more_steps_key_and_comes_nearer(pipe, reuse, degree):
    untouched = toys.sample(pipe, num_inference_steps=20)
    keys, distances = [], []
    for tolerance in (0.3, 0.03, 1e-6):
        image, summary = sample(pipe, reuse=reuse, forecast=degree, gate=tolerance)
        keys.append(summary.computed)
        distances.append((image - untouched).abs().max().item())
    assert keys == sorted(keys)
    assert keys[0] < keys[-1] == 20
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] == 0


def test_no_gap_is_longer_than_the_gate_allows(pipe):
    _, summary = sample(pipe, gate=fd.Gate(10.0, longest=3))
    assert max(after - before for before, after in pairwise([*summary.key_steps, 20])) == 3


def test_steps_that_are_key_anyway_stay_so(pipe):
    _, summary = sample(pipe, key_steps=[0, 5, 11], gate=fd.Gate(10.0, longest=20))
    assert {0, 5, 11} <= set(summary.key_steps)


@pytest.mark.parametrize("degree", [0, 1])
def test_parallel_equals_sequential_and_a_second_call_the_first(pipe, degree):
    made = {parallel: sample(pipe, parallel=parallel, forecast=degree, gate=0.1) for parallel in (True, False, 2)}
    for parallel in (False, 2):
        assert made[parallel][1].key_steps == made[True][1].key_steps
        torch.testing.assert_close(made[parallel][0], made[True][0], rtol=0, atol=1e-3)
    assert torch.equal(sample(pipe, forecast=degree, gate=0.1)[0], made[True][0])


@pytest.mark.parametrize("gate", [0, -1.0, "tight", True, fd.PriorNoise()])
def test_what_makes_no_sense_is_refused(gate):
    with pytest.raises(ValueError, match=r"[Gg]ate"):
        fd.PropagationConfig(gate=gate)

"""The placement of key steps, against trying all of them."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from faster_diffusion.analysis.drift import Drift
from faster_diffusion.analysis.suggest import best_keys, place, suggest, total_drift, uniform

DRIFTS = st.integers(1, 8).flatmap(lambda n: arrays(float, (n, n), elements=st.floats(0, 100)))


def all_placements(n, k):
    return [(0, *rest) for rest in combinations(range(1, n), k - 1)]


def cost(drift, keys):
    """Each step's drift from the last key step that is not later."""
    return sum(drift[max(key for key in keys if key <= step), step] for step in range(len(drift)) if step not in keys)


@given(DRIFTS, st.data())
def test_no_placement_of_as_many_key_steps_has_less_drift(drift, data):
    k = data.draw(st.integers(1, len(drift)))
    keys = best_keys(drift, k)
    assert keys in all_placements(len(drift), k)
    least = min(cost(drift, some) for some in all_placements(len(drift), k))
    assert cost(drift, keys) == pytest.approx(least, rel=1e-9, abs=1e-9)


@given(DRIFTS, st.data())
def test_total_drift_is_that_of_every_step_from_its_key_step(drift, data):
    keys = data.draw(st.sampled_from(all_placements(len(drift), data.draw(st.integers(1, len(drift))))))
    assert total_drift(drift, keys) == pytest.approx(cost(drift, keys), rel=1e-9, abs=1e-9)


def growing(n):
    """Drift that grows with distance alone."""
    return Drift(tuple(range(n)), np.triu(np.subtract.outer(np.arange(n), np.arange(n)) ** 2.0))


def test_where_drift_depends_on_distance_alone_key_steps_are_evenly_spaced():
    (suggestion,) = suggest(growing(12), [4])
    assert suggestion.step_indices == (0, 3, 6, 9)
    assert suggestion.drift == uniform(growing(12), 4).drift == pytest.approx(4 * (1 + 4) / 12)
    assert suggestion.key_steps == "0,3,6,9"


def test_more_key_steps_never_have_more_drift_and_all_of_them_have_none():
    drifts = [placement.drift for placement in suggest(growing(9), range(1, 10))]
    assert drifts == sorted(drifts, reverse=True)
    assert drifts[-1] == 0


def test_numbers_of_key_steps_beyond_the_run_are_left_out():
    assert [len(placement.step_indices) for placement in suggest(growing(5), [3, 9, 3, 5])] == [3, 5]


@pytest.mark.parametrize("k", [0, 6])
def test_a_number_of_key_steps_that_a_run_cannot_have_is_refused(k):
    with pytest.raises(ValueError, match=f"1 to 5 key steps; got {k}"):
        best_keys(growing(5).matrix, k)


def test_orders_are_those_of_a_run_that_starts_in_the_middle():
    drift = Drift((4, 5, 6, 7), growing(4).matrix)
    assert suggest(drift, [2])[0].step_indices == (4, 6)
    assert suggest(drift, [2])[0].orders == (4, 6)  # the former name
    assert place("mine", drift, (0, 3, 5, 9)).step_indices == (4, 5)

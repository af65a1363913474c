"""Intervals cover what they should, at the number of values that they are given for."""

import numpy as np
import pytest

from faster_diffusion.measuring import intervals


@pytest.mark.parametrize("count", [2, 3, 8, 64])
def test_nineteen_of_twenty_intervals_of_a_mean_hold_it(count):
    random = np.random.default_rng(0)
    ends = [intervals.mean(random.normal(3, 2, count)) for _ in range(400)]
    assert np.mean([low <= 3 <= high for low, high in ends]) == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize("count", [6, 7, 20])
def test_nineteen_of_twenty_intervals_of_a_median_hold_it_or_more(count):
    random = np.random.default_rng(0)
    ends = [intervals.median(random.lognormal(0, 1, count)) for _ in range(400)]
    assert np.mean([low <= 1 <= high for low, high in ends]) >= 0.93


def test_an_interval_of_a_median_lies_between_values():
    assert intervals.median([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]) == (1.0, 6.0)


def test_a_single_value_has_no_interval_and_a_median_of_five_none_either():
    assert intervals.mean([1.0]) is None
    assert intervals.median([1.0]) is None
    assert intervals.median([1.0, 2.0, 3.0, 4.0, 5.0]) is None


def test_a_share_of_all_has_an_interval():
    low, high = intervals.proportion(64, 64)
    assert (low, high) == pytest.approx((64 / (64 + 1.96**2), 1), abs=1e-4)

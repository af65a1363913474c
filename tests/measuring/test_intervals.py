"""Intervals cover what they should, and are the same for the same values."""

import numpy as np
import pytest

from faster_diffusion.measuring import intervals


def test_the_bootstrap_interval_of_a_mean_is_nearly_the_textbooks():
    values = np.random.default_rng(0).normal(3, 2, 400)
    low, high = intervals.bootstrap(values)
    half = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.1 * half)


def test_the_bootstrap_is_seeded():
    values = [1.0, 2.0, 5.0, 9.0]
    assert intervals.bootstrap(values, np.median) == intervals.bootstrap(values, np.median)


def test_one_value_has_no_interval():
    assert intervals.bootstrap([1.0]) is None


def test_a_share_of_all_has_an_interval():
    low, high = intervals.proportion(64, 64)
    assert (low, high) == pytest.approx((64 / (64 + 1.96**2), 1), abs=1e-4)

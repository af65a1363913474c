"""Fréchet and kernel distance against closed forms and the definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from faster_diffusion.evaluation.metrics.frechet import GROUPS, frechet_distance, frechet_interval
from faster_diffusion.evaluation.metrics.kernel import kernel_distance


def features(n, d, seed):
    return np.random.default_rng(seed).normal(size=(n, d))


def exactly(features, mean, covariance):
    """The same features, moved so that their mean and covariance are these to the last digit."""
    centred = features - features.mean(0)
    whitened = centred @ np.linalg.inv(np.linalg.cholesky(np.cov(centred, rowvar=False))).T
    return mean + whitened @ np.linalg.cholesky(covariance).T


def test_the_frechet_distance_of_normal_distributions_with_diagonal_covariance_has_its_closed_form():
    a, b = np.array([1.0, 4.0, 9.0]), np.array([4.0, 1.0, 25.0])
    x = exactly(features(50, 3, 0), [0, 1, 2], np.diag(a))
    y = exactly(features(70, 3, 1), [2, 1, 0], np.diag(b))
    assert frechet_distance(x, y) == pytest.approx(8 + ((a**0.5 - b**0.5) ** 2).sum())


def test_the_frechet_distance_is_that_of_the_general_matrix_root():
    x, y = features(60, 5, 0) @ features(5, 5, 1), features(80, 5, 2) @ features(5, 5, 3) + 1
    S, T = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    means = np.square(x.mean(0) - y.mean(0)).sum()
    assert frechet_distance(x, y) == pytest.approx(means + np.trace(S + T - 2 * sqrtm(S @ T).real))


@settings(max_examples=20, deadline=None)
@given(n=st.integers(2, 12), d=st.integers(1, 20), seed=st.integers(0, 9))
def test_the_frechet_distance_of_features_to_themselves_is_nothing_even_with_fewer_images_than_features(n, d, seed):
    x = features(n, d, seed)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(x, x + 2) == pytest.approx(4 * d)


@pytest.mark.parametrize("paired", [False, True])
def test_the_interval_of_the_frechet_distance_covers_what_other_images_give(paired):
    def draw(seed):
        x, y = features(300, 4, seed), features(300, 4, 1000 + seed) + 0.5
        return (x, 0.8 * x + 0.6 * y) if paired else (x, y)

    usual = np.mean([frechet_distance(*draw(seed)) for seed in range(100, 400)])
    intervals = [frechet_interval(*draw(seed), paired) for seed in range(40)]
    assert 34 <= sum(low <= usual <= high for low, high in intervals) <= 40  # 95 % of 40 is 38


def test_pairs_are_left_out_together():
    x = features(3 * GROUPS, 4, 0)
    assert frechet_interval(x, x + 2, paired=True) == pytest.approx((16, 16))
    low, high = frechet_interval(x, x + 2)
    assert high - low > 0.5


def k(a, b):
    return (a @ b / len(a) + 1) ** 3


def naive(x, y):
    """The unbiased squared maximum mean discrepancy, pair by pair."""
    N, M = len(x), len(y)
    within = [sum(k(z[i], z[j]) for i in range(len(z)) for j in range(len(z)) if i != j) for z in (x, y)]
    between = sum(k(a, b) for a in x for b in y)
    return within[0] / (N * (N - 1)) + within[1] / (M * (M - 1)) - 2 * between / (N * M)


def naive_paired(x, y):
    """The same over pairs (x_i, y_i), where images of one pair are never compared."""
    pairs = [(i, j) for i in range(len(x)) for j in range(len(x)) if i != j]
    return sum(k(x[i], x[j]) + k(y[i], y[j]) - k(x[i], y[j]) - k(y[i], x[j]) for i, j in pairs) / len(pairs)


def spread(values):
    """The jackknife's variance."""
    return (len(values) - 1) * np.var(values)


def test_the_kernel_distance_is_that_of_a_double_loop_and_its_interval_that_of_leaving_out_each_image():
    x, y = features(7, 4, 0), features(9, 4, 1) + 0.5
    value, (low, high) = kernel_distance(x, y)
    assert value == pytest.approx(naive(x, y))
    without_x = [naive(np.delete(x, i, 0), y) for i in range(len(x))]
    without_y = [naive(x, np.delete(y, i, 0)) for i in range(len(y))]
    assert high - low == pytest.approx(2 * 1.959964 * (spread(without_x) + spread(without_y)) ** 0.5)
    assert low + high == pytest.approx(2 * value)


def test_the_kernel_distance_of_pairs_leaves_out_each_pair():
    x, y = features(7, 4, 0), features(7, 4, 1) + 0.5
    value, (low, high) = kernel_distance(x, y, paired=True)
    assert value == pytest.approx(naive_paired(x, y))
    without = [naive_paired(np.delete(x, i, 0), np.delete(y, i, 0)) for i in range(len(x))]
    assert high - low == pytest.approx(2 * 1.959964 * spread(without) ** 0.5)


def test_the_kernel_distance_of_images_to_themselves_is_nothing():
    x = features(9, 4, 0)
    assert kernel_distance(x, x, paired=True)[0] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("alike", [0, 0.9])  # how much of an image is its pair's
def test_the_kernel_distance_is_unbiased_of_pairs_too(alike):
    x, more = np.split(features(16_000, 4, 0).reshape(2, 400, 20, 4), 2)
    y = alike * x + (1 - alike**2) ** 0.5 * more
    same = [kernel_distance(*pair, paired=alike > 0)[0] for pair in zip(x[0], y[0], strict=True)]
    assert abs(np.mean(same)) < 3 * np.std(same) / len(same) ** 0.5


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
def test_a_single_image_has_no_distance(distance):
    with pytest.raises(ValueError, match="images or more"):
        distance(features(1, 4, 0), features(8, 4, 1))

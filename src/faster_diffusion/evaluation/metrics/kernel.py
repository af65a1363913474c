"""Kernel distance of two sets of features: unbiased, so it can be used with few images."""

from __future__ import annotations

import numpy as np

from ..intervals import Interval, normal

_ROWS = 1024  # of a kernel matrix at once


def kernel_distance(x: np.ndarray, y: np.ndarray) -> tuple[float, Interval]:
    """KID (Bińkowski et al. 2018) of features (N, D) and (M, D), and its interval.

    The squared maximum mean discrepancy under k(a, b) = (a·b / D + 1)³, as the U-statistic over all pairs: unbiased, so
    slightly negative values occur where the distributions are the same. The interval is by the jackknife, one image of
    either set left out at a time: resampling would repeat images, and equal images are no pair of independent ones.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    N, M = len(x), len(y)
    if min(N, M) < 3:
        raise ValueError(f"A kernel distance needs three images or more on either side, not {N} and {M}.")
    xx, yy, xy, yx = _other_sums(x), _other_sums(y), _sums(x, y), _sums(y, x)
    value = xx.sum() / (N * (N - 1)) + yy.sum() / (M * (M - 1)) - 2 * xy.sum() / (N * M)
    within_x = (xx.sum() - 2 * xx) / ((N - 1) * (N - 2))  # without image i of x: both its row and its column go
    within_y = (yy.sum() - 2 * yy) / ((M - 1) * (M - 2))
    between_x = (xy.sum() - xy) / ((N - 1) * M)
    between_y = (yx.sum() - yx) / (N * (M - 1))
    variance = _jackknife(within_x - 2 * between_x) + _jackknife(within_y - 2 * between_y)
    return float(value), normal(float(value), variance)


def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a @ b.T / a.shape[1] + 1) ** 3


def _sums(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Σ_j k(a_i, b_j) for every i, without the whole matrix in memory."""
    return np.concatenate([_kernel(a[start : start + _ROWS], b).sum(1) for start in range(0, len(a), _ROWS)])


def _other_sums(a: np.ndarray) -> np.ndarray:
    """Σ_{j≠i} k(a_i, a_j) for every i."""
    return _sums(a, a) - (np.square(a).sum(1) / a.shape[1] + 1) ** 3


def _jackknife(left_out: np.ndarray) -> float:
    """Variance of a statistic from its values with one image left out (Efron & Stein 1981)."""
    n = len(left_out)
    return float((n - 1) / n * np.square(left_out - left_out.mean()).sum())

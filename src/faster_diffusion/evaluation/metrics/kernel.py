"""Kernel distance of two sets of features: unbiased, so it can be used with few images."""

from __future__ import annotations

import numpy as np

from ...measuring.intervals import Interval, jackknife, normal

_ROWS = 1024  # of a kernel matrix at once


def kernel_distance(x: np.ndarray, y: np.ndarray, paired: bool = False) -> tuple[float, Interval]:
    """KID (Bińkowski et al. 2018) of features (N, D) and (M, D), and its interval.

    The squared maximum mean discrepancy under k(a, b) = (a·b / D + 1)³, as the U-statistic over pairs of independent
    images. It is unbiased, so that slightly negative values occur where the distributions are the same. The interval is
    by the jackknife: resampling would repeat images, and an image is no independent partner of itself.

    Args:
        paired: whether x_i and y_i were generated for the same prompt, so that they are not independent (N = M).

    Raises:
        ValueError: there are less than three images on a side.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if min(len(x), len(y)) < 3:
        raise ValueError(f"A kernel distance needs three images or more on either side, not {len(x)} and {len(y)}.")
    value, variance = (_paired if paired else _independent)(x, y)
    return value, normal(value, variance)


def _paired(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Σ_{i≠j} h(i, j) / N(N-1) with h = k(x_i, x_j) + k(y_i, y_j) - k(x_i, y_j) - k(y_i, x_j) (Gretton et al. 2012)."""
    N = len(x)
    of_each = _other_sums(x, x) + _other_sums(y, y) - _other_sums(x, y) - _other_sums(y, x)  # Σ_{j≠i} h(i, j)
    whole = of_each.sum()
    return float(whole / (N * (N - 1))), jackknife((whole - 2 * of_each) / ((N - 1) * (N - 2)))


def _independent(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Σ_{i≠j} k(x_i, x_j) / N(N-1) + Σ_{i≠j} k(y_i, y_j) / M(M-1) - 2 Σ_{i,j} k(x_i, y_j) / NM."""
    N, M = len(x), len(y)
    xx, yy, xy, yx = _other_sums(x, x), _other_sums(y, y), _sums(x, y), _sums(y, x)
    within = xx.sum() / (N * (N - 1)), yy.sum() / (M * (M - 1))
    between = xy.sum() / (N * M)
    without_x = (xx.sum() - 2 * xx) / ((N - 1) * (N - 2)) - 2 * (xy.sum() - xy) / ((N - 1) * M)
    without_y = (yy.sum() - 2 * yy) / ((M - 1) * (M - 2)) - 2 * (yx.sum() - yx) / (N * (M - 1))
    return float(sum(within) - 2 * between), jackknife(without_x) + jackknife(without_y)


def _sums(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Σ_j k(a_i, b_j) for every i, without the whole matrix in memory."""
    parts = [a[start : start + _ROWS] for start in range(0, len(a), _ROWS)]
    return np.concatenate([_kernel(part @ b.T, a).sum(1) for part in parts])


def _other_sums(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Σ_{j≠i} k(a_i, b_j) for every i."""
    return _sums(a, b) - _kernel((a * b).sum(1), a)


def _kernel(products: np.ndarray, a: np.ndarray) -> np.ndarray:
    return (products / a.shape[1] + 1) ** 3

"""Fréchet distance of two sets of features: how far apart two normal distributions with their moments are."""

from __future__ import annotations

import numpy as np

from ...measuring.intervals import Interval, jackknife, normal

GROUPS = 20  # of images, of which each is left out once


def frechet_distance(x: np.ndarray, y: np.ndarray) -> float:
    """FID (Heusel et al. 2017): |m_x - m_y|² + tr(S_x + S_y - 2 (S_x S_y)^½), for features (N, D) and (M, D).

    Raises:
        ValueError: a side has less than two images, or its features are not (N, D).
    """
    (m_x, S_x), (m_y, S_y) = _moments(x), _moments(y)
    squares = np.square(m_x - m_y).sum() + np.trace(S_x) + np.trace(S_y) - 2 * _trace_of_root(S_x, S_y)
    return max(0.0, float(squares))  # of equal sets, rounding leaves a hair of either sign


def frechet_interval(x: np.ndarray, y: np.ndarray, paired: bool = False) -> Interval:
    """Of the distance of features (N, D) and (M, D), by the jackknife over groups of images.

    It tells how far the figure would move with other prompts and seeds, as many; not how far it is from that of
    infinitely many images, which is smaller. Resampling would repeat images, whose covariance is another one.

    Args:
        paired: whether x_i and y_i were generated for the same prompt, so that they are left out together (N = M).
    """
    if paired:
        without = [frechet_distance(a, b) for a, b in zip(_each_left_out(x), _each_left_out(y), strict=True)]
        variance = jackknife(without)
    else:
        variance = jackknife([frechet_distance(a, y) for a in _each_left_out(x)])
        variance += jackknife([frechet_distance(x, b) for b in _each_left_out(y)])
    low, high = normal(frechet_distance(x, y), variance)
    return max(0.0, low), high


def _each_left_out(features: np.ndarray) -> list[np.ndarray]:
    """The features without each of so many groups of neighbours, as equal in size as can be."""
    groups = np.array_split(np.arange(len(features)), min(GROUPS, len(features)))
    return [np.delete(features, group, 0) for group in groups]


def _moments(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (D,) and covariance (D, D)."""
    features = np.asarray(features, np.float64)
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(f"A Fréchet distance needs features (N, D) of two images or more, not {features.shape}.")
    return features.mean(0), np.atleast_2d(np.cov(features, rowvar=False))


def _trace_of_root(S_x: np.ndarray, S_y: np.ndarray) -> float:
    """tr (S_x S_y)^½, as the sum of the singular values of S_x^½ S_y^½, which needs no root of a product.

    A product of covariances is not symmetric, and with fewer images than features it is singular: general matrix
    square roots then give complex numbers or none.
    """
    return float(np.linalg.svd(_root(S_x) @ _root(S_y), compute_uv=False).sum())


def _root(S: np.ndarray) -> np.ndarray:
    """The symmetric square root of a covariance."""
    values, vectors = np.linalg.eigh(S)
    return (vectors * np.sqrt(values.clip(0))) @ vectors.T  # rounding makes small eigenvalues negative

"""Fréchet distance of two sets of features: how far apart two normal distributions with their moments are."""

from __future__ import annotations

import numpy as np


def frechet_distance(x: np.ndarray, y: np.ndarray) -> float:
    """FID (Heusel et al. 2017): |m_x - m_y|² + tr(S_x + S_y - 2 (S_x S_y)^½), for features (N, D) and (M, D)."""
    (m_x, S_x), (m_y, S_y) = _moments(x), _moments(y)
    squares = np.square(m_x - m_y).sum() + np.trace(S_x) + np.trace(S_y) - 2 * _trace_of_root(S_x, S_y)
    return max(0.0, float(squares))  # of equal sets, rounding leaves a hair of either sign


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

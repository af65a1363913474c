"""How far a figure may be off, given how many images it was made from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LEVEL = 0.95

Interval = tuple[float, float]


def mean(values: Sequence[float]) -> Interval | None:
    """The interval of a mean by Student's t, which holds for few values too; none for a single value."""
    from scipy.stats import t

    if len(values) < 2:
        return None
    found = np.asarray(values, np.float64)
    half = float(t.ppf((1 + LEVEL) / 2, len(found) - 1) * found.std(ddof=1) / len(found) ** 0.5)
    return float(found.mean()) - half, float(found.mean()) + half


def median(values: Sequence[float]) -> Interval | None:
    """The interval of a median, between two of the values in order, whatever their distribution; none below six."""
    from scipy.stats import quantile_test

    if len(values) < 2:
        return None
    interval = quantile_test(np.asarray(values, np.float64), p=0.5).confidence_interval(LEVEL)
    low, high = float(interval.low), float(interval.high)
    return None if np.isnan(low) or np.isnan(high) else (low, high)


def proportion(right: int, of: int) -> Interval:
    """The interval of a proportion (Wilson 1927), which a bootstrap does not have where all or none are right."""
    from scipy.stats import binomtest

    interval = binomtest(right, of).proportion_ci(LEVEL, method="wilson")
    return float(interval.low), float(interval.high)


def normal(value: float, variance: float) -> Interval:
    """The interval of an estimate whose variance is known."""
    from scipy.stats import norm

    half = float(norm.ppf((1 + LEVEL) / 2)) * variance**0.5
    return value - half, value + half


def jackknife(left_out: Sequence[float] | np.ndarray) -> float:
    """Variance of a statistic from its values with one image, pair or group left out (Efron & Stein 1981)."""
    values, n = np.asarray(left_out, np.float64), len(left_out)
    return float((n - 1) / n * np.square(values - values.mean()).sum())

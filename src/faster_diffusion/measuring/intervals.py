"""How far a figure may be off, given how many images it was made from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

LEVEL = 0.95
RESAMPLES = 2000

Interval = tuple[float, float]


def bootstrap(values: Sequence[float], statistic: Callable[..., np.ndarray] = np.mean) -> Interval | None:
    """The percentile interval of a statistic over resampled values (Efron 1979); none for a single value.

    Seeded, so that the same values have the same interval.
    """
    from scipy.stats import bootstrap as resampled

    if len(values) < 2:
        return None
    result = resampled(
        (np.asarray(values, np.float64),),
        statistic,
        n_resamples=RESAMPLES,
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


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

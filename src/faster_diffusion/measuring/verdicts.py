"""Whether figures of the same prompts differ by more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log2

import numpy as np

from .intervals import LEVEL

_FLIPS = 19_999  # beyond so many ways to flip signs, as many random ones


def chance(differences: Sequence[float]) -> float:
    """How often chance alone would make the mean of paired differences as large as it is (two-sided).

    By flipping signs (Fisher 1935): holds for any number of differences, whatever their distribution, as long as it is
    symmetric where nothing differs. Seeded.
    """
    from scipy.stats import permutation_test

    found = np.asarray(differences, np.float64)
    if len(found) < 2 or not found.any():
        return 1.0
    flipped = permutation_test(
        (found,),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=_FLIPS,
        rng=np.random.default_rng(0),
    )
    return float(flipped.pvalue)


def beyond_chance(probabilities: Sequence[float]) -> list[bool]:
    """Which of several differences are more than chance, all judged at once (Holm 1979): in 95 of 100 such tables in
    which nothing differs, none is."""
    order = sorted(range(len(probabilities)), key=lambda number: probabilities[number])
    found = [False] * len(probabilities)
    for rank, number in enumerate(order):
        if probabilities[number] > (1 - LEVEL) / (len(order) - rank):
            break
        found[number] = True
    return found


def fewest(comparisons: int) -> int:
    """The prompts below which no difference can be more than chance, where so many are judged at once."""
    return ceil(log2(2 * max(comparisons, 1) / (1 - LEVEL)))

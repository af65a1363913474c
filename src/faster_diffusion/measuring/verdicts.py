"""Whether figures of the same prompts differ by more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log2

import numpy as np

from .intervals import LEVEL

FEWEST = 6  # figures below which there is no verdict: flipped signs of five are never beyond chance

_FLIPS = 19_999  # beyond so many ways to flip signs, as many random ones
_FLIPS_AT_ONCE = 2_000  # of many figures together


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


def surely(figures: Sequence[Sequence[float]]) -> list[float] | None:
    """What several means surely are at least, whichever of them is chosen afterwards; none below six figures each.

    In 95 of 100 tables all means lie above these ends. The statistic is Student's; how far the largest of so many
    comes by chance, where what is hard for one is hard for all, is seen by flipping the signs of all residuals of a
    prompt together (Westfall & Young 1993), scaled so that a single mean has the one-sided interval of the textbooks.

    Args:
        figures: of each mean as many, of the same prompts.
    """
    from scipy.stats import t

    table = np.asarray(figures, np.float64)
    if not table.size or table.shape[1] < FEWEST:
        return None
    count = table.shape[1]
    means, errors = table.mean(1), table.std(1, ddof=1) / count**0.5
    residuals = table - means[:, None]
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (count, _FLIPS_AT_ONCE))
    flipped = residuals @ signs / count
    variances = (np.square(residuals).sum(1, keepdims=True) - count * np.square(flipped)) / (count - 1)
    statistics = np.divide(flipped, np.sqrt(variances / count), out=np.zeros_like(flipped), where=variances > 0)
    single = float(t.ppf(LEVEL, count - 1))
    usual, largest = (float(np.quantile(each, LEVEL)) for each in (statistics, statistics.max(0)))
    reach = single * max(1.0, largest / usual) if usual > 0 else single
    return [float(end) for end in means - reach * errors]

"""Where the steps of a corrected run are best: dynamic programming over what a run of many steps showed.

A corrected step leads to a combination of the latent, what the network says of it, and what it said the step before:
see `options.correction`. So what a step from one timestep to another must miss, with a third before it, is the
distance of a latent from the span of such things, all known from the long run: no network is called. The best steps are
those whose misses, weighed by what they do to the image, have the least sum of squares.

What a miss does to the image depends on the network. If images were Gaussian, of spread c, the sampler would carry it
on from a latent of signal alpha and noise sigma by c / sqrt(alpha^2 c^2 + sigma^2). The spread that counts is that of
what is undecided still. It is not known, but half of that of all does well: trying several, and taking what is best on
eight prompts, is no better and costs as many runs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..models.spacing import PowerLaw
from .following import Followed
from .placement import cheapest, inner_products, signals

SPREAD = 0.5  # of latents whose own is about 1

_RHOS = (2.5, 3.0, 4.0)
_RIDGE = 1e-6  # of a combination's size, in units of its vectors: some say nearly the same
_TINY = 1e-30


def places(long: Followed, scheduler: Any, count: int, rows: int) -> dict[str, tuple[float, ...]]:
    """Where ``count`` steps may be, by what to call it: those of `best_steps`, and three power laws of noise levels.

    `best_steps` knows what a corrected step of first order must miss. For a solver that remembers steps, and where
    errors do not add up, a power law may be better; that takes a run to see.

    Raises:
        ValueError: see `best_steps`.
    """
    laws = map(PowerLaw, _RHOS)
    even = {f"the levels of {law}": law.timesteps(scheduler, count) for law in laws}
    different = {name: timesteps for name, timesteps in even.items() if len(set(timesteps)) == count}
    return {"the steps of least error": best_steps(long, scheduler, count, rows), **different}


def best_steps(long: Followed, scheduler: Any, count: int, rows: int) -> tuple[float, ...]:
    """The timesteps of ``count`` steps, of those of a run of many that was listened to.

    Args:
        scheduler: its noise is that of the model.
        rows: how many of the images are looked at, the first ones.

    Raises:
        ValueError: the run has too few steps, or the noise of ``scheduler`` is not known by ``alphas_cumprod``.
    """
    n = len(long.path.times)
    if count > n:
        raise ValueError(f"{count} steps cannot be chosen from a run of {n}.")
    signal = np.append(signals(scheduler, long.path.times), 1.0)  # alpha^2
    weight = SPREAD**2 / (signal * SPREAD**2 + 1 - signal)
    chosen = cheapest(_misses(_inner_products(long, rows)) * weight, [count])[count]
    return tuple(long.path.times[step] for step in chosen)


def _inner_products(long: Followed, rows: int) -> np.ndarray:
    """(3 n + 1, 3 n + 1): of the latents, the last one too, of predictions, and of guidance."""
    said = [each[..., part] for part in (0, 1) for each in long.said]
    products = [inner_products([vector[row] for vector in (*long.path.latents, *said)]) for row in range(rows)]
    return np.mean(products, axis=0)


def _misses(gram: np.ndarray) -> np.ndarray:
    """(n, n, n + 1): the square of what a step from i to j misses, with h before it; h = i where there is none."""
    n = len(gram) // 3
    misses = np.full((n, n, n + 1), np.inf)
    for i in range(n):
        before, here = np.arange(i), [i, n + 1 + i, 2 * n + 1 + i]
        span = np.array([here]) if not i else np.array([[*here, n + 1 + h, 2 * n + 1 + h] for h in before])
        size = np.sqrt(np.maximum(gram[span, span], _TINY))  # (h, m)
        normal = gram[span[:, :, None], span[:, None, :]] / (size[:, :, None] * size[:, None, :])
        target = gram[span][:, :, i + 1 : n + 1] / size[:, :, None]  # (h, m, j)
        explained = (np.linalg.solve(normal + _RIDGE * np.eye(span.shape[1]), target) * target).sum(1)
        misses[before if i else [0], i, i + 1 :] = np.maximum(gram.diagonal()[i + 1 : n + 1] - explained, 0.0)
    return misses

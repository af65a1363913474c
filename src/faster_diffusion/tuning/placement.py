"""Where a given number of key steps is best, if predictions between them are extrapolated: dynamic programming.

With y = x / alpha and the noise-to-signal ratio r = sigma / alpha, a deterministic sampler integrates dy = eps dr
(DDIM's own variables, Eq. 14 of arXiv 2010.02502). An error of the prediction at step i so moves the final image by
(r_i - r_(i+1)) times that error, up to how the network answers to it. What a segment between two key steps does to the
image is the sum of these over its steps, known from the predictions of one full run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from .stepping import stepping


@contextmanager
def recorded(scheduler: Any) -> Iterator[list[torch.Tensor]]:
    """Within it, what ``scheduler`` is given at every step is kept: predictions, guidance done, (B, C, H, W) each."""
    predictions: list[torch.Tensor] = []

    def record(step: Callable[..., Any], model_output: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        predictions.append(model_output.detach().float().cpu())
        return step(model_output, *args, **kwargs)

    with stepping(scheduler, record):
        yield predictions


def inner_products(predictions: Sequence[torch.Tensor]) -> np.ndarray:
    """Of the predictions of all steps, or of other tensors of one shape, (n, n), by element."""
    flat = torch.stack([prediction.flatten() for prediction in predictions]).double()
    return (flat @ flat.T / flat.shape[1]).numpy()


def signals(scheduler: Any, timesteps: Sequence[float]) -> np.ndarray:
    """alpha^2 at timesteps, the fraction of the image's variance in a latent there, (n,).

    Raises:
        ValueError: the noise schedule of ``scheduler`` is not known by ``alphas_cumprod``.
    """
    alphas_cumprod = getattr(scheduler, "alphas_cumprod", None)
    if alphas_cumprod is None:
        raise ValueError(f"{type(scheduler).__name__} has no alphas_cumprod.")
    table = np.asarray(alphas_cumprod, np.float64)
    return np.interp(np.asarray(timesteps, np.float64), np.arange(len(table)), table)


def influences(scheduler: Any) -> np.ndarray:
    """How far an error of the prediction at each step moves the final image, (n,), for a scheduler with its steps set.

    Raises:
        ValueError: its noise schedule is not known by ``alphas_cumprod``.
    """
    signal = signals(scheduler, scheduler.timesteps.tolist())
    alpha, sigma = np.sqrt(signal), np.sqrt(1 - signal)
    ratio = sigma / np.maximum(alpha, 1e-12)
    # An error of noise counts as often as the ratio falls. Of another prediction, both ratios times a factor: where no
    # signal is left, the first one is endless, and their product is not.
    ratios = {"v_prediction": (sigma, alpha), "sample": (np.ones_like(sigma), alpha / np.maximum(sigma, 1e-12))}
    here, factor = ratios.get(scheduler.config.get("prediction_type", "epsilon"), (ratio, np.ones_like(sigma)))
    return here - factor * np.append(ratio[1:], 0.0)


def least_moving_keys(gram: np.ndarray, influence: np.ndarray, budgets: Sequence[int]) -> dict[int, tuple[int, ...]]:
    """For each number of key steps, those that move the image least if the rest is extrapolated linearly.

    The state is the last two key steps (a, b): reaching (b, c) costs what the steps between b and c do, extrapolated
    from a and b. The second step is copied from the first, as there is nothing to extrapolate from yet.

    Args:
        gram: (n, n) inner products of the predictions of a full run.
        influence: (n,) what an error at each step counts for.
        budgets: numbers of key steps, each at most n.
    """
    return cheapest(_segments(gram, influence), budgets)


def cheapest(costs: np.ndarray, counts: Sequence[int]) -> dict[int, tuple[int, ...]]:
    """For each count, as many of n steps, 0 among them, that have the least sum of costs. O(k n^3).

    Args:
        costs: (n, n, n + 1) of going from b to c, with a before b; n is the end, and a = b where none is before.
        counts: each at most n.
    """
    n = costs.shape[1]
    best = np.full((n, n + 1), np.inf)  # over (last, next), with the first one alone before
    best[0] = costs[0, 0]
    origins: list[np.ndarray] = []
    found: dict[int, tuple[int, ...]] = {1: (0,)} if 1 in counts else {}
    for count in range(2, max(counts, default=0) + 1):
        total = best[:, :n, None] + costs  # (a, b, c); b is the count-th
        origins.append(total.argmin(axis=0))
        best = total.min(axis=0)
        if count in counts:
            last = int(best[:, n].argmin())
            found[count] = _traced(origins, last, n)
    return found


def _traced(origins: Sequence[np.ndarray], last: int, n: int) -> tuple[int, ...]:
    chosen, following = [last], n
    for origin in reversed(origins):
        before = int(origin[chosen[0], following])
        following = chosen[0]
        chosen.insert(0, before)
    return tuple(chosen)


def _segments(gram: np.ndarray, influence: np.ndarray) -> np.ndarray:
    """(a, b, c): how far the steps between keys b and c move the image, extrapolated from a and b; a = b: copied.

    The error of the segment is S - u p_b - v p_a, with S the sum of influence times prediction over its steps, v and u
    the sums of influence times Lagrange's weights of a and b.
    """
    n = len(gram)
    costs = np.full((n, n, n + 1), np.inf)
    sums = np.zeros((n + 1, n))  # row j: the steps before j
    sums[1:] = np.tril(np.broadcast_to(influence, (n, n)))
    moment = np.append(0.0, np.cumsum(influence * np.arange(n)))
    weight = np.append(0.0, np.cumsum(influence))
    with_sums = sums @ gram  # (n + 1, n): sum with prediction
    square = with_sums @ sums.T  # (n + 1, n + 1)
    for b in range(n):
        c = np.arange(b + 1, n + 1)
        total = weight[c] - weight[b + 1]
        reach = moment[c] - moment[b + 1] - b * total  # sum of influence times distance from b
        norm = square[c, c] - 2 * square[c, b + 1] + square[b + 1, b + 1]
        with_b = with_sums[c, b] - with_sums[b + 1, b]
        for a in range(b + 1):
            v = -reach / (b - a) if a < b else np.zeros(len(c))
            u = total - v
            with_a = with_sums[c, a] - with_sums[b + 1, a]
            error = norm + u * u * gram[b, b] + v * v * gram[a, a] - 2 * u * with_b - 2 * v * with_a
            costs[a, b, b + 1 :] = np.sqrt(np.maximum(error + 2 * u * v * gram[a, b], 0.0))
    for b in range(1, n):
        costs[b, b] = np.inf  # only the first key step has none before it
    return costs

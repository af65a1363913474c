"""Which tokens of the source prompt the tokens of an edited prompt take their attention maps from.

An alignment is a matrix A of shape (length, length): with M the source's maps, shape (positions, length), the maps for
the edited prompt are M A. A column of zeros says that a token has no counterpart. Sec. 3.2 of arXiv 2208.01626.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch


def swapped(source: Sequence[int], target: Sequence[int], length: int) -> torch.Tensor:
    """Word swap: the n-th word takes the place of the n-th word, whatever the number of their tokens.

    Words of equally many tokens exchange them one to one. Otherwise each token of the new word gets an equal part of
    what the tokens of the old word received together. So no attention is lost or gained: every row of A sums to 1.

    Args:
        source: how many tokens each word of the source prompt has.
        target: the same for the edited prompt, which has as many words.
        length: tokens of a padded prompt, with the start token before and the end token after the words.

    Returns:
        A, float32 (length, length).

    Raises:
        ValueError: the words do not fit ``length``.
    """
    tails = [length - 1 - sum(counts) for counts in (source, target)]  # the end token and padding
    if min(tails) < 1:
        raise ValueError(f"The words have more tokens than fit a prompt of {length}.")
    one_to_one = min(tails) - 1
    surplus = (tails[0] - one_to_one, tails[1] - one_to_one)  # 1 and n: of the longer tail, all that is over
    counterparts = [(1, 1), *zip(source, target, strict=True), *[(1, 1)] * one_to_one, surplus]
    alignment = torch.zeros(length, length)
    row = column = 0
    for olds, news in counterparts:
        block = torch.eye(olds) if olds == news else torch.full((olds, news), 1 / news)
        alignment[row : row + olds, column : column + news] = block
        row, column = row + olds, column + news
    return alignment


def refined(source: Sequence[int], target: Sequence[int], length: int) -> torch.Tensor:
    """Adding a phrase: tokens that both prompts have correspond, new ones have no counterpart. Padding corresponds too.

    Args:
        source: token ids of the source prompt, from the start token to the end token.
        target: those of the edited prompt.
        length: tokens of a padded prompt.

    Returns:
        A, float32 (length, length).
    """
    padding = zip(range(len(source), length), range(len(target), length), strict=False)
    alignment = torch.zeros(length, length)
    for i, j in [*common(source, target), *padding]:
        alignment[i, j] = 1
    return alignment


def common(source: Sequence[int], target: Sequence[int]) -> list[tuple[int, int]]:
    """The longest common subsequence, as pairs of positions in either."""
    n, m = len(source), len(target)
    longest = [[0] * (m + 1) for _ in range(n + 1)]  # of source[i:] and target[j:]
    for i in reversed(range(n)):
        for j in reversed(range(m)):
            skipping = max(longest[i + 1][j], longest[i][j + 1])
            longest[i][j] = longest[i + 1][j + 1] + 1 if source[i] == target[j] else skipping
    pairs, i, j = [], 0, 0
    while i < n and j < m:
        if source[i] == target[j]:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif longest[i + 1][j] >= longest[i][j + 1]:
            i += 1
        else:
            j += 1
    return pairs

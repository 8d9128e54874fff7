"""The paired test: if two models are alike, each group's difference might as well have the other sign."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from vidsal.loaders.errors import WrongUse

from .inputs import Floats, Groups, check_count, column_of, sums
from .resamples import random_bits

EXACT_UP_TO = 20
"""Most groups for which all signs are tried."""

DRAWS = 100_000

_SAME = 1e-12
"""Sums that differ by less, as a share of the sum of the sizes, are a tie."""


def sign_flip_test(differences: ArrayLike, groups: Groups, *, seed: int = 0, draws: int = DRAWS) -> float:
    """Two-sided p of a mean difference over stimuli, by flipping the signs of whole groups.

    It holds for any distribution of differences that is symmetric about 0 when the models are alike. Ties with what was
    observed count. Up to 20 groups every combination of signs is tried: p is the share of those whose mean is at least
    as far from 0. Beyond that signs are drawn: p = (1 + k) / (1 + draws), k being the number of such draws.

    Args:
        differences: one a stimulus, shape (stimuli,); one that is NaN is left out.
        groups: the group of each stimulus.
        seed: equal seeds draw equal signs.
        draws: how many.

    Returns:
        From `smallest_p` to 1.

    Raises:
        WrongUse: a value is infinite, no stimulus has one, lengths differ, a number is out of its range.

    >>> sign_flip_test([1.0, 2.0, 3.0], ["a", "b", "c"])
    0.25
    """
    check_count("draws", draws)
    check_count("seed", seed, 0)
    total, _ = sums(*column_of(differences, groups))
    if not len(total):
        raise WrongUse("no stimulus has a difference: nothing to test")
    return float(sign_flip_p(total[:, None], seed, draws)[0])


def sign_flip_p(totals: Floats, seed: int, draws: int) -> Floats:
    """Return the p of each column of (groups, columns): sums of the differences of each group."""
    observed = np.abs(totals.sum(axis=0))
    sizes = np.abs(totals).sum(axis=0)
    least = observed - _SAME * sizes
    if len(totals) <= EXACT_UP_TO:
        shares = [np.mean(_all_sizes(column) >= limit) for column, limit in zip(totals.T, least, strict=True)]
        return np.array(shares, dtype=np.float64)
    k = np.zeros(totals.shape[1], dtype=np.int64)
    for bits in random_bits(seed, len(totals), draws):
        k += np.count_nonzero(np.abs(2 * (bits @ totals) - totals.sum(axis=0)) >= least, axis=0)
    drawn: Floats = (1 + k) / (1 + draws)
    return drawn


def _all_sizes(total: Floats) -> Floats:
    """Return the size of the sum for all signs of all groups but the first, whose sign changes no size."""
    found = total[:1]
    for value in total[1:]:
        found = np.concatenate([found + value, found - value])
    sizes: Floats = np.abs(found)
    return sizes


def smallest_p(groups: int, draws: int = DRAWS) -> float:
    """Return the smallest p that the test can reach with so many groups, however large the difference.

    >>> smallest_p(4), smallest_p(6)
    (0.125, 0.03125)
    """
    if groups <= EXACT_UP_TO:
        return 2.0 ** (1 - max(groups, 1))
    return 1 / (1 + draws)

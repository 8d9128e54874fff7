"""Two models on the same stimuli: their difference, its interval and its p."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from vidsal.loaders.errors import WrongUse

from .inputs import Groups, check_count, column_of, columns_of, dropped, sums
from .intervals import RESAMPLES, intervals
from .sign_flips import DRAWS, sign_flip_p, smallest_p

LEVEL = 0.05
"""A p above it is no evidence; the note of few groups names it."""


@dataclass(frozen=True)
class Difference:
    """The mean difference of two models, first minus second.

    Attributes:
        mean: over the stimuli for which both have a value; None without any.
        low, high: its interval; None where there are too few groups.
        p: of the sign-flip test; None without any stimulus.
        stimuli, groups: how many of them.
        note: what few stimuli do not allow to say.
    """

    mean: float | None
    low: float | None
    high: float | None
    p: float | None
    stimuli: int
    groups: int
    note: str | None


def paired_difference(
    first: ArrayLike,
    second: ArrayLike,
    groups: Groups,
    *,
    resamples: int = RESAMPLES,
    draws: int = DRAWS,
    seed: int = 0,
    level: float = 0.95,
) -> Difference:
    """Compare two models on the same stimuli.

    Args:
        first, second: one value a stimulus, in the same order; a stimulus for which one is NaN is left out.
        groups: the group of each stimulus.
        resamples, draws, seed, level: see `cluster_bootstrap` and `sign_flip_test`.

    Raises:
        WrongUse: a value is infinite, lengths differ, a number is out of its range.
    """
    if np.shape(first) != np.shape(second):
        raise WrongUse(f"{np.size(first)} values of one model and {np.size(second)} of the other; they are pairs")
    column_of(first, groups)
    column_of(second, groups)
    values = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    return paired_differences(values, groups, resamples=resamples, draws=draws, seed=seed, level=level)[0]


def paired_differences(
    differences: ArrayLike,
    groups: Groups,
    *,
    resamples: int = RESAMPLES,
    draws: int = DRAWS,
    seed: int = 0,
    level: float = 0.95,
) -> list[Difference]:
    """Test many differences at once, as `paired_difference` does each; those with values for the same number of groups
    share their draws.

    Args:
        differences: first minus second, shape (stimuli,) or (stimuli, columns); NaN where one of both has no value.
        groups, resamples, draws, seed, level: as there.

    Returns:
        One for each column.

    Raises:
        WrongUse: a value is infinite, lengths differ, a number is out of its range.
    """
    check_count("draws", draws)
    found, numbers = columns_of(differences, groups)
    told = intervals(found, groups, resamples=resamples, seed=seed, level=level)
    totals = [sums(*dropped(column, numbers))[0] for column in found.T]
    p: dict[int, float] = {}
    for size in {len(total) for total in totals} - {0}:
        among = [k for k, total in enumerate(totals) if len(total) == size]
        tested = sign_flip_p(np.column_stack([totals[k] for k in among]), check_count("seed", seed, 0), draws)
        p |= dict(zip(among, map(float, tested), strict=True))
    return [
        Difference(None, None, None, None, 0, 0, t.note)
        if k not in p
        else Difference(
            float(np.nanmean(column)), t.low, t.high, p[k], t.stimuli, t.groups, _note(t.note, t.groups, draws)
        )
        for k, (column, t) in enumerate(zip(found.T, told, strict=True))
    ]


def _note(note: str | None, groups: int, draws: int) -> str | None:
    best = smallest_p(groups, draws)
    reach = f"with {groups} of them the test cannot reach a p below {best:g}" if best > LEVEL else None
    return "; ".join(text for text in (note, reach) if text) or None

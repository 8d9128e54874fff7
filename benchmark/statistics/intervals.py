"""The interval of a mean over stimuli: groups are drawn again, and BCa corrects bias, skew and few groups.

Efron, Better bootstrap confidence intervals, JASA 82 (1987); the wider level for few groups is that of Hesterberg, What
teachers should know about the bootstrap, The American Statistician 69 (2015). docs/statistics.md compares it with the
percentile interval by simulation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from .inputs import Floats, Groups, Ints, check_count, check_level, column_of, columns_of, dropped, sums
from .resamples import resample_counts

FEWEST_GROUPS = 5
"""With fewer groups a resample is one of a handful, and no interval keeps its level."""

RESAMPLES = 10_000


@dataclass(frozen=True)
class Interval:
    """Where the mean of other stimuli of the same kind would lie.

    Attributes:
        low, high: ends; None where nothing can be said.
        note: why there is none.
        stimuli, groups: how many have a value.
    """

    low: float | None
    high: float | None
    note: str | None
    stimuli: int
    groups: int


def cluster_bootstrap(
    values: ArrayLike, groups: Groups, *, resamples: int = RESAMPLES, seed: int = 0, level: float = 0.95
) -> tuple[float | None, float | None]:
    """Interval of the mean over stimuli, from drawing whole groups of stimuli again.

    Args:
        values: one a stimulus, shape (stimuli,); one that is NaN has no value and is left out.
        groups: the group of each stimulus.
        resamples: how many are drawn.
        seed: equal seeds draw equal resamples.
        level: share of such intervals that hold the true mean.

    Returns:
        Both ends; (None, None) where fewer than five groups have a value: `intervals` says so in words.

    Raises:
        WrongUse: a value is infinite, lengths differ, a number is out of its range.

    >>> cluster_bootstrap([1.0, 2.0, 3.0], ["a", "b", "c"])
    (None, None)
    """
    column_of(values, groups)
    found = intervals(values, groups, resamples=resamples, seed=seed, level=level)[0]
    return found.low, found.high


def intervals(
    values: ArrayLike, groups: Groups, *, resamples: int = RESAMPLES, seed: int = 0, level: float = 0.95
) -> list[Interval]:
    """Intervals of the means of several columns, from the same resamples; see `cluster_bootstrap`.

    Args:
        values: shape (stimuli, columns). Columns with values for the same groups share their resamples.
        groups, resamples, seed, level: as there.

    Returns:
        One for each column.
    """
    check_level(level)
    check_count("resamples", resamples)
    found, numbers = columns_of(values, groups)
    columns = [dropped(column, numbers) for column in found.T]
    out: list[Interval | None] = [_impossible(*column) for column in columns]
    sizes = {k: int(columns[k][1].max()) + 1 for k, interval in enumerate(out) if interval is None}
    for size in set(sizes.values()):
        among = [k for k in sizes if sizes[k] == size]
        totals = [sums(*columns[k]) for k in among]
        means = resampled_means(totals, resamples, seed)
        for k, (total, count), mean in zip(among, totals, means.T, strict=True):
            low, high = bca(total.sum() / count.sum(), mean, left_one_out(total, count), level)
            out[k] = Interval(low, high, None, len(columns[k][0]), size)
    return [interval for interval in out if interval is not None]


def _impossible(values: Floats, numbers: Ints) -> Interval | None:
    """The empty interval of a column with too few groups; None for another."""
    groups = int(numbers.max(initial=-1)) + 1
    if groups >= FEWEST_GROUPS:
        return None
    return Interval(None, None, too_few(groups), len(values), groups)


def too_few(groups: int) -> str:
    """Say why there is no interval."""
    if not groups:
        return "no stimulus has a value"
    return f"{groups} group{'s' if groups > 1 else ''} of stimuli; an interval needs at least {FEWEST_GROUPS}"


def resampled_means(totals: list[tuple[Floats, Floats]], resamples: int, seed: int) -> Floats:
    """Return the means of resamples.

    Args:
        totals: for each column the sums of its groups and their numbers of stimuli, all of the same length.
        resamples, seed: as in `cluster_bootstrap`.

    Returns:
        Shape (resamples, columns).
    """
    counts = {count.tobytes(): count for _, count in totals}  # mostly one: every column has every stimulus
    which = [list(counts).index(count.tobytes()) for _, count in totals]
    both = np.column_stack([total for total, _ in totals] + list(counts.values()))
    parts = [drawn @ both for drawn in resample_counts(seed, len(both), resamples)]
    stacked = np.concatenate(parts).T
    means: Floats = stacked[: len(totals)] / stacked[len(totals) :][which]
    return means.T


def left_one_out(total: Floats, count: Floats) -> Floats:
    """Return the means without each group in turn."""
    rest: Floats = (total.sum() - total) / (count.sum() - count)
    return rest


def bca(estimate: float, resampled: Floats, without: Floats, level: float) -> tuple[float, float]:
    """Return both ends of an interval that is corrected for bias, acceleration and few groups.

    Args:
        estimate: of all groups.
        resampled: of each resample.
        without: without each group in turn.
        level: as in `cluster_bootstrap`.
    """
    from scipy.special import ndtr, ndtri

    groups = len(without)
    near = 1e-12 * max(abs(estimate), float(np.abs(resampled).max()))
    below = np.count_nonzero(resampled < estimate - near) + 0.5 * np.count_nonzero(np.abs(resampled - estimate) <= near)
    bias = ndtri(np.clip(below, 0.5, len(resampled) - 0.5) / len(resampled))
    lean = without.mean() - without
    spread = float((lean**2).sum())
    acceleration = float((lean**3).sum()) / (6 * spread**1.5) if spread > near**2 * groups else 0.0
    wide = wide_quantile(groups, level)
    shifted = bias + np.array([-wide, wide])
    room = 1 - acceleration * shifted
    shares = np.where(room > 0, ndtr(bias + shifted / np.where(room > 0, room, 1.0)), shifted > 0)
    low, high = np.quantile(resampled, np.sort(shares))
    return float(low), float(high)


@cache
def wide_quantile(groups: int, level: float) -> float:
    """Return how many standard deviations of the resampled means an interval reaches to either side.

    Resampled means spread too little by the root of (groups - 1) / groups, and few groups know their spread badly, for
    which normal theory has Student's t.
    """
    from scipy.special import stdtrit

    return float(stdtrit(groups - 1, 0.5 + level / 2) * np.sqrt(groups / (groups - 1)))

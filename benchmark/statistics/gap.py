"""How much of the way from the center prior to people a model goes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from vidsal.loaders.errors import WrongUse

from .inputs import Floats, Groups, check_count, check_level, columns_of, sums
from .intervals import FEWEST_GROUPS, RESAMPLES, bca, left_one_out, resampled_means, too_few


@dataclass(frozen=True)
class Share:
    """A share of the gap: 0 is the center prior, 1 are people; below and above are possible.

    Attributes:
        value: None where there is no gap.
        low, high: its interval; None where nothing can be said.
        note: why something is None.
        stimuli: on how many all three have a value.
    """

    value: float | None
    low: float | None
    high: float | None
    note: str | None
    stimuli: int


def gap_share(
    model: ArrayLike,
    center: ArrayLike,
    human: ArrayLike,
    groups: Groups,
    *,
    higher_is_better: bool = True,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> Share:
    """Return (model - center) / (human - center), of the means over the stimuli that all three have.

    Args:
        model, center, human: one value a stimulus; NaN where there is none.
        groups: the group of each stimulus.
        higher_is_better: direction of the metric.
        resamples, seed, level: see `cluster_bootstrap`; all three share the resamples.

    Raises:
        WrongUse: a value is infinite, lengths differ, a number is out of its range.
    """
    check_level(level)
    check_count("resamples", resamples)
    shapes = {np.shape(v) for v in (model, center, human)}
    if len(shapes) > 1:
        raise WrongUse(f"model, center prior and people have values of shapes {sorted(shapes)}; they are compared")
    found, numbers = columns_of(np.column_stack([np.asarray(v, float) for v in (model, center, human)]), groups)
    here = ~np.isnan(found).any(axis=1)
    found, numbers = found[here], np.unique(numbers[here], return_inverse=True)[1].astype(np.int64)
    if not len(found):
        return Share(None, None, None, "no stimulus has a value of all three", 0)
    means = found.mean(axis=0)
    if not gap_of(means, higher_is_better) > 0:
        return Share(None, None, None, "people are not better than the center prior", len(found))
    value = float(share_of(means))
    totals = [sums(column, numbers) for column in found.T]
    size = len(totals[0][0])
    if size < FEWEST_GROUPS:
        return Share(value, None, None, too_few(size), len(found))
    resampled = resampled_means(totals, resamples, seed)
    without = np.column_stack([left_one_out(*total) for total in totals])
    gap = [gap_of(v, higher_is_better) for v in (means, resampled, without)]
    if bca(float(gap[0]), gap[1], gap[2], level)[0] <= 0 or (gap[1] <= 0).any():
        return Share(value, None, None, "the gap itself may be 0: its share has no interval", len(found))
    low, high = bca(value, share_of(resampled), share_of(without), level)
    return Share(value, low, high, None, len(found))


def gap_of(means: Floats, higher_is_better: bool) -> Floats:
    """Return how much better people are than the center prior; means of model, center prior, people, shape (..., 3)."""
    gap: Floats = means[..., 2] - means[..., 1]
    return gap if higher_is_better else -gap


def share_of(means: Floats) -> Floats:
    """Return the share of the gap that a model closes; means of model, center prior, people, shape (..., 3)."""
    share: Floats = (means[..., 0] - means[..., 1]) / (means[..., 2] - means[..., 1])
    return share

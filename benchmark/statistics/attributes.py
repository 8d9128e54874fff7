"""Scores of the stimuli that share an attribute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from vidsal.loaders.errors import WrongUse

from .inputs import Groups, columns_of
from .intervals import RESAMPLES, Interval, intervals


@dataclass(frozen=True)
class AttributeScore:
    """The mean over the stimuli with an attribute.

    Attributes:
        mean: None where none of them has a value.
        interval: of the mean.
    """

    mean: float | None
    interval: Interval


def by_attribute(
    values: ArrayLike,
    groups: Groups,
    attributes: Sequence[Sequence[str]],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, list[AttributeScore]]:
    """Return the mean of the stimuli with each attribute; a stimulus with several counts for each.

    Args:
        values: shape (stimuli,) or (stimuli, columns); NaN where a stimulus has no value.
        groups: the group of each stimulus.
        attributes: of each stimulus.
        resamples, seed, level: see `cluster_bootstrap`.

    Returns:
        One score for each column, by attribute in alphabetical order.

    Raises:
        WrongUse: a value is infinite, lengths differ, a number is out of its range.
    """
    found, numbers = columns_of(values, groups)
    if len(attributes) != len(found):
        raise WrongUse(f"{len(found)} values and {len(attributes)} lists of attributes; each stimulus has one of both")
    out = {}
    for name in sorted({name for of_one in attributes for name in of_one}):
        rows = np.array([name in of_one for of_one in attributes])
        told = intervals(found[rows], numbers[rows], resamples=resamples, seed=seed, level=level)
        means = [float(np.nanmean(c)) if i.stimuli else None for c, i in zip(found[rows].T, told, strict=True)]
        out[name] = [AttributeScore(mean, interval) for mean, interval in zip(means, told, strict=True)]
    return out

"""Two models on the same stimuli: their difference, its interval and its p."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from vidsal.loaders.errors import WrongUse

from .inputs import Groups, column_of
from .intervals import RESAMPLES, intervals
from .sign_flips import DRAWS, sign_flip_test, smallest_p

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
    (found,) = intervals(values, groups, resamples=resamples, seed=seed, level=level)
    if not found.stimuli:
        return Difference(None, None, None, None, 0, 0, found.note)
    p = sign_flip_test(values, groups, seed=seed, draws=draws)
    notes = [found.note] if found.note else []
    best = smallest_p(found.groups, draws)
    if best > LEVEL:
        notes.append(f"with {found.groups} of them the test cannot reach a p below {best:g}")
    mean = float(np.nanmean(values))
    return Difference(mean, found.low, found.high, p, found.stimuli, found.groups, "; ".join(notes) or None)

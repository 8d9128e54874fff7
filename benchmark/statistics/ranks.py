"""Ranks with their uncertainty, and groups of models that the stimuli cannot tell apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from vidsal.loaders.errors import WrongUse

from .inputs import Floats, Groups, Ints, check_count, check_level, columns_of, sums
from .intervals import FEWEST_GROUPS, RESAMPLES, resampled_means, wide_quantile
from .multiple import holm
from .sign_flips import DRAWS, sign_flip_p

Scores = ArrayLike | Mapping[str, Sequence[float] | Floats]
"""One row a model, shape (models, stimuli), or the row of each model by its name."""


def rank_intervals(
    scores: Scores,
    groups: Groups,
    *,
    higher_is_better: bool = True,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> list[tuple[int | None, int | None]]:
    """Which ranks each model may have, the best being 1.

    A model ranks behind those that are surely better and before those that are surely worse: whose difference to it on
    the same resamples excludes 0, for all others at once. Ranks that are counted in each resample instead are too sure
    where models are equal.

    Source: Mogstad, Romano, Shaikh & Wilhelm, Inference for ranks, Review of Economic Studies 91 (2024).

    Args:
        scores: as `Scores` says; only stimuli for which all models have a value count.
        groups: the group of each stimulus.
        higher_is_better: direction of the metric.
        resamples, seed, level: see `cluster_bootstrap`; all models share the resamples.

    Returns:
        First and last possible rank of each model, in their order; (None, None) with fewer than five groups.

    Raises:
        WrongUse: a shape or a number is wrong, a value is infinite.
    """
    from scipy.special import ndtr

    check_level(level)
    check_count("resamples", resamples)
    found, numbers = _common(scores, groups)
    models = found.shape[1]
    size = int(numbers.max(initial=-1)) + 1
    if size < FEWEST_GROUPS:
        return [(None, None)] * models
    totals = [sums(column, numbers) for column in found.T]
    means = resampled_means(totals, resamples, seed)
    estimates = found.mean(axis=0) if higher_is_better else -found.mean(axis=0)
    resampled = means if higher_is_better else -means
    share = 1 - 2 * float(ndtr(-wide_quantile(size, level)))
    out: list[tuple[int | None, int | None]] = []
    for k in range(models):
        lead = estimates - estimates[k]  # of the others over this one
        moved = (resampled - resampled[:, k : k + 1]) - lead
        spread = moved.std(axis=0)
        real = spread > 1e-12 * max(1.0, float(np.abs(estimates).max()))
        limit = np.quantile(np.abs(moved[:, real] / spread[real]).max(axis=1), share) if real.any() else 0.0
        sure = np.abs(lead) > np.where(real, limit * spread, 1e-12)
        out.append((1 + int(np.sum(sure & (lead > 0))), models - int(np.sum(sure & (lead < 0)))))
    return out


def indistinguishable(
    scores: Scores,
    groups: Groups,
    *,
    level: float = 0.95,
    draws: int = DRAWS,
    seed: int = 0,
) -> list[tuple[int, ...]]:
    """Return the groups of models that the stimuli do not tell apart.

    Every pair is tested by sign flips, all p-values are corrected by Holm's steps. Two models are in a common group
    exactly where their test says nothing; a model may be in several groups, or alone in one.

    Args:
        scores: as `Scores` says; only stimuli for which all models have a value count.
        groups: the group of each stimulus.
        level: 0.95 calls a corrected p of at most 0.05 a difference.
        draws, seed: see `sign_flip_test`.

    Returns:
        Places of models, ascending; the groups by their first ones.

    Raises:
        WrongUse: as `rank_intervals`; no stimulus has a value of every model.
    """
    check_level(level)
    check_count("draws", draws)
    found, numbers = _common(scores, groups)
    if not len(found):
        raise WrongUse("no stimulus has a value of every model: nothing to compare")
    models = found.shape[1]
    pairs = list(combinations(range(models), 2))
    members = [set(range(models))]
    if pairs:
        totals = np.column_stack([sums(found[:, i] - found[:, j], numbers)[0] for i, j in pairs])
        p = holm(sign_flip_p(totals, check_count("seed", seed, 0), draws))
        for pair in (pair for pair, value in zip(pairs, p, strict=True) if value <= 1 - level + 1e-12):
            members = _split(members, *pair)
    return sorted(tuple(sorted(group)) for group in members)


def _split(members: list[set[int]], one: int, other: int) -> list[set[int]]:
    """Part two models in all groups that hold both; a group within another is none of its own."""
    parted: list[set[int]] = []
    for group in members:
        parted += [group - {one}, group - {other}] if {one, other} <= group else [group]
    unique = {frozenset(group) for group in parted}
    return [set(group) for group in unique if not any(group < other_group for other_group in unique)]


def _common(scores: Scores, groups: Groups) -> tuple[Floats, Ints]:
    """Return the values of the stimuli that all models have, shape (stimuli, models), and the groups' numbers."""
    rows = list(scores.values()) if isinstance(scores, Mapping) else scores
    try:
        table = np.asarray(rows, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise WrongUse(f"scores are no table of numbers (models, stimuli): {error}") from error
    if table.ndim != 2 or not len(table):
        raise WrongUse(f"scores have shape {table.shape}; expected (models, stimuli)")
    found, numbers = columns_of(table.T, groups)
    here = ~np.isnan(found).any(axis=1)
    return found[here], np.unique(numbers[here], return_inverse=True)[1].astype(np.int64)

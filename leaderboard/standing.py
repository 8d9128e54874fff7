"""The order of a board with what it does not know: possible ranks, models not told apart, the gap to people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vidsal.benchmark.evaluation.results.ranking import CENTER, HUMAN
from vidsal.benchmark.statistics import (
    Difference,
    holm,
    indistinguishable,
    paired_differences,
    rank_intervals,
    seed_of,
    smallest_p,
)
from vidsal.benchmark.statistics.gap import gap_of, share_of
from vidsal.benchmark.statistics.inputs import columns_of, sums
from vidsal.benchmark.statistics.intervals import FEWEST_GROUPS, RESAMPLES
from vidsal.benchmark.statistics.paired import LEVEL
from vidsal.benchmark.statistics.sign_flips import sign_flip_p

from .boards import OTHER_TRUTH, Board, Column, Entry
from .collect import Floats, Stimuli

EVERY_PAIR = 24
"""Up to so many models every pair is tested; above, each is tested against its neighbors and the best."""

WITH_THE_BEST = 50
"""Up to so many models each one has a page with the best one, above only with its neighbors."""

FEWER = 2_000
"""Resamples for a long table."""

DRAWS = 20_000
"""Sign flips of a test; a p-value of 0.05 is known to 0.002 by them."""


@dataclass(frozen=True)
class Standing:
    """What a table says beside its means; by the page of a run.

    Attributes:
        places: rank by each metric, by label, from 1; undefined values have none.
        ranks: which ranks each model may have by the metric of the order; empty where the stimuli are too few.
        groups: models that the paired test does not tell apart, each best first; only groups of two and more.
        pairs: True if every pair was tested, else only neighbors and the best.
        shares: how much of the way from the center prior to people each goes, by label; None where there is no gap.
        note: why there are no ranks and groups; None where there are.
        weak: why there are no groups although there are ranks; None where there are.
        ends: which runs are the ends of the way, in words; None where one of them is missing.
    """

    places: Mapping[str, Mapping[str, int]]
    ranks: Mapping[str, tuple[int, int]]
    groups: tuple[tuple[str, ...], ...]
    pairs: bool
    shares: Mapping[str, Mapping[str, float]]
    note: str | None
    weak: str | None
    ends: str | None


def standing(board: Board, stimuli: Mapping[str, Stimuli]) -> Standing:
    """Compute the standing of a board.

    Args:
        board: its models are in the order of its first metric.
        stimuli: the means of each of its runs, by page.
    """
    by = board.sort_column
    models = board.ranked
    values, groups = _values(models, board.columns.index(by), stimuli)
    seed = seed_for(board)
    note = _note(models, values, groups)
    ranks, alike, weak = {}, [], None
    pairs = len(models) <= EVERY_PAIR
    if note is None:
        up, resamples = by.metric.higher_is_better, RESAMPLES if pairs else FEWER
        found = rank_intervals(values, groups, higher_is_better=up, seed=seed, resamples=resamples)
        ranks = {e.page: (a, b) for e, (a, b) in zip(models, found, strict=True) if a and b}
        tests = len(models) * (len(models) - 1) // 2 if pairs else len(neighbors(len(models)))
        weak = _weak(len(set(groups)), tests)
    if note is None and weak is None:
        made = indistinguishable(values, groups, seed=seed, draws=DRAWS) if pairs else _neighbors(values, groups, seed)
        alike = [tuple(models[k].page for k in group) for group in made if len(group) > 1]
    shares, ends = _shares(board)
    return Standing(_places(board), ranks, tuple(alike), pairs, shares, note, weak, ends)


@dataclass(frozen=True)
class Tested:
    """The difference of two models in one metric, first minus second.

    Attributes:
        a, b: both means over the stimuli for which both have a value; None where there is none.
        found: their difference.
        p_holm: its p, corrected for the number of metrics; None without one.
        better: the page of the run that is better, None where the test does not tell them apart.
    """

    column: Column
    a: float | None
    b: float | None
    found: Difference
    p_holm: float | None
    better: str | None

    @property
    def at_odds(self) -> bool:
        """Whether the interval, which is of this difference alone, says otherwise than the corrected test."""
        low, high = self.found.low, self.found.high
        return low is not None and high is not None and (low > 0 or high < 0) != (self.better is not None)


def pairs_of(board: Board) -> list[tuple[Entry, Entry]]:
    """Return the pairs that have a page: all of a short board, else neighbors, and each one with the best where the
    board is not very long."""
    models = board.models
    if len(models) <= EVERY_PAIR // 2:
        return [(a, b) for k, a in enumerate(models) for b in models[k + 1 :]]
    places = neighbors(len(models)) if len(models) <= WITH_THE_BEST else [(k, k + 1) for k in range(len(models) - 1)]
    return [(models[a], models[b]) for a, b in places]


def tested(board: Board, stimuli: Mapping[str, Stimuli], pairs: Sequence[tuple[Entry, Entry]]) -> list[list[Tested]]:
    """Compare pairs of a board in every metric at once, over the stimuli that both have.

    Args:
        board: gives the metrics, and the seed.
        stimuli: the means of each of its runs, by page.
        pairs: of its models.
    """
    if not pairs:
        return []
    first = stimuli[board.shown[0].page]
    tables = {e.page: stimuli[e.page].at(first.ids) for pair in pairs for e in pair}
    differences = np.column_stack([tables[a.page] - tables[b.page] for a, b in pairs])
    found = paired_differences(
        np.where(np.isfinite(differences), differences, np.nan), first.groups, seed=seed_for(board),
        draws=DRAWS, resamples=resamples_for(board),
    )  # fmt: skip
    width = len(board.columns)
    return [
        _of_pair(board.columns, pair, found[k * width : (k + 1) * width], *(tables[e.page] for e in pair))
        for k, pair in enumerate(pairs)
    ]


def _of_pair(
    columns: Sequence[Column], pair: tuple[Entry, Entry], found: Sequence[Difference], one: Floats, other: Floats
) -> list[Tested]:
    lines = []
    corrected = holm([np.nan if d.p is None else d.p for d in found])
    for column, d, p, a, b in zip(columns, found, corrected, one.T, other.T, strict=True):
        both = np.isfinite(a) & np.isfinite(b)
        mean_a, mean_b = (float(v[both].mean()) if both.any() else None for v in (a, b))
        higher = d.mean is not None and (d.mean > 0) == column.metric.higher_is_better
        p_holm = None if np.isnan(p) else float(p)
        apart = p_holm is not None and p_holm <= LEVEL
        lines.append(Tested(column, mean_a, mean_b, d, p_holm, pair[not higher].page if apart else None))
    return lines


def seed_for(board: Board) -> int:
    """Return the seed of everything that is drawn for a board: that of its frames, so that its models share it."""
    digest = board.coverages[0].frames_digest
    return seed_of(digest) if digest else 0


def resamples_for(board: Board) -> int:
    """Return how many resamples the differences of a board's pairs take."""
    return RESAMPLES if len(board.models) <= EVERY_PAIR else FEWER


def _values(models: Sequence[Entry], column: int, stimuli: Mapping[str, Stimuli]) -> tuple[Floats, list[str]]:
    """Return the mean of each stimulus that all models have, (models, stimuli), and the stimuli's groups."""
    if not models:
        return np.empty((0, 0)), []
    first = stimuli[models[0].page]
    table = np.array([stimuli[entry.page].at(first.ids)[:, column] for entry in models])
    here = np.isfinite(table).all(axis=0)
    return table[:, here], [g for g, kept in zip(first.groups, here, strict=True) if kept]


def _note(models: Sequence[Entry], values: Floats, groups: Sequence[str]) -> str | None:
    if len(models) < 2:
        return "a rank needs two models"
    size = len(set(groups))
    if size < FEWEST_GROUPS:
        of = "stimulus" if size == 1 else "unrelated stimuli"
        return f"{size} {of} can tell no two models apart; {FEWEST_GROUPS} are the fewest for an interval or a test"
    return None


def _weak(groups: int, tests: int) -> str | None:
    """Say that no difference, however large, can survive the correction; None where one can."""
    if tests * smallest_p(groups, DRAWS) <= LEVEL:
        return None
    pairs = "one pair" if tests == 1 else f"{tests} pairs"
    return f"with {groups} unrelated stimuli the paired test of {pairs} can tell no two models apart, however different"


def neighbors(models: int) -> list[tuple[int, int]]:
    """Return the pairs of a long table that are tested: neighbors, and the best with each other one."""
    return list(dict.fromkeys([*((k, k + 1) for k in range(models - 1)), *((0, k) for k in range(1, models))]))


def _neighbors(values: Floats, groups: Sequence[str], seed: int) -> list[tuple[int, ...]]:
    """Return those of the tested pairs that are not told apart; as `indistinguishable` tests every pair."""
    tested = neighbors(len(values))
    found, numbers = columns_of(np.column_stack([values[a] - values[b] for a, b in tested]), groups)
    p = holm(sign_flip_p(np.column_stack([sums(column, numbers)[0] for column in found.T]), seed, DRAWS))
    return sorted(pair for pair, value in zip(tested, p, strict=True) if not value <= LEVEL)


def _places(board: Board) -> dict[str, dict[str, int]]:
    """Return the rank of each model by each metric; equal values share one."""
    out: dict[str, dict[str, int]] = {e.page: {} for e in board.models}
    for column in board.columns:
        sign = -1 if column.metric.higher_is_better else 1
        means = {
            e.page: sign * mean
            for e in board.models
            if (mean := e.record.metrics[column.name].mean) is not None and not board.partial(e, column)
        }
        for page, value in means.items():
            out[page][column.name] = 1 + sum(other < value for other in means.values())
    return out


def _shares(board: Board) -> tuple[dict[str, dict[str, float]], str | None]:
    """Return the share of the gap of each model and metric, and the ends of the gap in words."""
    center = next((e for e in board.models if e.record.model.name == CENTER), None)
    human = next((e for e in board.humans if e.record.model.name == HUMAN), None)
    if center is None or human is None:
        return {}, None
    single = human.record.truth.points == "single-observer"
    out: dict[str, dict[str, float]] = {}
    for column in board.columns:
        ends = [e.record.metrics[column.name].mean for e in (center, human)]
        if None in ends or (single and column.name in OTHER_TRUTH):
            continue
        for entry in board.models:
            means = np.array([entry.record.metrics[column.name].mean, *ends], np.float64)
            if np.isfinite(means).all() and gap_of(means, column.metric.higher_is_better) > 0:
                out.setdefault(entry.page, {})[column.name] = float(share_of(means))
    return out, f"{CENTER} and {HUMAN}"

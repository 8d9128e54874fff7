"""Several runs on the frames that all of them scored: means, ranks with their uncertainty, who cannot be told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from vidsal.loaders.errors import WrongUse

from ...statistics import gap_share, indistinguishable, intervals, rank_intervals, seed_of
from ...statistics.gap import Share
from .differences import common_labels, groups_of, incomparable, places, shared_rows, stimulus_means
from .scored_frames import pairs_digest
from .store import Run

CENTER = "center_prior"
HUMAN = "one_vs_rest"


@dataclass(frozen=True)
class Place:
    """One run in the order of a metric.

    Attributes:
        run: its letter, in the order in which runs were given.
        model: its model.
        mean, low, high: over stimuli, on the frames in common; None where they are not defined.
        rank_low, rank_high: the ranks that it may have.
        groups: numbers of the groups of indistinguishable models that it is in, from 1.
        gap: the share of the way from the center prior to people that it goes.
    """

    run: str
    model: str
    mean: float
    low: float | None
    high: float | None
    rank_low: int | None
    rank_high: int | None
    groups: tuple[int, ...]
    gap: Share


@dataclass(frozen=True)
class Ranking:
    """Runs by metric, best first.

    Attributes:
        frames, stimuli: how many all models scored.
        metrics: by label.
        notes: which metrics are not ranked, and why.
    """

    frames: int
    stimuli: int
    metrics: dict[str, list[Place]]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


def rank(runs: Sequence[Run]) -> Ranking:
    """Rank the models among runs; people among them are not ranked, they are the end of the gap.

    Raises:
        WrongUse: there are fewer than two models, or the runs cannot be compared.
    """
    models = [run for run in runs if not run.typed.human]
    if len(models) < 2:
        raise WrongUse(f"{len(models)} of these runs are of models; ranks need two")
    letters = dict(zip(map(id, runs), places(len(runs)), strict=True))
    chosen, rows = shared_rows(models)
    seed = seed_of(pairs_digest(chosen))
    groups = groups_of(models)
    center = next((run for run in models if run.typed.model.name == CENTER), None)
    people = sorted((run for run in runs if run.typed.human), key=lambda run: run.typed.model.name != HUMAN)
    human = people[0] if people else None
    metrics, notes = {}, []
    for label, metric in common_labels(models).items():
        why = next((r[label] for run in models[1:] if label in (r := incomparable(models[0], run))), None)
        table = _means(rows, label)
        if why is None and not len(table):
            why = "no frame has a value of every model"
        elif why is None and np.isinf(table.to_numpy()).any():
            why = "a mean is infinite"
        if why is not None:
            notes.append(f"{label} is not ranked: {why}")
            continue
        metrics[label] = _places(
            models, letters, table, [groups[i] for i in table.index], metric.higher_is_better, seed,
            [_gap(label, metric.higher_is_better, run, center, human) for run in models],
        )  # fmt: skip
    return Ranking(len(chosen), chosen.unique(level=0).size, metrics, tuple(notes))


def _means(rows: Sequence[pd.DataFrame], label: str) -> pd.DataFrame:
    """Means of stimuli, a column a run, over the frames for which all runs have a value."""
    here = np.logical_and.reduce([t[label].notna().to_numpy() for t in rows])
    return pd.concat([stimulus_means(t[here], label) for t in rows], axis=1)


def _places(
    models: Sequence[Run],
    letters: dict[int, str],
    table: pd.DataFrame,
    groups: list[str],
    higher: bool,
    seed: int,
    gaps: Sequence[Share],
) -> list[Place]:
    values = table.to_numpy()
    ranks = rank_intervals(values.T, groups, higher_is_better=higher, seed=seed)
    order = np.argsort(-values.mean(axis=0) if higher else values.mean(axis=0), kind="stable")
    alike = indistinguishable(values.T[order], groups, seed=seed)
    ends = intervals(values, groups, seed=seed)
    places = []
    for place, k in enumerate(order):
        run, mean = models[k], float(values[:, k].mean())
        members = tuple(number for number, group in enumerate(alike, 1) if place in group)
        (first, last), (low, high) = ranks[k], (ends[k].low, ends[k].high)
        places.append(Place(letters[id(run)], run.typed.model.name, mean, low, high, first, last, members, gaps[k]))
    return places


def _gap(label: str, higher: bool, run: Run, center: Run | None, human: Run | None) -> Share:
    """The share of the gap that a run closes, or why there is none."""
    for what, other in ((f"the center prior ({CENTER})", center), (f"people ({HUMAN})", human)):
        if other is None:
            return Share(None, None, None, f"no run of {what} is among them", 0)
        reason = incomparable(run, other).get(label)
        if reason:
            return Share(None, None, None, reason, 0)
    assert center is not None
    assert human is not None
    chosen, rows = shared_rows([run, center, human])
    table = _means(rows, label)
    if np.isinf(table.to_numpy()).any():
        return Share(None, None, None, "a mean is infinite", 0)
    members = groups_of([run, center, human])
    seed = seed_of(pairs_digest(chosen))
    ours, prior, theirs = table.to_numpy().T
    return gap_share(ours, prior, theirs, [members[i] for i in table.index], higher_is_better=higher, seed=seed)

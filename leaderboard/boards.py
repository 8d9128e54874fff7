"""Runs to boards: which runs may share a table, which of them it shows, in which order. Pure functions.

A board is one release, split, protocol, truth recipe and set of scored frames. Numbers of different ones never share a
ranking, so what a model leaves out cannot help it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import inf
from typing import Any

from vidsal.benchmark.evaluation.results.notices import Notice
from vidsal.benchmark.evaluation.results.schema import (
    CoverageRecord,
    ProtocolRecord,
    ReleaseRecord,
    RunRecord,
    TruthRecord,
    read_record,
)
from vidsal.benchmark.metrics import find
from vidsal.benchmark.metrics.base import Metric
from vidsal.benchmark.protocols import PROTOCOLS
from vidsal.loaders.io.files import canonical, parse_json, sha256_text

from .sanitize import slug

CUSTOMARY = ("AUC-J", "SIM", "sAUC", "CC", "NSS", "KLD")
"""Order of the columns; further metrics follow in the order of the protocol."""

LABELS = {"sAUC": "s-AUC"}
"""Names of metrics as papers print them, where columns have another."""

DEFAULT_SORT = "NSS"
"""The column by which a table is sorted at first, best value on top."""

OTHER_TRUTH = frozenset({"CC", "SIM", "KLD"})
"""Metrics that compare with the density of the truth, which a single observer replaces."""


@dataclass(frozen=True)
class Column:
    """A metric as a column of a table.

    Attributes:
        name: short name, as in results.
        metric: what the metric declares about itself.
    """

    name: str
    metric: Metric

    @property
    def label(self) -> str:
        """The name as papers print it."""
        return LABELS.get(self.name, self.name)

    @property
    def best_first(self) -> str:
        """Value of aria-sort that puts the best value on top."""
        return "descending" if self.metric.higher_is_better else "ascending"


@dataclass(frozen=True)
class Entry:
    """A run with its place in the results and on the site.

    Attributes:
        record: the checked content of run.json.
        folder: where it lies, relative to the results folder, with `/`.
        notices: what was said of it since; a run that was withdrawn or superseded is not ranked.
    """

    record: RunRecord
    folder: str
    notices: tuple[Notice, ...] = ()

    @cached_property
    def page(self) -> str:
        """File of its page, relative to the site; built from a slug, a time and a digest only."""
        r = self.record
        return f"runs/{slug(r.model.name)}-{''.join(c for c in r.time if c.isalnum())}-{r.digest[:16]}.html"

    @cached_property
    def identity(self) -> tuple[str, ...]:
        """What makes two runs runs of one model; a run whose model cannot be identified is like no other."""
        return self.record.model.identity or ("", *self.age_key, self.folder)

    @property
    def preference(self) -> tuple[bool, int, str, str]:
        """Descending: which run of a model stands for it: none withdrawn; live, else least lossy; newest."""
        return (not self.notices, -self.record.model.lossiness, *self.age_key)

    @property
    def age_key(self) -> tuple[str, str]:
        """Ascending from the oldest run to the newest."""
        return self.record.time, self.record.digest


@dataclass(frozen=True)
class Board:
    """One table: what its runs share, and the runs.

    Attributes:
        id: anchor of the table.
        title: release, split and protocol, and a digest where another board would have the same title.
        columns: the metrics.
        models: one run of each model and reference predictor, best first.
        humans: one run of each human reference, best first; they are not ranked, and may lack the frames at which a
            single observer looked.
        history: all runs, the one that is shown first, by identity of the model.
        common: True for a comparison on the frames that models of several boards share; its means are those of their
            rows on these frames.
    """

    id: str
    title: str
    columns: tuple[Column, ...]
    models: tuple[Entry, ...]
    humans: tuple[Entry, ...]
    history: dict[tuple[str, ...], tuple[Entry, ...]]
    common: bool = False

    @cached_property
    def _first(self) -> RunRecord:
        return (*self.models, *self.humans)[0].record

    @property
    def release(self) -> ReleaseRecord:
        """The data."""
        return self._first.release

    @property
    def split(self) -> str:
        """The split, or `all`."""
        return self._first.split

    @property
    def protocol(self) -> ProtocolRecord:
        """The protocol."""
        return self._first.protocol

    @property
    def truth(self) -> TruthRecord:
        """The truth recipe that all runs share."""
        return self._first.truth

    @property
    def coverages(self) -> tuple[CoverageRecord, ...]:
        """What the ranked runs say of their coverage; they score the same frames, for reasons that may differ."""
        return tuple(e.record.coverage for e in self.models or self.humans)

    @property
    def shown(self) -> tuple[Entry, ...]:
        """The runs of the table."""
        return (*self.models, *self.humans)

    @property
    def older(self) -> int:
        """How many runs another one of the same model stands for."""
        return sum(len(runs) - 1 for runs in self.history.values() if not runs[0].notices)

    @property
    def withdrawn(self) -> tuple[Entry, ...]:
        """The runs that were withdrawn or superseded, newest first."""
        found = [e for runs in self.history.values() for e in runs if e.notices]
        return tuple(sorted(found, key=lambda e: e.age_key, reverse=True))

    def runs_of(self, entry: Entry) -> tuple[Entry, ...]:
        """Return all runs of a run's model on this board, the one that is shown first."""
        return self.history[entry.identity]

    def partial(self, entry: Entry, column: Column) -> bool:
        """Whether a mean is over fewer of the shared frames than another model's: its own maps left some undefined."""
        n = entry.record.metrics[column.name].n
        return not entry.record.human and 0 < n < self._frames[column.name]

    @cached_property
    def ranked(self) -> tuple[Entry, ...]:
        """The models that have a rank by the column of the order, best first."""
        by = self.sort_column
        return tuple(e for e in self.models if e.record.metrics[by.name].mean is not None and not self.partial(e, by))

    @cached_property
    def _frames(self) -> dict[str, int]:
        return {column.name: _most(self.models, column) for column in self.columns}

    @property
    def sort_column(self) -> Column:
        """The column by which the table is sorted at first."""
        return sort_column(self.columns)

    @property
    def shipped(self) -> bool:
        """Whether this version ships the protocol in exactly this form, or does not know the name at all."""
        known = PROTOCOLS.get(self.protocol.name)
        return known is None or known.digest == self.protocol.digest


def comparable_key(record: RunRecord) -> str:
    """Return what a run must share with another to be compared with it on some frames, as canonical JSON."""
    recipe = json.dumps({"name": record.truth.recipe, **record.truth.parameters})
    ids = json.dumps({name: metric.id for name, metric in record.metrics.items()})
    return _comparable(record.release.model_dump_json(), record.split, record.protocol.model_dump_json(), recipe, ids)


@lru_cache(maxsize=64)
def _comparable(release: str, split: str, protocol: str, recipe: str, metrics: str) -> str:
    """Return the same from parts as JSON; most runs have them in common, and a protocol is long."""
    parts = {"release": release, "protocol": protocol, "recipe": recipe, "metrics": metrics}
    return canonical({"split": split, **{name: parse_json(part) for name, part in parts.items()}})


def board_key(record: RunRecord | Mapping[str, Any]) -> str:
    """Return what a run must share with another to be ranked with it: `comparable_key`, and the scored frames.

    Args:
        record: of a run, as it is typed, or as run.json holds it.

    Raises:
        BadData: it is not the content of a run.json.
    """
    if not isinstance(record, RunRecord):
        record = read_record(record, "run.json")
    frames = record.coverage.frames_digest or sorted(record.coverage.scored)
    return canonical({"frames": frames, "comparable": comparable_key(record)})


def columns(record: RunRecord) -> tuple[Column, ...]:
    """Return the columns of a run, the customary ones first, then those that its protocol adds.

    Raises:
        UnknownName: a metric id that this version does not know.
    """
    ids = record.protocol.metric_ids
    labels = dict.fromkeys(label for label in (*CUSTOMARY, *ids) if label in ids)
    return tuple(Column(label, find(ids[label])) for label in labels)


def sort_column(among: Sequence[Column]) -> Column:
    """Return the column by which a table is sorted at first."""
    return next((c for c in among if c.name == DEFAULT_SORT), among[0])


def best_first(entries: Iterable[Entry], column: Column) -> tuple[Entry, ...]:
    """Sort runs by a metric, best value first, those over fewer frames and undefined ones last, equal ones by name."""
    sign, among = -1 if column.metric.higher_is_better else 1, list(entries)
    most = _most(among, column)

    def key(entry: Entry) -> tuple[bool, float, str, tuple[str, str]]:
        metric = entry.record.metrics[column.name]
        value = inf if metric.mean is None else sign * metric.mean
        return 0 < metric.n < most, value, entry.record.model.name, entry.age_key

    return tuple(sorted(among, key=key))


def _most(entries: Iterable[Entry], column: Column) -> int:
    """The largest number of frames that a mean of a metric is over."""
    return max((e.record.metrics[column.name].n for e in entries), default=0)


def distinct(entries: Iterable[Entry]) -> list[Entry]:
    """Return each run once: a copy of a folder (same time, same digest) is the same run."""
    once: dict[tuple[str, str], Entry] = {}
    for entry in sorted(entries, key=lambda e: e.folder):
        once.setdefault(entry.age_key, entry)
    return list(once.values())


def make_boards(entries: Iterable[Entry]) -> list[Board]:
    """Group runs into boards.

    Args:
        entries: distinct runs, in any order; the result does not depend on it.

    Returns:
        Boards by release, split, protocol (the default one first) and falling coverage; none of withdrawn runs alone.
    """
    everyone = sorted(entries, key=lambda e: (e.record.human, e.age_key, e.folder))
    groups: dict[str, list[Entry]] = {}
    for entry in everyone:
        key = board_key(entry.record)
        if entry.record.human and key not in groups:
            key = _board_of_models(entry.record, groups) or key
        groups.setdefault(key, []).append(entry)
    standing = {key: group for key, group in groups.items() if not all(e.notices for e in group)}
    ordered = sorted(standing.items(), key=lambda item: (_place(item[1][0].record), item[0]))
    titles = [_title(group[0].record) for _, group in ordered]
    return [
        _board(key, group, title if titles.count(title) == 1 else f"{title} [{sha256_text(key)[:8]}]")
        for (key, group), title in zip(ordered, titles, strict=True)
    ]


def _board_of_models(human: RunRecord, groups: Mapping[str, Sequence[Entry]]) -> str | None:
    """Return the fullest board of the same stimuli: beside it, unranked, stands a human reference of fewer frames."""
    alike = [
        (-group[0].record.counts.scored, key)
        for key, group in groups.items()
        if not group[0].record.human
        and comparable_key(group[0].record) == comparable_key(human)
        and set(group[0].record.coverage.scored) == set(human.coverage.scored)
    ]
    return min(alike)[1] if alike else None


def _place(record: RunRecord) -> tuple[str, str, bool, str, int]:
    protocol = record.protocol.name
    return record.release.id, record.split, protocol != "exact-1", protocol, -record.counts.scored


def _title(record: RunRecord) -> str:
    coverage, counts = record.coverage, record.counts
    stimuli = "" if coverage.all_stimuli else f", {len(coverage.scored)} of {coverage.annotated} stimuli"
    frames = "" if counts.scored == counts.looked_at else f", {counts.scored:,} of {counts.looked_at:,} frames"
    return f"{record.release.id}, {record.split}, {record.protocol.name}{stimuli}{frames}"


def _board(key: str, group: Sequence[Entry], title: str, *, common: bool = False) -> Board:
    history: dict[tuple[str, ...], list[Entry]] = {}
    for entry in sorted(group, key=lambda e: e.preference, reverse=True):
        history.setdefault(entry.identity, []).append(entry)
    shown = [runs[0] for runs in history.values() if not runs[0].notices]
    record = group[0].record
    shared = columns(record)
    by = sort_column(shared)
    name = slug(f"{record.release.id}-{record.split}-{record.protocol.name}", 80)
    return Board(
        id=f"{'common-' if common else ''}{name}-{sha256_text(key)[:8]}",
        title=title,
        columns=shared,
        models=best_first((e for e in shown if not e.record.human), by),
        humans=best_first((e for e in shown if e.record.human), by),
        history={identity: tuple(runs) for identity, runs in history.items()},
        common=common,
    )


def mixed(boards: Iterable[Board]) -> list[list[Entry]]:
    """Return the groups of models that stand on different boards only because they scored different frames.

    Returns:
        For each such group one run a model, that of the most frames, by the order of the boards.
    """
    groups: dict[str, list[Entry]] = {}
    for board in boards:
        for entry in board.models:
            groups.setdefault(comparable_key(entry.record), []).append(entry)
    found = []
    for group in groups.values():
        fullest = {e.identity: e for e in sorted(group, key=lambda e: (e.record.counts.scored, e.preference))}
        if len({board_key(e.record) for e in fullest.values()}) > 1:
            found.append(sorted(fullest.values(), key=lambda e: (_place(e.record), e.folder)))
    return found


def people_beside(boards: Iterable[Board], model: Entry) -> list[Entry]:
    """Return one run of each human reference that may stand beside a model on some frames, that of the most frames."""
    key = comparable_key(model.record)
    alike = [e for board in boards for e in board.humans if comparable_key(e.record) == key]
    return list({e.identity: e for e in sorted(alike, key=lambda e: (e.record.counts.scored, e.preference))}.values())


def common_board(entries: Sequence[Entry]) -> Board:
    """Make the comparison of models on the frames that all of them scored.

    Args:
        entries: of a group of `mixed`, then people, with the means and counts of these frames in their records.
    """
    record = entries[0].record
    models = sum(not entry.record.human for entry in entries)
    title = (
        f"{record.release.id}, {record.split}, {record.protocol.name}: {models} models on the "
        f"{record.counts.scored:,} frames that all of them scored"
    )
    return _board(comparable_key(record), entries, title, common=True)

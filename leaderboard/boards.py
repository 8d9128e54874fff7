"""Runs to boards: which runs may share a table, which of them it shows, in which order. Pure functions.

A board is one release, split, protocol, truth recipe and coverage. Numbers of different ones never share a table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf

from vidsal.benchmark.evaluation.results.schema import (
    CoverageRecord,
    ProtocolRecord,
    ReleaseRecord,
    RunRecord,
    TruthRecord,
)
from vidsal.benchmark.metrics import find
from vidsal.benchmark.metrics.base import Metric
from vidsal.benchmark.protocols import PROTOCOLS
from vidsal.loaders.io.files import canonical, sha256_text

from .sanitize import slug

CUSTOMARY = ("AUC-J", "SIM", "sAUC", "CC", "NSS", "KLD")
"""Order of the columns; further metrics follow in the order of the protocol."""

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
        return {"sAUC": "s-AUC"}.get(self.name, self.name)

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
    """

    record: RunRecord
    folder: str

    @property
    def page(self) -> str:
        """File of its page, relative to the site; built from a slug, a time and a digest only."""
        r = self.record
        return f"runs/{slug(r.model.name)}-{''.join(c for c in r.time if c.isalnum())}-{r.digest[:16]}.html"

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
        models: newest run of each model and reference predictor, best first.
        humans: newest run of each human reference, best first.
        history: all runs, newest first, by identity of the model.
    """

    id: str
    title: str
    columns: tuple[Column, ...]
    models: tuple[Entry, ...]
    humans: tuple[Entry, ...]
    history: dict[tuple[str, ...], tuple[Entry, ...]]

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
        """What the shown runs say of their coverage; they score the same stimuli, for reasons that may differ."""
        return tuple(e.record.coverage for e in self.shown)

    @property
    def shown(self) -> tuple[Entry, ...]:
        """The runs of the table."""
        return (*self.models, *self.humans)

    @property
    def older(self) -> int:
        """How many runs a newer one of the same model replaces."""
        return sum(len(runs) for runs in self.history.values()) - len(self.shown)

    @property
    def sort_column(self) -> Column:
        """The column by which the table is sorted at first."""
        return sort_column(self.columns)

    @property
    def shipped(self) -> bool:
        """Whether this version ships the protocol in exactly this form, or does not know the name at all."""
        known = PROTOCOLS.get(self.protocol.name)
        return known is None or known.digest == self.protocol.digest


def board_key(record: RunRecord) -> str:
    """Return what a run must share with another to be compared with it, as canonical JSON."""
    return canonical(
        {
            "release": record.release.model_dump(mode="json"),
            "split": record.split,
            "protocol": record.protocol.model_dump(mode="json"),
            "recipe": {"name": record.truth.recipe, **record.truth.parameters},
            "scored": sorted(record.coverage.scored),
            "metrics": {name: metric.id for name, metric in record.metrics.items()},
        }
    )


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
    """Sort runs by a metric, best value first, undefined ones last, equal ones by name and age."""
    sign = -1 if column.metric.higher_is_better else 1

    def key(entry: Entry) -> tuple[float, str, tuple[str, str]]:
        mean = entry.record.metrics[column.name].mean
        return inf if mean is None else sign * mean, entry.record.model.name, entry.age_key

    return tuple(sorted(entries, key=key))


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
        Boards by release, split, protocol (the default one first) and falling coverage.
    """
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(board_key(entry.record), []).append(entry)
    ordered = sorted(groups.items(), key=lambda item: (_place(item[1][0].record), item[0]))
    titles = [_title(group[0].record) for _, group in ordered]
    return [
        _board(key, group, title if titles.count(title) == 1 else f"{title} [{sha256_text(key)[:8]}]")
        for (key, group), title in zip(ordered, titles, strict=True)
    ]


def _place(record: RunRecord) -> tuple[str, str, bool, str, int]:
    protocol = record.protocol.name
    return record.release.id, record.split, protocol != "exact-1", protocol, -len(record.coverage.scored)


def _title(record: RunRecord) -> str:
    coverage = record.coverage
    part = "" if coverage.complete else f", {len(coverage.scored)} of {coverage.annotated} stimuli"
    return f"{record.release.id}, {record.split}, {record.protocol.name}{part}"


def _board(key: str, group: list[Entry], title: str) -> Board:
    history: dict[tuple[str, ...], list[Entry]] = {}
    for entry in sorted(group, key=lambda e: e.age_key, reverse=True):
        history.setdefault(entry.record.model.identity, []).append(entry)
    newest = [runs[0] for runs in history.values()]
    shared = columns(newest[0].record)
    by = sort_column(shared)
    record = newest[0].record
    name = slug(f"{record.release.id}-{record.split}-{record.protocol.name}", 80)
    return Board(
        id=f"{name}-{sha256_text(key)[:8]}",
        title=title,
        columns=shared,
        models=best_first((e for e in newest if not e.record.human), by),
        humans=best_first((e for e in newest if e.record.human), by),
        history={identity: tuple(runs) for identity, runs in history.items()},
    )

"""Every run of a results folder, checked. A damaged one is named and left out; none is left out in silence."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from vidsal.benchmark.evaluation.previews.record import StimulusPreview
from vidsal.benchmark.evaluation.results.aggregate import summarize
from vidsal.benchmark.evaluation.results.intervals import several_with_intervals
from vidsal.benchmark.evaluation.results.scored_frames import by_frame, common_frames, rows_among
from vidsal.benchmark.evaluation.results.shared import once
from vidsal.benchmark.evaluation.results.store import PARTIAL, Run, find_runs, load_runs
from vidsal.benchmark.statistics import seed_of
from vidsal.loaders.errors import BadData, MissingData, UnknownName, WrongUse
from vidsal.loaders.io.progress import Progress, silent

from . import kept
from .boards import Board, Column, Entry, columns, common_board, distinct, mixed, people_beside
from .film.previews import read_previews
from .rows import Known, Rows, SpooledRows, StoredRows, rows_of

T = TypeVar("T")

Floats = npt.NDArray[np.float64]

AnyRows = Rows | SpooledRows | StoredRows

_TOGETHER = 8
"""Runs that are read at once."""

Each = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]
"""Does something with each of many, in order: `map`, or that of a pool of processes."""


@dataclass(frozen=True)
class Stimuli:
    """The means of a run, a line a stimulus.

    Attributes:
        ids: the stimuli.
        groups: which of them belong together (clips of one film).
        attributes: what each is said to show.
        frames, scored: how many rows each has, and how many of them are scored.
        means: of each column over the scored frames, float64 (stimuli, columns); NaN where it is undefined.
    """

    ids: tuple[str, ...]
    groups: tuple[str, ...]
    attributes: tuple[tuple[str, ...], ...]
    frames: tuple[int, ...]
    scored: tuple[int, ...]
    means: Floats

    def place(self, stimulus_id: str) -> int | None:
        """Return the line of a stimulus, None where the run has none."""
        return self._places.get(stimulus_id)

    def at(self, ids: Sequence[str]) -> Floats:
        """Return the means of some stimuli, (stimuli, columns); NaN where the run has none."""
        if tuple(ids) == self.ids:
            return self.means
        places = self._places_of(ids)
        return np.where((places >= 0)[:, None], self.means[places], np.nan)

    def scored_at(self, ids: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return how many frames of some stimuli are scored, int (stimuli,); -1 where the run has no such stimulus."""
        places = self._places_of(ids)
        return np.where(places >= 0, np.array(self.scored, np.int64)[places], -1)

    def _places_of(self, ids: Sequence[str]) -> npt.NDArray[np.int64]:
        return np.array([self._places.get(name, -1) for name in ids], np.int64)

    def sharing(self, known: Known) -> Stimuli:
        """Return the same with what equal ones of other runs hold already: models of a board share all but means."""

        def one(part: T) -> T:
            found: T = known.setdefault(part, part)
            return found

        return Stimuli(
            one(self.ids), one(self.groups), one(self.attributes), one(self.frames), one(self.scored), self.means
        )

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.ids)}

    @cached_property
    def by_attribute(self) -> dict[str, tuple[int, Floats]]:
        """Return for each attribute how many stimuli have it, and the mean of each column over them."""
        return {name: (len(places), means_of(self.means[places])) for name, places in _having(self.attributes).items()}


@once
def _having(attributes: tuple[tuple[str, ...], ...]) -> dict[str, list[int]]:
    """Return for each attribute, in alphabetical order, the places of the stimuli that have it."""
    found: dict[str, list[int]] = {}
    for place, names in enumerate(attributes):
        for name in dict.fromkeys(names):
            found.setdefault(name, []).append(place)
    return dict(sorted(found.items()))


def means_of(values: Floats) -> Floats:
    """Return the mean of each column over the rows that have a value; NaN where none has, or one is infinite."""
    defined = ~np.isnan(values)
    n = defined.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        means: Floats = np.where(defined, values, 0.0).sum(axis=0) / n
    return np.where(np.isfinite(means), means, np.nan)


@dataclass(frozen=True)
class Loaded:
    """What the pages show of a run; its tables are read once.

    Attributes:
        entry: the run with its place.
        columns: its metrics.
        stimuli: a line a stimulus.
        rows: its frames.
        previews: what it kept of each stimulus to look at.
        key: digest of what all of this was read from; empty where nobody asked for it.
    """

    entry: Entry
    columns: tuple[Column, ...]
    stimuli: Stimuli
    rows: AnyRows
    previews: Mapping[str, StimulusPreview]
    key: str = ""

    def sharing(self, known: Known) -> Loaded:
        """Return the same with what equal parts of other runs hold already."""
        record = self.entry.record
        scored = known.setdefault(record.coverage.scored, record.coverage.scored)
        coverage = record.coverage.model_copy(update={"scored": scored})
        return replace(
            self,
            entry=replace(self.entry, record=record.model_copy(update={"coverage": coverage})),
            columns=known.setdefault(("columns", *((c.name, c.metric.id) for c in self.columns)), self.columns),
            stimuli=self.stimuli.sharing(known),
            rows=self.rows.sharing(known),
        )

    def table(self) -> pa.Table:
        """Return the lines of the stimuli as a table: `stimulus_id`, `n_frames`, `n_scored`, each metric."""
        names = ["stimulus_id", "n_frames", "n_scored", *(c.name for c in self.columns)]
        return pa.table([self.stimuli.ids, self.stimuli.frames, self.stimuli.scored, *self.stimuli.means.T], names)


def collect(
    results: Path,
    faults: list[str] | None = None,
    progress: Progress = silent,
    *,
    notes: list[str] | None = None,
    spool: Path | None = None,
    each: Each = map,
) -> list[Loaded]:
    """Read all runs.

    Args:
        results: the results folder; unfinished work below `.partial` is not looked at.
        faults: takes a sentence for each damaged run, which is left out; None = damaged runs are an error.
        notes: takes a sentence for each copy of a run.
        progress: called after each run.
        spool: a folder for the rows of all runs, which then take no memory; None = they stay in memory.
        each: who reads.

    Returns:
        Each distinct run once, by folder.

    Raises:
        MissingData: no such folder, or no run in it.
        BadData: runs are damaged, and there is no list for them, or no other run; the message names each of them.
    """
    folders, known = find_runs(results), Known()
    runs, wrong = dict[Path, Loaded](), dict[Path, list[str]]()
    keys = {folder: "" if spool is None else _key_of(folder, results) for folder in folders}
    read = partial(_read, results=results, lenient=faults is not None, spool=spool)
    for done, (folder, (run, wrong[folder])) in enumerate(_each_run(keys, read, each), 1):
        if run is not None:
            runs[folder] = run.sharing(known)
        progress(done, len(folders), folder.name)
    found = [runs[folder] for folder in folders if folder in runs]
    damaged = [*_without_record(results, set(folders)), *chain.from_iterable(wrong[folder] for folder in folders)]
    if damaged and (faults is None or not found):
        raise BadData("\n".join([f"{results}: {len(damaged)} of its runs cannot be shown:", *damaged]))
    if not found:
        raise MissingData(
            f"{results}: no run is here (no run.json below it); "
            f"make one with `vidsal run MODEL --data DIR -o {results}`"
        )
    once = {id(entry): entry for entry in distinct(run.entry for run in found)}
    if notes is not None:
        kept_of = {entry.age_key: entry.folder for entry in once.values()}
        notes += [
            f"{results / entry.folder}: the same run as {results / kept_of[entry.age_key]}, to the digest; it is shown "
            "once, and one of the folders can go"
            for entry in (run.entry for run in found)
            if id(entry) not in once
        ]
    if faults is not None:
        faults += damaged
    return [run for run in found if id(run.entry) in once]


Read = tuple[Loaded | None, list[str]]
"""A run, None where it cannot be shown, and what is damaged of it."""


def _each_run(
    keys: Mapping[Path, str], read: Callable[[Sequence[tuple[Path, str]]], list[Read]], each: Each
) -> Iterator[tuple[Path, Read]]:
    """Yield every run: what an earlier build kept, by its key, then those that are read anew."""
    anew = {folder: key for folder, key in keys.items() if not key or not kept.is_there(key)}
    reading = [(anew, each(read, _some(anew)))]  # begun first: processes read while this one takes up the others
    damaged = {}
    for folder, key in keys.items():
        if folder not in anew:
            there = kept.load(key)
            if there is None:
                damaged[folder] = key
            else:
                yield folder, (there, [])
    reading.append((damaged, each(read, _some(damaged))))
    for folders, found in reading:
        yield from zip(folders, chain.from_iterable(found), strict=True)


def _some(folders: Mapping[Path, str]) -> list[Sequence[tuple[Path, str]]]:
    many = list(folders.items())
    return [many[k : k + _TOGETHER] for k in range(0, len(many), _TOGETHER)]


def _key_of(folder: Path, results: Path) -> str:
    """Return the digest under which a build keeps what it read of a run; empty where it cannot be known."""
    with suppress(OSError):
        return kept.run_digest(folder, results)
    return ""


def _read(folders: Sequence[tuple[Path, str]], *, results: Path, lenient: bool, spool: Path | None) -> list[Read]:
    """Read some runs, and keep them under their keys for the next build."""
    found: list[Read] = []
    for (folder, key), run in zip(folders, load_runs([folder for folder, _ in folders]), strict=True):
        wrong: list[str] = []
        made = None
        try:
            if not isinstance(run, Run):
                raise run
            made = loaded(run, results, wrong if lenient else None)
            if spool is not None:
                if key and not wrong:
                    made = replace(made, key=key)
                    _keep(made, folder, results)
                made = replace(made, rows=spooled(made.rows, spool))
        except (BadData, MissingData) as error:
            wrong.append(str(error))
        found.append((made, wrong))
    return found


def _keep(made: Loaded, folder: Path, results: Path) -> None:
    """Keep what was read of a run for the next build, unless somebody wrote into its folder meanwhile."""
    if not isinstance(made.rows, Rows) or _key_of(folder, results) != made.key:
        return
    path, names = folder.resolve() / "frames.parquet", tuple(c.name for c in made.columns)
    stored = StoredRows(path, made.rows.digest(), made.stimuli.ids, names, made.rows.offsets)
    kept.save(made.key, replace(made, rows=stored).sharing({}))


def spooled(rows: AnyRows, spool: Path) -> SpooledRows:
    """Return rows that many pages show: in a file from which each reads what it needs."""
    if isinstance(rows, SpooledRows):
        return rows
    return (rows.read() if isinstance(rows, StoredRows) else rows).spooled(spool / f"{os.getpid()}.rows")


def loaded(run: Run, results: Path, faults: list[str] | None = None) -> Loaded:
    """Check a run's record, place it, and take from its rows what pages show.

    Args:
        run: one that was saved.
        results: the folder that it lies in.
        faults: takes a sentence for each damaged preview, which is left out; None = it is an error.

    Raises:
        BadData: it is not a run of this format, or names metrics or stimuli that it cannot.
    """
    if run.folder is None:
        raise WrongUse("a run that was not saved has no place on a site")
    record = run.typed
    try:
        among = columns(record)
    except UnknownName as error:
        raise BadData(f"{run.folder}: {error}; was it scored by a newer version?") from error
    stimuli = _stimuli(run.stimulus_table, among)
    return Loaded(
        Entry(record, run.folder.relative_to(results).as_posix(), run.notices),
        among,
        stimuli,
        rows_of(run.frame_table, stimuli.ids, [c.name for c in among]),
        read_previews(run.folder, record, faults),
    )


def _stimuli(table: pa.Table, among: Sequence[Column]) -> Stimuli:
    ids = _listed(table["stimulus_id"])
    return Stimuli(
        ids,
        _listed(table["group_id"]) if "group_id" in table.column_names else ids,
        _attributes(table["attributes"]) if "attributes" in table.column_names else ((),) * len(ids),
        _listed(table["n_frames"]),
        _listed(table["n_scored"]),
        np.column_stack([_numbers(table[c.name]) for c in among]),
    )


@once
def _listed(column: pa.ChunkedArray) -> tuple[Any, ...]:
    return tuple(column.to_pylist())


@once
def _attributes(column: pa.ChunkedArray) -> tuple[tuple[str, ...], ...]:
    return tuple(map(tuple, column.to_pylist()))


def _numbers(column: pa.ChunkedArray) -> Floats:
    found: Floats = column.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
    return found


def compared(
    boards: Iterable[Board], runs: Mapping[str, Loaded], results: Path
) -> list[tuple[Board, dict[str, Stimuli]]]:
    """Compare models that stand on different boards only because they scored different frames.

    Args:
        boards: all of them.
        runs: what was read of their runs, by page.
        results: the folder that they lie in; the rows of the runs that are compared are read again.

    Returns:
        One board a group of such models, on the frames that all of them scored, with the human references that scored
        these, too; and the means of each run on these frames by page. None where they share no frame.
    """
    boards, made = list(boards), []
    for group in mixed(boards):
        alike = {e.record.coverage.frames_digest: e for e in group}
        common = common_frames(_table(results, e, ["stimulus_id", "frame", "status"]) for e in alike.values())
        if len(common):
            beside = people_beside(boards, group[0])
            on = [_on(common, runs[e.page], _table(results, e)) for e in (*group, *beside)]
            whole = [(e, means) for e, means in on if e.record.counts.scored == len(common)]
            made.append((common_board(_with_intervals(whole)), {entry.page: means for entry, means in whole}))
    return made


def _with_intervals(on: Sequence[tuple[Entry, Stimuli]]) -> list[Entry]:
    """Return runs with the intervals of their means, some at a time, all from the same resamples."""
    of = [
        (
            {c.name: e.record.metrics[c.name] for c in columns(e.record)},
            m.means,
            m.groups,
            seed_of(str(e.record.coverage.frames_digest)),
        )
        for e, m in on
    ]
    made = chain.from_iterable(several_with_intervals(of[k : k + _TOGETHER]) for k in range(0, len(of), _TOGETHER))
    return [
        replace(entry, record=entry.record.model_copy(update={"metrics": metrics}))
        for (entry, _), metrics in zip(on, made, strict=True)
    ]


def _table(results: Path, entry: Entry, only: list[str] | None = None) -> pa.Table:
    return pq.ParquetFile(results / entry.folder / "frames.parquet").read(only, use_threads=False)


def _on(common: pd.MultiIndex, run: Loaded, frames: pa.Table) -> tuple[Entry, Stimuli]:
    """Return a run with the means and counts of its rows on some frames, and these means by stimulus."""
    record, rows = run.entry.record, rows_among(frames, common)
    summary = summarize(rows, record.protocol.metric_ids, record.protocol.average)
    coverage = record.coverage.model_copy(update={"scored": tuple(rows["stimulus_id"].unique().to_pylist())})
    coverage = by_frame(coverage, rows, None)
    changes = {"metrics": summary.metrics, "counts": summary.counts, "coverage": coverage}
    table = pa.Table.from_pandas(summary.stimuli, preserve_index=False)
    found = _stimuli(table, run.columns)
    of = {name: k for k, name in enumerate(run.stimuli.ids)}
    places = [of[name] for name in found.ids]
    means = replace(
        found,
        groups=tuple(run.stimuli.groups[k] for k in places),
        attributes=tuple(run.stimuli.attributes[k] for k in places),
    )
    return replace(run.entry, record=record.model_copy(update=changes)), means


def _without_record(results: Path, known: Collection[Path]) -> list[str]:
    """Return a sentence for each folder of rows whose run.json is not there."""
    return [
        f"{rows.parent}: rows without run.json, so its scoring was cut off; score it again, and delete this folder"
        for rows in sorted(results.rglob("frames.parquet"))
        if PARTIAL not in rows.parts and rows.parent not in known and not (rows.parent / "run.json").is_file()
    ]

"""Every run of a results folder, checked. A damaged one is named and left out; none is left out in silence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from vidsal.benchmark.evaluation.results.aggregate import summarize
from vidsal.benchmark.evaluation.results.scored_frames import by_frame, common_frames, rows_among
from vidsal.benchmark.evaluation.results.store import PARTIAL, Run, find_runs, load_run
from vidsal.loaders.errors import BadData, MissingData, UnknownName, WrongUse

from .boards import Board, Column, Entry, columns, common_board, distinct, mixed
from .plots import Video, videos


@dataclass(frozen=True)
class StimulusLine:
    """A line of a run's page.

    Attributes:
        id: the stimulus.
        frames, scored: how many rows it has, and how many of them are scored.
        means: mean of each column over its scored frames; None where it is undefined.
    """

    id: str
    frames: int
    scored: int
    means: tuple[float | None, ...]


@dataclass(frozen=True)
class Loaded:
    """What the pages show of a run; its rows are read once and not kept.

    Attributes:
        entry: the run with its place.
        columns: its metrics.
        stimuli: a line a stimulus.
        videos: the drawings of its frames.
    """

    entry: Entry
    columns: tuple[Column, ...]
    stimuli: tuple[StimulusLine, ...]
    videos: tuple[Video, ...]


def collect(results: Path, faults: list[str] | None = None) -> list[Loaded]:
    """Read all runs.

    Args:
        results: the results folder; unfinished work below `.partial` is not looked at.
        faults: takes a sentence for each damaged run, which is left out; None = damaged runs are an error.

    Returns:
        Each distinct run once, by folder.

    Raises:
        MissingData: no such folder, or no run in it.
        BadData: runs are damaged, and there is no list for them, or no other run; the message names each of them.
    """
    found, damaged = [], _without_record(results)
    for folder in find_runs(results):
        try:
            found.append(loaded(load_run(folder), results))
        except (BadData, MissingData) as error:
            damaged.append(str(error))
    if damaged and (faults is None or not found):
        raise BadData("\n".join([f"{results}: {len(damaged)} of its runs cannot be shown:", *damaged]))
    if not found:
        raise MissingData(
            f"{results}: no run is here (no run.json below it); "
            f"make one with `vidsal run MODEL --data DIR -o {results}`"
        )
    once = {id(entry) for entry in distinct(run.entry for run in found)}
    if faults is not None:
        faults += damaged
    return [run for run in found if id(run.entry) in once]


def loaded(run: Run, results: Path) -> Loaded:
    """Check a run's record, place it, and take from its rows what pages show.

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
    return Loaded(
        Entry(record, run.folder.relative_to(results).as_posix(), run.notices), among, stimulus_lines(run, among),
        videos(run.frames, among),
    )  # fmt: skip


def stimulus_lines(run: Run, among: Sequence[Column]) -> tuple[StimulusLine, ...]:
    """Return a line a stimulus."""
    return tuple(
        StimulusLine(
            str(row["stimulus_id"]),
            int(row["n_frames"]),
            int(row["n_scored"]),
            tuple(None if pd.isna(row[c.name]) else float(row[c.name]) for c in among),
        )
        for row in run.stimuli.to_dict("records")
    )


def compared(boards: Iterable[Board], results: Path) -> list[Board]:
    """Compare models that stand on different boards only because they scored different frames.

    Args:
        boards: all of them.
        results: the folder that their runs lie in; the rows of the runs that are compared are read again.

    Returns:
        One board a group of such models, on the frames that all of them scored; none where they share no frame.
    """
    made = []
    for group in mixed(boards):
        alike = {e.record.coverage.frames_digest: e for e in group}
        common = common_frames(_rows(results, e, ["stimulus_id", "frame", "status"]) for e in alike.values())
        if len(common):
            made.append(common_board([_on(common, e, _rows(results, e)) for e in group]))
    return made


def _rows(results: Path, entry: Entry, only: list[str] | None = None) -> pa.Table:
    return pq.ParquetFile(results / entry.folder / "frames.parquet").read(only, use_threads=False)


def _on(common: pd.MultiIndex, entry: Entry, frames: pa.Table) -> Entry:
    """Return a run with the means and counts of its rows on some frames."""
    record, rows = entry.record, rows_among(frames, common)
    summary = summarize(rows, record.protocol.metric_ids, record.protocol.average)
    coverage = record.coverage.model_copy(update={"scored": tuple(rows["stimulus_id"].unique().to_pylist())})
    coverage = by_frame(coverage, rows, None)
    changes = {"metrics": summary.metrics, "counts": summary.counts, "coverage": coverage}
    return replace(entry, record=record.model_copy(update=changes))


def _without_record(results: Path) -> list[str]:
    """Return a sentence for each folder of rows whose run.json is not there."""
    return [
        f"{rows.parent}: rows without run.json, so its scoring was cut off; score it again, and delete this folder"
        for rows in sorted(results.rglob("frames.parquet"))
        if PARTIAL not in rows.parts and not (rows.parent / "run.json").is_file()
    ]

"""Every run of a results folder, checked. A fault stops the build: a board must never leave a run out in silence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from vidsal.benchmark.evaluation.results.store import Run, find_runs, load_run
from vidsal.loaders.errors import BadData, MissingData, UnknownName

from .boards import Column, Entry, columns, distinct
from .plots import Video, videos

_PARTIAL = ".partial"


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


def collect(results: Path) -> list[Loaded]:
    """Read all runs.

    Args:
        results: the results folder; unfinished work below `.partial` is not looked at.

    Returns:
        Each distinct run once, by folder.

    Raises:
        MissingData: no such folder, or no run in it.
        BadData: runs are damaged; the message names each of them.
    """
    found, faults = [], _without_record(results)
    for folder in find_runs(results):
        try:
            found.append(loaded(load_run(folder), results))
        except BadData as error:
            faults.append(str(error))
    if faults:
        raise BadData("\n".join([f"{results}: {len(faults)} of its runs cannot be shown:", *faults]))
    if not found:
        raise MissingData(
            f"{results}: no run is here (no run.json below it); "
            f"make one with `vidsal run MODEL --data DIR -o {results}`"
        )
    once = {id(entry) for entry in distinct(run.entry for run in found)}
    return [run for run in found if id(run.entry) in once]


def loaded(run: Run, results: Path) -> Loaded:
    """Check a run's record, place it, and take from its rows what pages show.

    Raises:
        BadData: it is not a run of this format, or names metrics or stimuli that it cannot.
    """
    assert run.folder is not None, "runs of a results folder lie on disk"
    record = run.typed
    try:
        among = columns(record)
    except UnknownName as error:
        raise BadData(f"{run.folder}: {error}; was it scored by a newer version?") from error
    surplus = sorted(set(run.frames["stimulus_id"]) - set(record.coverage.scored))
    if surplus:
        raise BadData(f"{run.folder}: rows of {surplus[0]!r}, which its coverage does not name; score it again")
    return Loaded(
        Entry(record, run.folder.relative_to(results).as_posix()), among, stimulus_lines(run, among),
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


def _without_record(results: Path) -> list[str]:
    """Return a sentence for each folder of rows whose run.json is not there."""
    return [
        f"{rows.parent}: rows without run.json, so its scoring was cut off; score it again, and delete this folder"
        for rows in sorted(results.rglob("frames.parquet"))
        if _PARTIAL not in rows.parts and not (rows.parent / "run.json").is_file()
    ]

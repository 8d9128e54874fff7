"""Every run of a results folder, checked. A fault stops the build: a board must never leave a run out in silence."""

from __future__ import annotations

from pathlib import Path

from vidsal.benchmark.evaluation.results.store import Run, find_runs, load_run
from vidsal.loaders.errors import BadData, MissingData, UnknownName

from .boards import Entry, columns, distinct
from .record import read_record

_PARTIAL = ".partial"


def collect(results: Path) -> list[Entry]:
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
            found.append(entry_of(load_run(folder), results))
        except BadData as error:
            faults.append(str(error))
    if faults:
        raise BadData("\n".join([f"{results}: {len(faults)} of its runs can not be shown:", *faults]))
    if not found:
        raise MissingData(
            f"{results}: no run is here (no run.json below it); "
            f"make one with `vidsal run MODEL --data DIR -o {results}`"
        )
    return distinct(found)


def entry_of(run: Run, results: Path) -> Entry:
    """Check a run's record and place it.

    Raises:
        BadData: it is not a run of this format, or speaks of metrics or stimuli that it can not.
    """
    assert run.folder is not None, "runs of a results folder lie on disk"
    record = read_record(run.record, str(run.folder))
    try:
        columns(record.metrics)
    except UnknownName as error:
        raise BadData(f"{run.folder}: {error}; was it scored by a newer version?") from error
    if not record.metrics:
        raise BadData(f"{run.folder}: run.json names no metric; score it again")
    surplus = sorted(set(run.frames["stimulus_id"]) - set(record.coverage.scored))
    if surplus:
        raise BadData(f"{run.folder}: rows of {surplus[0]!r}, which its coverage does not name; score it again")
    return Entry(record, run.folder.relative_to(results).as_posix())


def _without_record(results: Path) -> list[str]:
    """Return a sentence for each folder of rows whose run.json is not there."""
    return [
        f"{rows.parent}: rows without run.json, so its scoring was cut off; score it again, and delete this folder"
        for rows in sorted(results.rglob("frames.parquet"))
        if _PARTIAL not in rows.parts and not (rows.parent / "run.json").is_file()
    ]

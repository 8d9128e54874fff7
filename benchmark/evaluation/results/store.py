"""Runs on disk: saved whole or not at all, and checked when they are read."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from vidsal.loaders.errors import BadData, MissingData, VidsalError
from vidsal.loaders.io.files import atomic_write, canonical, parse_json, sha256_text, try_folder, write_json

from ..previews.record import FOLDER as PREVIEWS, Previews, read_previews
from .aggregate import summarize
from .check import (
    check_rows,
    check_summary,
    check_words,
    interval_faults,
    of_intervals,
    of_today,
    rows_digest as rows_digest,
    stimuli_digest as stimuli_digest,
)
from .intervals import ForIntervals
from .log import NAME as LOG, scored
from .notices import Notice, read_notices
from .schema import FORMAT, RunRecord, read_record
from .shared import read_rows

PARTIAL = ".partial"
"""Where unfinished work of a results folder lies; what is below it is no run."""


@dataclass(frozen=True)
class Run:
    """One scoring of one predictor or submission under one protocol on one release and split.

    Attributes:
        record: the content of run.json: release, split, protocol, model, coverage, counts, means, provenance.
        frame_table: a row for every annotated frame of the covered stimuli.
        stimulus_table: a row for every covered stimulus.
        folder: where it lies on disk; None if it was not saved.
        notices: what was said of it since, that it is withdrawn or superseded.
        previews: what was kept to look at, of a run that was just made; that of a saved one lies in its folder.
    """

    record: dict[str, Any]
    frame_table: pa.Table
    stimulus_table: pa.Table
    folder: Path | None = None
    notices: tuple[Notice, ...] = ()
    previews: Previews | None = None

    @cached_property
    def frames(self) -> pd.DataFrame:
        """frames.parquet as pandas: stimulus_id, frame, n_fixations, the scores, status, reason."""
        frame: pd.DataFrame = self.frame_table.to_pandas()
        return frame

    @cached_property
    def stimuli(self) -> pd.DataFrame:
        """stimuli.parquet as pandas: a row a stimulus, the scores are means over its scored frames."""
        frame: pd.DataFrame = self.stimulus_table.to_pandas()
        return frame

    @property
    def metrics(self) -> tuple[str, ...]:
        """Labels of the scores, in the order of the columns."""
        return self.typed.protocol.columns

    @cached_property
    def typed(self) -> RunRecord:
        """The record with its fields and types.

        Raises:
            BadData: it is not of this format.
        """
        return read_record(self.record, "run.json")

    def summary(self) -> pd.DataFrame:
        """Return one row a metric: `mean` (as the protocol averages), `mean_stimuli`, its 95 % interval `low`, `high`,
        `mean_frames`, `n`, and `reason` for values of conventions. run.json has a `note` where there is no interval.
        """
        found = self.record["metrics"]
        rows = {label: {k: found[label].get(k) for k in _SUMMARY} for label in self.metrics}
        return pd.DataFrame.from_dict(rows, orient="index", columns=list(_SUMMARY))

    @property
    def scores(self) -> dict[str, float]:
        """The mean of each metric as the protocol averages; NaN where it is undefined."""
        means = {label: self.record["metrics"][label]["mean"] for label in self.metrics}
        return {label: float("nan") if mean is None else mean for label, mean in means.items()}

    def save(self, results: str | Path, *, newest: bool = False) -> Run:
        """Write the run below a results folder, at its `place`.

        A results folder only grows: where the very same run lies already, it stays.

        Args:
            results: the folder.
            newest: date it after those of its model that lie there, whatever the clock said: the newest one counts.

        Returns:
            The same run with its folder, which appears whole or not at all.
        """
        r = {**self.record, "digest": result_digest(self.record)}  # a run of before is saved as one of today
        previews = self.kept_previews()
        if previews is None:
            r.pop("previews_digest", None)
        folder = Path(results) / place(r)
        with suppress(MissingData, BadData):
            return load_run(folder)
        if newest:
            r["time"] = _after(folder.parent, r["time"])
            folder = Path(results) / place(r)
        made = Path(results) / PARTIAL / f"{r['digest'][:24]}.saved"  # what a killed command left there is replaced
        for table, file in ((self.frame_table, "frames.parquet"), (self.stimulus_table, "stimuli.parquet")):
            with atomic_write(made / file) as temporary:
                pq.write_table(table, temporary, compression="zstd")
        shutil.rmtree(made / PREVIEWS, ignore_errors=True)
        if previews:
            previews.write(made)
        with atomic_write(made / LOG) as temporary:
            temporary.write_text(f"{scored(r)}\n", encoding="utf-8")
        write_json(made / "run.json", r)
        folder.parent.mkdir(parents=True, exist_ok=True)
        if folder.is_dir():
            shutil.rmtree(folder)
        os.replace(made, folder)
        with suppress(OSError):
            made.parent.rmdir()  # unless unfinished work lies there
        return Run(r, self.frame_table, self.stimulus_table, folder)

    def kept_previews(self) -> Previews | None:
        """Return what was kept to look at, from memory or from the run's folder; None where that is damaged."""
        digest = self.record.get("previews_digest")
        if self.previews is not None or self.folder is None or digest is None:
            return self.previews
        with suppress(BadData, MissingData):
            return read_previews(self.folder, digest)
        return None


_NOT_OF_THE_RESULT = ("time", "duration_s", "previews_digest", "digest")


def place(record: Mapping[str, Any]) -> Path:
    """Return where a run lies in a results folder: `<release>/<split>/<protocol>/<model>/<UTC time>-<digest>`."""
    name = f"{record['time'].replace('-', '').replace(':', '')}-{record['digest'][:12]}"
    parts = (record["release"]["id"], record["split"], record["protocol"]["name"], record["model"]["name"])
    return Path(*(_folder_name(part) for part in parts), name)


def _folder_name(text: str) -> str:
    """A name as one plain folder: letters, digits, `. _ + -`, no dot first; anything else becomes `_`."""
    return re.sub(r"[^A-Za-z0-9._+-]", "_", re.sub(r"^[.]", "_", text)) or "_"


def try_place(results: str | Path, release: str, split: str, protocol: str, model: str) -> None:
    """Make sure that a run can be saved in a results folder, before somebody works for it. Nothing is left there.

    Raises:
        WrongUse: something is in the way, or has no permission; the message names it.
    """
    try_folder(Path(results).joinpath(*(_folder_name(part) for part in (release, split, protocol, model))))


_SUMMARY = ("mean", "mean_stimuli", "low", "high", "mean_frames", "n", "reason")


def make_record(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a new run.json: checked, with its format and digest."""
    record = read_record({**content, "format": FORMAT, "digest": "0" * 64}, "run.json").to_dict()
    return record | {"digest": result_digest(record)}


def result_digest(record: Mapping[str, Any]) -> str:
    """Digest of a run without its time, its duration, and what was kept to look at."""
    return sha256_text(canonical({k: v for k, v in record.items() if k not in _NOT_OF_THE_RESULT}))


def now() -> str:
    """Return the time in UTC to the second."""
    return _written(datetime.now(UTC))


def _written(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


_DATED = re.compile(r"([0-9]{8}T[0-9]{6})Z-[0-9a-f]{12}")


def _after(folder: Path, time: str) -> str:
    """Return a time, or the second after the last of a model's runs that lie in a folder, if that is later.

    A clock that was put back would make an old run the newest; two runs of one second would have no order.
    """
    names = (_DATED.fullmatch(path.name) for path in folder.glob("*Z-*"))
    dates = sorted(name[1] for name in names if name)
    with suppress(ValueError, OverflowError, IndexError):  # no date, or none at all
        return max(time, _written(datetime.strptime(dates[-1], "%Y%m%dT%H%M%S") + timedelta(seconds=1)))
    return time


_UNREADABLE = (None, errno.ENOENT, errno.EACCES, errno.EISDIR, errno.ENOTDIR, errno.ELOOP)
"""What a system says of files that are not there, or are no files; a failing disk says something else."""


def load_run(folder: str | Path) -> Run:
    """Read a run from its folder and check everything in it that can be computed anew.

    A run of before coverage was kept by frame is read as one of today: what is missing is taken from its rows.

    Raises:
        MissingData: there is no run.
        BadData: it is damaged, or contradicts itself.
    """
    (found,) = load_runs([Path(folder)])
    if isinstance(found, Run):
        return found
    raise found


def load_runs(folders: Sequence[Path]) -> list[Run | VidsalError]:
    """Read several runs as `load_run` does each; in place of a damaged one, what is wrong with it.

    All stay in memory, and those on the same frames are checked together, which costs less.
    """
    found: list[Run | VidsalError] = []
    given: dict[int, tuple[RunRecord, ForIntervals]] = {}
    for place, folder in enumerate(folders):
        try:
            run, intervals = _load(folder)
            found.append(run)
            if intervals is not None:
                given[place] = run.typed, intervals
        except (BadData, MissingData) as error:
            found.append(error)
    for place, fault in zip(given, interval_faults(list(given.values())), strict=True):
        if fault:
            found[place] = _damaged(folders[place], fault)
    return found


def _load(folder: Path) -> tuple[Run, ForIntervals | None]:
    """Read a run and check all but its intervals; return it with what they follow from."""
    path = folder / "run.json"
    if not path.is_file():
        what = "a folder" if path.is_dir() else "missing"
        raise MissingData(f"{folder}: no run is here (run.json is {what}); make one with `vidsal run`")
    try:
        content = _content(path)
        frames, stimuli = (_rows(folder / name) for name in ("frames.parquet", "stimuli.parquet"))
        if content["digest"] != result_digest(content):
            raise BadData("its digest does not fit its content")
        record = of_today(content, frames)
        run = Run(record, frames, stimuli, folder, read_notices(folder, content["digest"]))
        check_words(content, run.typed)
        check_rows(run.typed, frames, stimuli)
        protocol = run.typed.protocol
        summary = summarize(frames, protocol.metric_ids, protocol.average)
        check_summary(run.typed, frames, stimuli, summary)
        intervals = of_intervals(run.typed, stimuli, summary)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, OSError, pa.ArrowException) as error:
        if isinstance(error, OSError) and error.errno not in _UNREADABLE:
            raise  # the machine's fault
        raise _damaged(folder, error) from error
    return run, intervals


def _damaged(folder: Path, why: object) -> BadData:
    return BadData(f"{folder}: this run is damaged: {why}; score it again")


_TOGETHER = 8
"""Runs that are read at once."""


def _content(path: Path) -> dict[str, Any]:
    """Read a run.json, as far as that it is one."""
    try:
        content = parse_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadData(f"{path.name} is no JSON: {error}") from error
    if not isinstance(content, dict) or "digest" not in content:
        raise BadData(f"{path.name} holds no run: it has no digest")
    return content


def _rows(path: Path) -> pa.Table:
    """Read a table of a run."""
    if not path.is_file():
        raise BadData(f"{path.name} is not there")
    try:
        return read_rows(path)
    except pa.ArrowException as error:
        raise BadData(f"{path.name} cannot be read: {error}") from error


def read_runs(results: str | Path) -> Iterator[Run | VidsalError]:
    """Yield every run below a results folder by its path; in place of a damaged one, what is wrong with it.

    Raises:
        MissingData: there is no such folder.
    """
    folders = find_runs(results)
    for first in range(0, len(folders), _TOGETHER):
        yield from load_runs(folders[first : first + _TOGETHER])


def find_runs(results: str | Path) -> list[Path]:
    """Return the folders of all runs below a results folder, sorted.

    Raises:
        MissingData: there is no such folder.
    """
    root = Path(results)
    if not root.is_dir():
        raise MissingData(f"{root}: no such results folder; make one with `vidsal run MODEL --data DIR -o {root}`")
    found = (p.parent for p in root.rglob("run.json"))
    return sorted(p for p in found if not any(part.startswith(".") for part in p.relative_to(root).parts))

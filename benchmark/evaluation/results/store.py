"""Runs on disk: saved whole or not at all, and checked when they are read."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from vidsal.loaders.errors import BadData, MissingData
from vidsal.loaders.io.files import atomic_write, canonical, sha256_text, write_json

from .aggregate import summarize
from .schema import FORMAT, RunRecord, read_record


@dataclass(frozen=True)
class Run:
    """One scoring of one predictor or submission under one protocol on one release and split.

    Attributes:
        record: the content of run.json: release, split, protocol, model, coverage, counts, means, provenance.
        frame_table: a row for every annotated frame of the covered stimuli.
        stimulus_table: a row for every covered stimulus.
        folder: where it lies on disk; None if it was not saved.
    """

    record: dict[str, Any]
    frame_table: pa.Table
    stimulus_table: pa.Table
    folder: Path | None = None

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
        """Return one row a metric: `mean` (as the protocol averages), `mean_stimuli`, `mean_frames`, `n`, `reason`."""
        found = self.record["metrics"]
        rows = {label: {k: found[label][k] for k in _SUMMARY} for label in self.metrics}
        return pd.DataFrame.from_dict(rows, orient="index", columns=list(_SUMMARY))

    @property
    def scores(self) -> dict[str, float]:
        """The mean of each metric as the protocol averages; NaN where it is undefined."""
        means = {label: self.record["metrics"][label]["mean"] for label in self.metrics}
        return {label: float("nan") if mean is None else mean for label, mean in means.items()}

    def save(self, results: str | Path) -> Run:
        """Write the run below a results folder: `<release>/<split>/<protocol>/<model>/<UTC time>-<digest>/`.

        Returns:
            The same run with its folder, which appears whole or not at all.
        """
        r = self.record
        name = f"{r['time'].replace('-', '').replace(':', '')}-{r['digest'][:12]}"
        parts = (r["release"]["id"], r["split"], r["protocol"]["name"], r["model"]["name"])
        folder = Path(results).joinpath(*(_folder_name(part) for part in parts), name)
        made = Path(results) / ".partial" / f"{name}.saved"
        for table, file in ((self.frame_table, "frames.parquet"), (self.stimulus_table, "stimuli.parquet")):
            with atomic_write(made / file) as temporary:
                pq.write_table(table, temporary, compression="zstd")
        write_json(made / "run.json", r)
        folder.parent.mkdir(parents=True, exist_ok=True)
        if folder.is_dir():
            shutil.rmtree(folder)
        os.replace(made, folder)
        with suppress(OSError):
            made.parent.rmdir()  # unless unfinished work lies there
        return Run(r, self.frame_table, self.stimulus_table, folder)


def _folder_name(text: str) -> str:
    """A name as one plain folder: letters, digits, `. _ + -`, no dot first; anything else becomes `_`."""
    return re.sub(r"[^A-Za-z0-9._+-]", "_", re.sub(r"^[.]", "_", text)) or "_"


_SUMMARY = ("mean", "mean_stimuli", "mean_frames", "n", "reason")


def make_record(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a new run.json: checked, with its format and digest."""
    record = read_record({**content, "format": FORMAT, "digest": "0" * 64}, "run.json").to_dict()
    return record | {"digest": result_digest(record)}


def result_digest(record: Mapping[str, Any]) -> str:
    """Digest of a run without its time and duration."""
    return sha256_text(canonical({k: v for k, v in record.items() if k not in ("time", "duration_s", "digest")}))


def rows_digest(rows: pa.Table) -> str:
    """Digest of the rows' values, independent of how Parquet lays them out."""
    sink = pa.BufferOutputStream()
    table = rows.combine_chunks().replace_schema_metadata(None)
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sha256(sink.getvalue()).hexdigest()


def now() -> str:
    """Return the time in UTC to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def load_run(folder: str | Path) -> Run:
    """Read a run from its folder and check that its means follow from its rows.

    Raises:
        MissingData: there is no run.
        BadData: it is damaged, or contradicts itself.
    """
    folder = Path(folder)
    path = folder / "run.json"
    if not path.is_file():
        raise MissingData(f"{folder}: no run is here (run.json is missing); make one with `vidsal run`")
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        run = Run(
            record,
            pq.read_table(folder / "frames.parquet", use_threads=False),
            pq.read_table(folder / "stimuli.parquet", use_threads=False),
            folder,
        )
        _check(run)
    except (KeyError, TypeError, ValueError, OSError, pa.ArrowException) as error:
        if isinstance(error, OSError) and not isinstance(error, FileNotFoundError) and error.errno is not None:
            raise
        raise BadData(f"{folder}: this run is damaged: {error}; score it again") from error
    return run


def _check(run: Run) -> None:
    """Compare a run with itself: digests, and everything that follows from its rows."""
    record = run.record
    if record["digest"] != result_digest(record):
        raise BadData("its digest does not fit its content")
    if record["frames_digest"] != rows_digest(run.frame_table):
        raise BadData("frames.parquet holds other rows than those that were scored")
    typed = run.typed
    summary = summarize(run.frame_table, typed.protocol.metric_ids, typed.protocol.average)
    if summary.counts != typed.counts:
        raise BadData(f"it counts {typed.counts.model_dump()}, its rows give {summary.counts.model_dump()}")
    for label, metric in summary.metrics.items():
        for name in ("mean", "mean_stimuli", "mean_frames", "n"):
            stored, computed = getattr(typed.metrics[label], name), getattr(metric, name)
            if not _same(stored, computed):
                what = label if name == "mean" else f"{label}, {name},"
                raise BadData(f"{what} is {stored}, its rows give {computed}")
    for column, values in summary.stimuli.items():
        if not _same_column(values, run.stimuli[column]):
            raise BadData(f"stimuli.parquet: {column} does not follow from the rows")


def _same_column(a: pd.Series[Any], b: pd.Series[Any]) -> bool:
    if len(a) != len(b) or not pd.api.types.is_float_dtype(a):
        return a.tolist() == b.tolist()
    return bool(np.allclose(a, b.astype(float), rtol=1e-12, atol=1e-12, equal_nan=True))


def _same(a: float | None, b: float | None) -> bool:
    return (a is None and b is None) or (a is not None and b is not None and abs(a - b) <= 1e-12 * max(1, abs(a)))


def find_runs(results: str | Path) -> list[Path]:
    """Return the folders of all runs below a results folder, sorted.

    Raises:
        MissingData: there is no such folder.
    """
    root = Path(results)
    if not root.is_dir():
        raise MissingData(f"{root}: no such results folder; make one with `vidsal run MODEL --data DIR -o {root}`")
    return sorted(p.parent for p in root.rglob("run.json") if ".partial" not in p.parts)

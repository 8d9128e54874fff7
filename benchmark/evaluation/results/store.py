"""The result of a run: a row for every frame, and everything downstream as a function of those rows."""

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
from vidsal.loaders.io.files import canonical, sha256_text, whole, write_json

from ...protocols import SHORT_NAMES

FORMAT = 1


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
        """Short names of the scores, in the order of the columns."""
        return tuple(self._ordered())

    def _ordered(self) -> dict[str, dict[str, Any]]:
        """The metrics in the order of the columns; canonical JSON sorts them by name."""
        found = self.record["metrics"]
        return {n: found[n] for n in (*SHORT_NAMES, *sorted(set(found) - set(SHORT_NAMES))) if n in found}

    def summary(self) -> pd.DataFrame:
        """Return one row a metric: `mean` (as the protocol averages), `mean_stimuli`, `mean_frames`, `n`, `reason`."""
        rows = {name: {k: m[k] for k in _SUMMARY} for name, m in self._ordered().items()}
        return pd.DataFrame.from_dict(rows, orient="index", columns=list(_SUMMARY))

    @property
    def scores(self) -> dict[str, float]:
        """The mean of each metric as the protocol averages; NaN where it is undefined."""
        return {n: float("nan") if m["mean"] is None else m["mean"] for n, m in self._ordered().items()}

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
            with whole(made / file) as temporary:
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
    """A name as one tame folder: letters, digits, `. _ + -`, no dot first; anything else becomes `_`."""
    return re.sub(r"[^A-Za-z0-9._+-]", "_", re.sub(r"^[.]", "_", text)) or "_"


_SUMMARY = ("mean", "mean_stimuli", "mean_frames", "n", "reason")


def summarise(
    frames: pa.Table, metric_ids: Mapping[str, str], average: str
) -> tuple[dict[str, Any], dict[str, int], pd.DataFrame]:
    """Aggregate the rows of a run.

    Args:
        frames: all rows.
        metric_ids: full id with parameters of each short name, in the order of the columns.
        average: `stimulus` or `frame`, which of the two means is the protocol's.

    Returns:
        For each metric a dict with both means (None where no frame defines it), the number of frames it is defined
        on, and why it is not defined on others; the counts of rows by status; and the table of stimuli.
    """
    table = frames.to_pandas()
    scored = table[table["status"] == "scored"]
    stimuli = _by_stimulus(table, scored)
    metrics: dict[str, Any] = {}
    for name, full in metric_ids.items():
        values = scored[name].dropna()
        of_stimuli, of_frames = stimuli[name].mean(), values.mean()
        both = {"mean_stimuli": _plain(of_stimuli), "mean_frames": _plain(of_frames)}
        metrics[name] = {
            "id": full,
            **both,
            "mean": both["mean_stimuli" if average == "stimulus" else "mean_frames"],
            "n": len(values),
            "reason": _infinite(values) or _common_reason(scored, name),
        }
    counts = {"frames": len(table)} | {
        status: int((table["status"] == status).sum()) for status in ("scored", "no_fixation", "no_prediction")
    }
    return metrics, counts, stimuli


def _by_stimulus(table: pd.DataFrame, scored: pd.DataFrame) -> pd.DataFrame:
    ids = table["stimulus_id"].drop_duplicates().tolist()
    means = scored.groupby("stimulus_id", sort=False)[list(SHORT_NAMES)].mean()
    out = pd.DataFrame({"stimulus_id": ids})
    out["n_frames"] = table.groupby("stimulus_id", sort=False).size().reindex(ids).to_numpy()
    out["n_scored"] = scored.groupby("stimulus_id", sort=False).size().reindex(ids, fill_value=0).to_numpy()
    for name in SHORT_NAMES:
        out[name] = means[name].reindex(ids).to_numpy()
    return out


def _plain(value: float) -> float | None:
    """A mean as JSON can hold it; None where it is undefined or infinite."""
    return float(value) if np.isfinite(value) else None


def _infinite(values: pd.Series[float]) -> str | None:
    count = int(np.isinf(values).sum())
    return f"infinite in {count} of {len(values)} frames" if count else None


def _common_reason(scored: pd.DataFrame, name: str) -> str | None:
    """The most frequent reason of a metric, with its number of frames."""
    texts = []
    for reason in scored["reason"].dropna():
        texts += [part.split(": ", 1)[1] for part in reason.split("; ") if name in part.split(": ", 1)[0].split(", ")]
    if not texts:
        return None
    first = max(sorted(set(texts)), key=texts.count)
    return f"{first} ({texts.count(first)} of {len(scored)} frames)"


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
        frames = pq.read_table(folder / "frames.parquet", use_threads=False)
        stimuli = pq.read_table(folder / "stimuli.parquet", use_threads=False)
        ids = {name: metric["id"] for name, metric in record["metrics"].items()}
        metrics, counts, _ = summarise(frames, ids, record["protocol"]["average"])
        if record["digest"] != result_digest(record):
            raise BadData("its digest does not fit its content")
        if record["frames_digest"] != rows_digest(frames):
            raise BadData("frames.parquet holds other rows than those that were scored")
        if counts != record["counts"]:
            raise BadData(f"it counts {record['counts']}, its rows give {counts}")
        for name, metric in metrics.items():
            if not _same(metric["mean"], record["metrics"][name]["mean"]):
                raise BadData(f"{name} is {record['metrics'][name]['mean']}, its rows give {metric['mean']}")
    except (KeyError, TypeError, ValueError, OSError, pa.ArrowException) as error:
        if isinstance(error, OSError) and not isinstance(error, FileNotFoundError) and error.errno is not None:
            raise
        raise BadData(f"{folder}: this run is damaged: {error}; score it again") from error
    return Run(record, frames, stimuli, folder)


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

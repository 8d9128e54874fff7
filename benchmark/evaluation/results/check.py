"""A stored run against itself: whatever follows from its rows is computed anew and compared. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from io import RawIOBase
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from vidsal.loaders.errors import BadData
from vidsal.loaders.io.files import canonical, sha256_text

from ...metrics.base import REGISTRY
from ...statistics import seed_of
from .aggregate import Summary
from .intervals import ForIntervals, several_with_intervals
from .schema import CountsRecord, MetricRecord, RunRecord, read_record
from .scored_frames import by_frame
from .shared import counts_of, is_scored, once, stimuli_of

_SLACK = 1e-9
"""How far rounding may take a score past the end of its range."""

_STATUSES = frozenset(CountsRecord.model_fields) - {"frames"}
_MEANS = ("mean", "mean_stimuli", "mean_frames", "n")


def rows_digest(rows: pa.Table) -> str:
    """Digest of the rows' values, independent of how Parquet lays them out."""
    sink = _Digest()
    table = rows.combine_chunks().replace_schema_metadata(None)
    with pa.ipc.new_stream(pa.PythonFile(sink, "w"), table.schema) as writer:
        writer.write_table(table)
    return sink.digest.hexdigest()


class _Digest(RawIOBase):
    """A file that keeps nothing but the digest of what was written into it."""

    def __init__(self) -> None:
        self.digest = sha256()

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        self.digest.update(content)
        return len(content)


def stimuli_digest(stimuli: pa.Table) -> str:
    """Digest of the values of stimuli.parquet: of their canonical JSON, null for NaN, words for infinities."""
    names = sorted(stimuli.column_names)
    columns = [(_floats if pa.types.is_floating(stimuli[n].type) else _cells)(n, stimuli[n]) for n in names]
    rows = [" {\n" + ",\n".join(cells) + "\n }" for cells in zip(*columns, strict=True)]
    return sha256_text("[\n" + ",\n".join(rows) + "\n]\n" if rows else canonical([{} for _ in range(len(stimuli))]))


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def _floats(name: str, column: pa.ChunkedArray) -> list[str]:
    """Return the numbers of a column as they stand in the canonical JSON of its rows, each with its name."""
    start = f"  {_encode(name)}: "
    if not column.null_count and np.isfinite(values := column.to_numpy()).all():
        return [f"{start}{value!r}" for value in values.tolist()]
    words = {"nan": "null", "inf": '"inf"', "-inf": '"-inf"', "None": "null"}
    return [start + words.get(text, text) for text in map(repr, column.to_pylist())]


@once
def _cells(name: str, column: pa.ChunkedArray) -> list[str]:
    """Return the same of a column that holds no floating numbers."""
    start, values = f"  {_encode(name)}: ", column.to_pylist()
    texts = list(map(_encode, values))
    if pa.types.is_nested(column.type):
        different = dict(zip(texts, values, strict=True))
        nested = {t: canonical(v).removesuffix("\n").replace("\n", "\n  ") for t, v in different.items()}
        texts = [nested[text] for text in texts]
    return [start + text for text in texts]


def of_today(content: Mapping[str, Any], frames: pa.Table) -> dict[str, Any]:
    """Return the content of a run.json with what earlier versions did not write, taken from its rows.

    Those kept coverage by stimulus, and the digest of the rows under the name `frames_digest`.
    """
    record = dict(content)
    if "rows_digest" not in record:
        record["rows_digest"] = record.pop("frames_digest")
    coverage = record["coverage"]
    if "frames_digest" not in coverage:
        stimuli = read_record(content, "run.json").coverage
        record["coverage"] = by_frame(stimuli, frames, 0 if stimuli.all_stimuli else None).model_dump(mode="json")
    return record


def check_rows(record: RunRecord, frames: pa.Table, stimuli: pa.Table) -> None:
    """Compare both tables with their digests, and every row with what scoring can leave.

    Raises:
        BadData: the first thing that does not fit; without the folder, which the caller knows.
    """
    if record.rows_digest != rows_digest(frames):
        raise BadData("frames.parquet holds other rows than those that were scored")
    if record.stimuli_digest not in (None, stimuli_digest(stimuli)):
        raise BadData("stimuli.parquet holds other rows than those that were written")
    for fault in _row_faults(record, frames):
        raise BadData(f"frames.parquet: {fault}")


def check_summary(record: RunRecord, frames: pa.Table, stimuli: pa.Table, summary: Summary) -> None:
    """Compare means, counts, coverage and stimuli with what follows from the rows; intervals: see `interval_faults`.

    Raises:
        BadData: the first thing that does not fit.
    """
    for faults in (
        _mean_faults(record, summary), _coverage_faults(record, frames), _stimulus_faults(summary, stimuli),
        _gaze_faults(record),
    ):  # fmt: skip
        for fault in faults:
            raise BadData(fault)


def check_words(content: Mapping[str, Any], record: RunRecord) -> None:
    """Compare what a run.json says twice: the protocol with its digest, the coverage with `complete`.

    Raises:
        BadData: they differ.
    """
    said, known = dict(content["protocol"]), all(i in REGISTRY for i in record.protocol.metric_ids.values())
    digest = said.pop("digest")
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    if known and digest != sha256_text(text):  # that of a newer version may be written in another way
        raise BadData("the digest of its protocol does not fit the protocol")
    complete = content["coverage"].get("complete")
    if "frames_digest" in content["coverage"] and complete not in (None, record.coverage.complete):
        raise BadData(f"coverage: complete is {complete}, its counts say {record.coverage.complete}")


def _row_faults(record: RunRecord, frames: pa.Table) -> Iterator[str]:
    """Rows that no scoring leaves: of unknown status, twice, of stimuli that are not covered, of impossible scores."""
    labels = record.protocol.columns
    wrong = {"stimulus_id", "frame", "n_fixations", "status", "reason", *labels} ^ set(frames.column_names)
    if wrong:
        yield f"the column {sorted(wrong)[0]} is missing, or too much"
    unknown = set(counts_of(frames["status"])) - _STATUSES
    if unknown:
        yield f"unknown status {sorted(map(str, unknown))[0]!r}"
    if _doubled(frames["stimulus_id"], frames["frame"]):
        yield "a frame is there twice, or has no number"
    covered = set(record.coverage.scored)
    surplus = [i for i in stimuli_of(frames["stimulus_id"])[0] if i not in covered]
    if surplus:
        yield f"rows of {surplus[0]!r}, which its coverage does not name"
    scored = is_scored(frames["status"])
    others = np.flatnonzero(~scored)
    if _at_odds(frames["n_fixations"], frames["status"]):
        yield "the number of fixations does not fit the status"
    for label, metric_id in record.protocol.metric_ids.items():
        values = frames[label].to_numpy()
        if not np.isnan(values[others]).all():
            yield f"{label} of a frame that is not scored"
        low, high = REGISTRY[metric_id].range if metric_id in REGISTRY else (-np.inf, np.inf)
        outside = np.flatnonzero((values < low - _SLACK) | (values > high + _SLACK))
        if len(outside):
            row, value = frames.slice(outside[0], 1).to_pylist()[0], values[outside[0]]
            yield f"{label} of {row['stimulus_id']}, frame {row['frame']}, is {value}, outside of {low:g} to {high:g}"


@once
def _at_odds(n_fixations: pa.ChunkedArray, status: pa.ChunkedArray) -> bool:
    """Whether a row says that somebody looked, and that nobody did."""
    empty = pc.fill_null(pc.equal(status, "no_fixation"), False).to_numpy()
    looked = n_fixations.to_numpy()
    return bool((looked < 0).any() or ((looked > 0) == empty).any())


@once
def _doubled(names: pa.ChunkedArray, numbers: pa.ChunkedArray) -> bool:
    """Whether a row has no stimulus or no number from 0, or two rows are of one frame."""
    if names.null_count or numbers.null_count:
        return True
    which, number = stimuli_of(names)[1], numbers.to_numpy()
    if (number < 0).any():
        return True
    order = np.lexsort((number, which))
    which, number = which[order], number[order]
    return bool(((which[1:] == which[:-1]) & (number[1:] == number[:-1])).any())


def _mean_faults(record: RunRecord, summary: Summary) -> Iterator[str]:
    if summary.counts != record.counts:
        yield f"it counts {record.counts.model_dump()}, its rows give {summary.counts.model_dump()}"
    for label, metric in summary.metrics.items():
        for name in _MEANS:
            stored, computed = getattr(record.metrics[label], name), getattr(metric, name)
            if not _same(stored, computed):
                yield f"{label if name == 'mean' else f'{label}, {name},'} is {stored}, its rows give {computed}"
        if record.stimuli_digest and record.metrics[label].reason != metric.reason:
            yield f"{label}, reason, is {record.metrics[label].reason!r}, its rows give {metric.reason!r}"


def _coverage_faults(record: RunRecord, frames: pa.Table) -> Iterator[str]:
    """Compare the coverage with the rows, and its counts with each other."""
    c = record.coverage
    ids, _ = stimuli_of(frames["stimulus_id"])
    if sorted(c.scored) != sorted(ids):
        absent = sorted(set(c.scored) - set(ids)) or ["a stimulus twice"]
        yield f"coverage: it names {absent[0]!r}, which has no rows"
    causes = len(c.without_frames) + len(c.not_predicted) + c.left_out_by_limit + c.left_out_by_frames_of
    if min(c.left_out_by_limit, c.left_out_by_frames_of) < 0 or len(c.scored) + causes > c.annotated:
        yield f"coverage: {len(c.scored)} stimuli and {causes} left out are more than the {c.annotated} of the split"
    computed = by_frame(c, frames, 0)
    for name in ("frames_scored", "frames_digest"):
        if getattr(c, name) != getattr(computed, name):
            yield f"coverage: {name} is {getattr(c, name)}, its rows give {getattr(computed, name)}"
    here, said = computed.frames_expected or 0, c.frames_expected
    if said is not None and (said < here or (c.all_stimuli and said != here)):
        yield f"coverage: frames_expected is {said}, its rows give {here}{'' if c.all_stimuli else ' or more'}"


def _stimulus_faults(summary: Summary, stimuli: pa.Table) -> Iterator[str]:
    for column, values in summary.stimuli.items():
        if column not in stimuli.column_names or not _same_column(values, stimuli[column]):
            yield f"stimuli.parquet: {column} does not follow from the rows"


def of_intervals(record: RunRecord, stimuli: pa.Table, summary: Summary) -> ForIntervals | None:
    """Return what the intervals of a run follow from; None for a run of before they were kept.

    Raises:
        BadData: a stimulus has no group. KeyError: there is no column of groups.
    """
    kept = any(end is not None for m in record.metrics.values() for end in (m.low, m.high, m.note))
    if not kept or not record.coverage.frames_digest:
        return None
    groups = tuple(stimuli["group_id"].to_pylist())
    if not all(isinstance(group, str) for group in groups):
        raise BadData("stimuli.parquet: a stimulus has no group")
    values = np.column_stack([stimuli[label].to_numpy() for label in summary.metrics])
    return summary.metrics, values, groups, seed_of(record.coverage.frames_digest)


def interval_faults(runs: Sequence[tuple[RunRecord, ForIntervals]]) -> list[str | None]:
    """Compare the intervals of runs with those of their stimuli.

    Args:
        runs: the record of each, and `of_intervals`.

    Returns:
        For each the first interval that does not follow, None where all do.
    """
    faults: list[str | None] = []
    for (record, _), metrics in zip(runs, several_with_intervals([given for _, given in runs]), strict=True):
        wrong = [label for label, metric in metrics.items() if not _same_interval(record.metrics[label], metric)]
        faults.append(f"the interval of {wrong[0]} does not follow from its stimuli" if wrong else None)
    return faults


def _same_interval(a: MetricRecord, b: MetricRecord) -> bool:
    return a.note == b.note and _near(a.low, b.low) and _near(a.high, b.high)


def _near(a: float | None, b: float | None) -> bool:
    """Whether two ends of an interval are the same but for rounding."""
    return (a is None and b is None) or (a is not None and b is not None and abs(a - b) <= 1e-6 * max(1, abs(a)))


def _gaze_faults(record: RunRecord) -> Iterator[str]:
    """Compare the means of predicted positions with those of the stimuli."""
    gaze = record.gaze_points
    for name, mean in gaze.mean.items() if gaze else ():
        values = [v for scores in gaze.stimuli.values() if (v := scores.get(name)) is not None] if gaze else []
        computed = sum(values) / len(values) if values else None
        if not _same(mean, computed):
            yield f"gaze_points: {name} is {mean}, its stimuli give {computed}"


def _same_column(a: pd.Series[Any], b: pa.ChunkedArray) -> bool:
    if len(a) != len(b) or not pd.api.types.is_float_dtype(a):
        return a.tolist() == list(b.to_pylist())
    stored = b.to_numpy().astype(np.float64, copy=False)
    return bool(np.allclose(a.to_numpy(), stored, rtol=1e-12, atol=1e-12, equal_nan=True))


def _same(a: float | None, b: float | None) -> bool:
    return (a is None and b is None) or (a is not None and b is not None and abs(a - b) <= 1e-12 * max(1, abs(a)))

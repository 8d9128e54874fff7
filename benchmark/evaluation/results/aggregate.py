"""From the rows of a run to everything downstream: means, counts, a row for each stimulus. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from .schema import CountsRecord, MetricRecord


@dataclass(frozen=True)
class Summary:
    """What follows from the rows of a run.

    Attributes:
        metrics: both means of each metric by its label.
        counts: rows by status.
        stimuli: a row for each stimulus, in the order of the rows: `stimulus_id`, `n_frames`, `n_scored`, and the mean
            of each metric over its scored frames.
    """

    metrics: dict[str, MetricRecord]
    counts: CountsRecord
    stimuli: pd.DataFrame


def summarize(frames: pa.Table, metric_ids: Mapping[str, str], average: str) -> Summary:
    """Aggregate the rows of a run.

    Args:
        frames: all rows.
        metric_ids: full id with parameters of each label, in the order of the columns.
        average: `stimulus` or `frame`, which of the two means is the protocol's.
    """
    is_scored = pc.fill_null(pc.equal(frames["status"], "scored"), False)
    here = is_scored.to_numpy()
    values = {label: pd.Series(frames[label].to_numpy()[here]) for label in metric_ids}
    stimuli = _by_stimulus(frames["stimulus_id"].combine_chunks(), here, values)
    reasons = _counted(frames["reason"].filter(is_scored))
    scored = int(here.sum())
    metrics = {}
    for label, metric_id in metric_ids.items():
        defined = values[label].dropna()
        of_stimuli, of_frames = _plain(stimuli[label].mean()), _plain(defined.mean())
        metrics[label] = MetricRecord(
            id=metric_id,
            mean=of_stimuli if average == "stimulus" else of_frames,
            mean_stimuli=of_stimuli,
            mean_frames=of_frames,
            n=len(defined),
            reason=_infinite(defined) or _common_reason(reasons, label, scored),
        )
    counted = _counted(frames["status"])
    by_status = {name: counted.get(name, 0) for name in CountsRecord.model_fields if name != "frames"}
    return Summary(metrics, CountsRecord(frames=frames.num_rows, **by_status), stimuli)


def _counted(column: pa.ChunkedArray) -> dict[str | None, int]:
    """Return how often each value stands in a column."""
    return {part["values"]: part["counts"] for part in column.value_counts().to_pylist()}


def _by_stimulus(
    ids: pa.Array, is_scored: npt.NDArray[np.bool_], values: Mapping[str, pd.Series[float]]
) -> pd.DataFrame:
    """Return a row a stimulus.

    Args:
        ids: of the stimulus of each row.
        is_scored: which rows are scored.
        values: of each metric in the scored rows.
    """
    coded = ids.dictionary_encode()
    numbers, n = coded.indices.to_numpy(), len(coded.dictionary)
    means = pd.DataFrame(dict(values)).groupby(numbers[is_scored], sort=False).mean().reindex(range(n))
    out = pd.DataFrame({"stimulus_id": coded.dictionary.to_pylist()})
    out["n_frames"] = np.bincount(numbers, minlength=n)
    out["n_scored"] = np.bincount(numbers[is_scored], minlength=n)
    for label in values:
        out[label] = means[label].to_numpy()
    return out


def _plain(value: float) -> float | None:
    """A mean as JSON can hold it; None where it is undefined or infinite."""
    return float(value) if np.isfinite(value) else None


def _infinite(values: pd.Series[float]) -> str | None:
    count = int(np.isinf(values).sum())
    return f"infinite in {count} of {len(values)} frames" if count else None


def _common_reason(reasons: Mapping[str | None, int], name: str, scored: int) -> str | None:
    """The most frequent reason of a metric, with its number of frames; of equally frequent ones the first by name.

    Args:
        reasons: how many scored rows give each text of reasons.
        name: of the metric.
        scored: how many rows are scored.
    """
    counts: dict[str, int] = {}
    for text, count in reasons.items():
        for part in text.split("; ") if text is not None else ():
            of, _, why = part.partition(": ")
            if name in of.split(", "):
                counts[why] = counts.get(why, 0) + count
    if not counts:
        return None
    first = max(sorted(counts), key=counts.__getitem__)
    return f"{first} ({counts[first]} of {scored} frames)"

"""From the rows of a run to everything downstream: means, counts, a row for each stimulus. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

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
    table = frames.to_pandas()
    scored = table[table["status"] == "scored"]
    stimuli = _by_stimulus(table, scored, list(metric_ids))
    metrics = {}
    for label, metric_id in metric_ids.items():
        values = scored[label].dropna()
        of_stimuli, of_frames = _plain(stimuli[label].mean()), _plain(values.mean())
        metrics[label] = MetricRecord(
            id=metric_id,
            mean=of_stimuli if average == "stimulus" else of_frames,
            mean_stimuli=of_stimuli,
            mean_frames=of_frames,
            n=len(values),
            reason=_infinite(values) or _common_reason(scored, label),
        )
    statuses = {name: int((table["status"] == name).sum()) for name in CountsRecord.model_fields if name != "frames"}
    return Summary(metrics, CountsRecord(frames=len(table), **statuses), stimuli)


def _by_stimulus(table: pd.DataFrame, scored: pd.DataFrame, labels: list[str]) -> pd.DataFrame:
    ids = table["stimulus_id"].drop_duplicates().tolist()
    means = scored.groupby("stimulus_id", sort=False)[labels].mean()
    out = pd.DataFrame({"stimulus_id": ids})
    out["n_frames"] = table.groupby("stimulus_id", sort=False).size().reindex(ids).to_numpy()
    out["n_scored"] = scored.groupby("stimulus_id", sort=False).size().reindex(ids, fill_value=0).to_numpy()
    for label in labels:
        out[label] = means[label].reindex(ids).to_numpy()
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

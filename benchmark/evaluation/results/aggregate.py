"""From the rows of a run to everything downstream: means, counts, a row for each stimulus. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from .schema import CountsRecord, MetricRecord
from .shared import counts_of, is_scored, stimuli_of


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
    here = is_scored(frames["status"])
    every = bool(here.all())
    found = [frames[label].to_numpy() for label in metric_ids]
    values = {label: v if every else v[here] for label, v in zip(metric_ids, found, strict=True)}
    stimuli = _by_stimulus(frames["stimulus_id"], here, values)
    reasons = counts_of(frames["reason"] if every else frames["reason"].filter(pa.array(here)))
    scored = int(here.sum())
    metrics = {}
    for label, metric_id in metric_ids.items():
        undefined = np.isnan(values[label])
        defined = values[label][~undefined] if undefined.any() else values[label]
        of_stimuli, of_frames = _mean(stimuli[label].to_numpy()), _mean(defined)
        metrics[label] = MetricRecord(
            id=metric_id,
            mean=of_stimuli if average == "stimulus" else of_frames,
            mean_stimuli=of_stimuli,
            mean_frames=of_frames,
            n=len(defined),
            reason=_infinite(defined) or _common_reason(reasons, label, scored),
        )
    counted = counts_of(frames["status"])
    by_status = {name: counted.get(name, 0) for name in CountsRecord.model_fields if name != "frames"}
    return Summary(metrics, CountsRecord(frames=frames.num_rows, **by_status), stimuli)


def _by_stimulus(
    names: pa.ChunkedArray, is_scored: npt.NDArray[np.bool_], values: Mapping[str, npt.NDArray[np.float64]]
) -> pd.DataFrame:
    """Return a row a stimulus.

    Args:
        names: the stimulus of each row.
        is_scored: which rows are scored.
        values: of each metric in the scored rows.
    """
    ids, places = stimuli_of(names)
    scored, n = places if is_scored.all() else places[is_scored], len(ids)
    means = pd.DataFrame(np.array(list(values.values())).T, copy=False).groupby(scored, sort=False).mean()
    means = means.reindex(range(n))
    return pd.DataFrame(
        {
            "stimulus_id": list(ids),
            "n_frames": np.bincount(places, minlength=n),
            "n_scored": np.bincount(scored, minlength=n),
        }
        | {label: means[k].to_numpy() for k, label in enumerate(values)}
    )


def _mean(values: npt.NDArray[np.float64]) -> float | None:
    """A mean as JSON can hold it; None where it is undefined or infinite."""
    undefined = np.isnan(values)
    n = len(values) - int(undefined.sum())
    with np.errstate(invalid="ignore"):  # infinities of both signs
        mean = (np.where(undefined, 0.0, values) if n < len(values) else values).sum() / n if n else np.nan
    return float(mean) if np.isfinite(mean) else None


def _infinite(values: npt.NDArray[np.float64]) -> str | None:
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

"""The interval of each mean of a run, from its stimuli."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ...statistics import intervals
from .schema import MetricRecord


def with_intervals(metrics: Mapping[str, MetricRecord], stimuli: pd.DataFrame, seed: int) -> dict[str, MetricRecord]:
    """Return the metrics of a run with the 95 % interval of each mean over stimuli.

    Args:
        metrics: by label.
        stimuli: a row a stimulus, with `group_id` and the mean of each metric.
        seed: of the frames that are scored, so that runs on the same frames share their resamples.
    """
    values = stimuli[list(metrics)].to_numpy(dtype=np.float64)
    infinite = np.isinf(values).sum(axis=0)
    found = intervals(np.where(infinite > 0, np.nan, values), stimuli["group_id"].tolist(), seed=seed)
    out = {}
    for (label, metric), interval, count in zip(metrics.items(), found, infinite, strict=True):
        note = f"infinite for {count} of {len(stimuli)} stimuli" if count else interval.note
        ends = {"low": _rounded(interval.low), "high": _rounded(interval.high)}
        out[label] = metric.model_copy(update={**ends, "note": note})
    return out


def _rounded(value: float | None) -> float | None:
    """Ten digits: the last ones of a sum hang on the machine that adds, and a result is equal to the byte on all."""
    return None if value is None else float(f"{value:.10g}")

"""The interval of each mean of a run, from its stimuli."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np
import numpy.typing as npt
import pandas as pd

from ...statistics import Interval, intervals
from .schema import MetricRecord

ForIntervals = tuple[Mapping[str, MetricRecord], npt.NDArray[np.float64], tuple[str, ...], int]
"""Metrics by label, the mean of each over each stimulus, (stimuli, metrics), the group of each stimulus, a seed."""


def with_intervals(metrics: Mapping[str, MetricRecord], stimuli: pd.DataFrame, seed: int) -> dict[str, MetricRecord]:
    """Return the metrics of a run with the 95 % interval of each mean over stimuli.

    Args:
        metrics: by label.
        stimuli: a row a stimulus, with `group_id` and the mean of each metric.
        seed: of the frames that are scored, so that runs on the same frames share their resamples.
    """
    values = stimuli[list(metrics)].to_numpy(dtype=np.float64)
    return several_with_intervals([(metrics, values, tuple(stimuli["group_id"].tolist()), seed)])[0]


def several_with_intervals(runs: Sequence[ForIntervals]) -> list[dict[str, MetricRecord]]:
    """Do the same for several runs; those of one seed and the same groups of stimuli share their resamples."""
    alike: dict[tuple[int, tuple[str, ...]], list[int]] = {}
    for k, (_, _, groups, seed) in enumerate(runs):
        alike.setdefault((seed, groups), []).append(k)
    found: dict[int, list[Interval]] = {}
    for (seed, groups), among in alike.items():
        some = [runs[k][1] for k in among]
        together = np.column_stack([np.where(np.isinf(v).any(axis=0), np.nan, v) for v in some])
        made = iter(intervals(together, list(groups), seed=seed))
        found |= {k: list(islice(made, runs[k][1].shape[1])) for k in among}
    return [_said(metrics, values, found[k]) for k, (metrics, values, _, _) in enumerate(runs)]


def _said(
    metrics: Mapping[str, MetricRecord], values: npt.NDArray[np.float64], found: Sequence[Interval]
) -> dict[str, MetricRecord]:
    infinite = np.isinf(values).sum(axis=0)
    out = {}
    for (label, metric), interval, count in zip(metrics.items(), found, infinite, strict=True):
        note = f"infinite for {count} of {len(values)} stimuli" if count else interval.note
        ends = {"low": _rounded(interval.low), "high": _rounded(interval.high)}
        out[label] = metric.model_copy(update={**ends, "note": note})
    return out


def _rounded(value: float | None) -> float | None:
    """Ten digits: the last ones of a sum hang on the machine that adds, and a result is equal to the byte on all."""
    return None if value is None else float(f"{value:.10g}")

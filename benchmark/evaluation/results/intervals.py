"""The interval of each mean of a run, from its stimuli."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np
import numpy.typing as npt
import pandas as pd

from ...statistics import Interval, intervals
from .schema import MetricRecord

ForIntervals = tuple[Mapping[str, MetricRecord], pd.DataFrame, int]
"""The arguments of `with_intervals`."""


def with_intervals(metrics: Mapping[str, MetricRecord], stimuli: pd.DataFrame, seed: int) -> dict[str, MetricRecord]:
    """Return the metrics of a run with the 95 % interval of each mean over stimuli.

    Args:
        metrics: by label.
        stimuli: a row a stimulus, with `group_id` and the mean of each metric.
        seed: of the frames that are scored, so that runs on the same frames share their resamples.
    """
    return several_with_intervals([(metrics, stimuli, seed)])[0]


def several_with_intervals(
    runs: Sequence[ForIntervals],
) -> list[dict[str, MetricRecord]]:
    """Do the same for several runs; those of one seed, with the same stimuli in the same order, share their resamples.

    Args:
        runs: metrics, stimuli and seed of each, as `with_intervals` takes them.
    """
    values = [stimuli[list(metrics)].to_numpy(dtype=np.float64) for metrics, stimuli, _ in runs]
    alike: dict[tuple[int, tuple[str, ...]], list[int]] = {}
    for k, (_, stimuli, seed) in enumerate(runs):
        alike.setdefault((seed, tuple(stimuli["group_id"])), []).append(k)
    found: dict[int, list[Interval]] = {}
    for (seed, groups), among in alike.items():
        together = np.column_stack([np.where(np.isinf(v).any(axis=0), np.nan, v) for v in (values[k] for k in among)])
        made = iter(intervals(together, list(groups), seed=seed))
        found |= {k: list(islice(made, values[k].shape[1])) for k in among}
    return [_said(metrics, values[k], found[k]) for k, (metrics, _, _) in enumerate(runs)]


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

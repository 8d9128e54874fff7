"""Why the numbers of two results differ, or of a result and a paper: causes in the order in which to look at them.

First what cannot be compared at all (release, split), then the protocol, choice by choice, then what moves less, then
which frames were scored, which is measured on the rows; at last the stimuli that moved most, and one frame worked out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from vidsal.loaders.errors import UnknownName, WrongUse

from ...protocols import protocol as find_protocol
from ...reported import Reported, find_reported
from ..results.differences import find_label, stimulus_means
from ..results.scored_frames import common_frames, rows_among
from ..results.store import Run
from . import causes
from .causes import Cause

MOST_STIMULI = 5


@dataclass(frozen=True)
class Explanation:
    """Why numbers differ.

    Attributes:
        metrics: by label, both numbers and a - b; None where one is not defined.
        metric: the one that stimuli and frames are shown in; None for a number from a paper.
        causes: in order; empty where nothing differs.
    """

    metrics: dict[str, tuple[float | None, float | None, float | None]]
    metric: str | None
    causes: tuple[Cause, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        keys = ("a", "b", "difference")
        return {
            "metrics": {label: dict(zip(keys, values, strict=True)) for label, values in self.metrics.items()},
            "metric": self.metric,
            "causes": [cause.to_dict() for cause in self.causes],
        }


def why(a: Run, b: Run, metric: str | None = None) -> Explanation:
    """Explain the differences of two runs.

    Args:
        a, b: the runs.
        metric: the one in which to show stimuli and a frame; None = the one that moved most beside the spread of its
            stimuli.

    Raises:
        UnknownName: they have no such metric. WrongUse: they have none in common.
    """
    find_label([a, b], metric)
    one, other = a.typed, b.typed
    numbers = {
        label: _pair(one.metrics[label].mean, other.metrics[label].mean) for label in a.metrics if label in b.metrics
    }
    found: list[Cause] = [*causes.of_release(one, other), *causes.of_split(one, other)]
    found += causes.of_protocol(
        one.protocol, other.protocol, _fixations(a), _both_means(a), list(numbers), _moved(a, b, numbers)
    )
    for of in (causes.of_recipe, causes.of_engine, causes.of_encoding):
        found += of(one, other)
    chosen = common_frames([a.frame_table, b.frame_table]) if one.release.dataset == other.release.dataset else None
    if chosen is None or not len(chosen):
        if one.release.digest == other.release.digest:
            found.append(Cause("coverage", causes.covered(a.typed), causes.covered(b.typed), "no frame in common"))
        return Explanation(numbers, metric, (*found, *causes.of_model(one, other)))
    rows = [_rows(run, chosen) for run in (a, b)]
    label = metric or _most_moved(rows, list(numbers))
    found += [*_of_coverage(a, b, rows, list(numbers)), *causes.of_model(one, other)]
    found += [*_of_stimuli(rows, label), *_of_frame(rows, label, a, b)]
    return Explanation(numbers, label, tuple(found))


def why_reported(
    run: Run, reported: Mapping[str, float], protocol: str | None = None, digits: Mapping[str, int] | None = None
) -> Explanation:
    """Explain the differences of a run and numbers that somebody published.

    Args:
        run: ours.
        reported: theirs, by label of the metric.
        protocol: that which reproduces their scoring; None = that of the cited number, where it is a known one.
        digits: decimals with which each was quoted; None = as many as the number has.

    Raises:
        WrongUse: no number. UnknownName: the run has no such metric, or there is no such protocol.
    """
    if not reported:
        raise WrongUse("no number was given; say for example --reported NSS=2.776")
    record = run.typed
    numbers = {}
    for label, value in reported.items():
        if label not in run.metrics:
            raise UnknownName("metric", label, run.metrics)
        if not math.isfinite(value):
            raise WrongUse(f"{label} is {value}; expected a finite number")
        numbers[label] = _pair(record.metrics[label].mean, value)
    cited = _cited(run, reported)
    found: list[Cause] = []
    if cited:
        found += causes.of_cited(record, cited)
    name = protocol or (cited.protocol if cited else None)
    if name is None:
        found.append(
            Cause("protocol", record.protocol.name, "not said", "unknown; name the code that scored it, as --protocol "
                  "dhf1k-1: one set of maps scores AUC-J 0.873 or 0.882 by it")
        )  # fmt: skip
    else:
        means = {k: v for k, v in _both_means(run).items() if k in reported}
        found += causes.of_protocol(record.protocol, find_protocol(name), _fixations(run), means, list(reported))
    found += causes.of_part(record)
    for label, value in reported.items():
        found += causes.of_chance(record, label, value, (digits or {}).get(label))
    return Explanation(numbers, None, tuple(found))


def _pair(a: float | None, b: float | None) -> tuple[float | None, float | None, float | None]:
    return a, b, None if a is None or b is None else a - b


def _moved(
    a: Run, b: Run, numbers: Mapping[str, tuple[float | None, float | None, float | None]]
) -> dict[str, float] | None:
    """What the protocol did to each metric, b - a; None where something else differs too."""
    one, other = a.typed, b.typed
    same = (one.release.digest, one.split, one.truth, one.model, one.coverage)
    if same != (other.release.digest, other.split, other.truth, other.model, other.coverage):
        return None
    return {label: 0 - d for label, (_, _, d) in numbers.items() if d is not None}


def _fixations(run: Run) -> float:
    """Fixated pixels in a scored frame, on average; 15 where there is none."""
    scored = run.frames.loc[run.frames["status"] == "scored", "n_fixations"]
    return float(scored.mean()) if len(scored) else 15.0


def _both_means(run: Run) -> dict[str, tuple[float, float]]:
    found = {label: (m.mean_stimuli, m.mean_frames) for label, m in run.typed.metrics.items()}
    return {k: (x, y) for k, (x, y) in found.items() if x is not None and y is not None}


def _rows(run: Run, chosen: pd.MultiIndex) -> pd.DataFrame:
    frame: pd.DataFrame = rows_among(run.frame_table, chosen).to_pandas()
    return frame.sort_values(["stimulus_id", "frame"], ignore_index=True)


def _differences(rows: list[pd.DataFrame], label: str) -> tuple[pd.Series[float], pd.Series[float]]:
    """The stimulus means of both, on the frames for which both have a finite value."""
    a, b = (r[label] for r in rows)
    both = np.isfinite(a) & np.isfinite(b)
    return stimulus_means(rows[0][both], label), stimulus_means(rows[1][both], label)


def _most_moved(rows: list[pd.DataFrame], labels: list[str]) -> str:
    def moved(label: str) -> float:
        a, b = _differences(rows, label)
        if not len(a):
            return -1.0
        spread = float(np.std(np.concatenate([a, b])))
        size = float((a - b).abs().mean())
        return size / spread if spread > 0 else math.copysign(math.inf, size) if size else 0.0

    return max(labels, key=moved)


def _of_coverage(a: Run, b: Run, rows: list[pd.DataFrame], labels: list[str]) -> Iterator[Cause]:
    """Which frames were scored, and what that does: measured on the frames in common."""
    extra = [run.typed.counts.scored - len(r) for run, r in zip((a, b), rows, strict=True)]
    if not any(extra):
        return
    told = []
    for label in labels:
        for place, run, r in zip("ab", (a, b), rows, strict=True):
            metric = run.typed.metrics[label]
            average = run.typed.protocol.average
            finite = r[np.isfinite(r[label])]
            mean = stimulus_means(finite, label).mean() if average == "stimulus" else finite[label].mean()
            if metric.mean is not None and len(finite) and abs(mean - metric.mean) > 5e-5:
                told.append(f"{label} of {place} is {mean:.4f} on them, {metric.mean:.4f} on all of its own")
    yield Cause(
        "coverage",
        causes.covered(a.typed),
        causes.covered(b.typed),
        f"{len(rows[0]):,} frames in common; {'; '.join(told) or 'none'}",
    )


def _of_stimuli(rows: list[pd.DataFrame], label: str) -> Iterator[Cause]:
    """The stimuli that moved most."""
    a, b = _differences(rows, label)
    moved = a - b
    whole = float(moved.abs().sum())
    order = moved.abs().sort_values(ascending=False, kind="stable").index[:MOST_STIMULI]
    for stimulus_id in order:
        size = float(moved[stimulus_id])
        if abs(size) <= 1e-12:
            return
        yield Cause(
            f"stimulus {stimulus_id}", f"{label} {a[stimulus_id]:.4f}", f"{label} {b[stimulus_id]:.4f}",
            f"{size:+.4f}, {abs(size) / whole:.0%} of what moved in {len(moved)} stimuli",
        )  # fmt: skip


def _of_frame(rows: list[pd.DataFrame], label: str, a: Run, b: Run) -> Iterator[Cause]:
    """The frame that moved most, worked out."""
    moved = (rows[0][label] - rows[1][label]).abs()
    moved = moved[np.isfinite(moved)]
    if not len(moved) or moved.max() <= 1e-12:
        return
    place = int(np.argmax(moved))
    one, other = (r.loc[moved.index].iloc[place] for r in rows)
    texts = _row_in_words(one, a), _row_in_words(other, b)
    effect = f"{label} {one[label] - other[label]:+.4f}"
    yield Cause(
        f"frame {one['frame']} of {one['stimulus_id']}", *texts, "; ".join([effect, *_worked(label, one, other, a, b)])
    )


def _row_in_words(row: pd.Series[Any], run: Run) -> str:
    scores = ", ".join(f"{label} {row[label]:.4f}" for label in run.metrics if not pd.isna(row[label]))
    return f"{row['n_fixations']} fixated pixels; {scores}" + (f"; {_reason(row)}" if _reason(row) else "")


def _reason(row: pd.Series[Any]) -> str:
    return "" if pd.isna(row["reason"]) else str(row["reason"])


def _worked(label: str, one: pd.Series[Any], other: pd.Series[Any], a: Run, b: Run) -> Iterator[str]:
    """Arithmetic that explains the difference of a frame."""
    ids = [run.typed.protocol.metric_ids[label] for run in (a, b)]
    if label == "AUC-J" and ("trapz" in ids[0]) != ("trapz" in ids[1]):
        n = int(one["n_fixations"])
        step = (one[label] - other[label]) * (1 if "trapz" in ids[0] else -1)
        yield (
            f"the bonus fp_n / (2 n) is at most 1 / {2 * n} = {1 / (2 * n):.4f} here; all of the difference would be "
            f"fp_n = {2 * n * step:.3f}, the share of the other pixels that lie above the lowest fixated one"
        )
    if one["n_fixations"] != other["n_fixations"]:
        yield "the two runs know other fixations of this frame"
    if _reason(one) != _reason(other):
        yield "the reasons differ: a convention replaces a score in one of them"


def _cited(run: Run, reported: Mapping[str, float]) -> Reported | None:
    """The model of which all numbers are published ones, of this data set before others."""
    for dataset in (run.typed.release.dataset, None):
        of_each = [find_reported(label, value, dataset) for label, value in reported.items()]
        sources = [{(r.model, r.dataset, r.split) for r in found} for found in of_each]
        shared = set.intersection(*sources)
        if len(shared) == 1:
            (key,) = shared
            return next(r for r in of_each[0] if (r.model, r.dataset, r.split) == key)
    return None

"""What a release holds, in numbers: points over time, center bias, durations, saccades, observers.

One pass, one stimulus in memory. What the source does not give has no number but a reason. Positions are counted as
they are scored: points, in bounds, without forced starts. Durations and amplitudes are those of all events.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..records import EVENTS, Float64Array, Int64Array
from ..release.release import Release, Stimulus
from ..release.walk import point_rows, walk

GRID = (36, 64)
"""Rows and columns of the center-bias map."""

ONSET_BIN_MS = 100
_TIMED = ("fixation", "pursuit", "saccade")
_SCAN = ("fixation", "pursuit", "noise")


class Histogram:
    """Counts in bins of one width from 0 on, with exact number, mean, spread, least and greatest.

    What lies beyond the last bin is counted in it. Quantiles are exact to the width of a bin.
    """

    def __init__(self, width: float, bins: int) -> None:
        self.width = width
        self.counts = np.zeros(bins, np.int64)
        self._sum = self._squares = 0.0
        self.low, self.high = np.inf, -np.inf

    def add(self, values: Float64Array) -> None:
        """Count values, at least 0."""
        if not len(values):
            return
        place = np.minimum(values // self.width, len(self.counts) - 1).astype(np.int64)
        self.counts += np.bincount(place, minlength=len(self.counts))
        self._sum += float(values.sum())
        self._squares += float((values**2).sum())
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))

    @property
    def n(self) -> int:
        """How many values."""
        return int(self.counts.sum())

    def quantile(self, q: float) -> float:
        """Return a quantile, the middle of the bin in which it lies."""
        place = int(np.searchsorted(np.cumsum(self.counts), q * self.n, side="left"))
        return float(min(max((place + 0.5) * self.width, self.low), self.high))

    def summary(self) -> dict[str, float | int] | None:
        """Return n, mean, sd, min, quartiles, max; None without a value."""
        if not self.n:
            return None
        mean = self._sum / self.n
        return {
            "n": self.n,
            "mean": mean,
            "sd": max(self._squares / self.n - mean**2, 0.0) ** 0.5,
            "min": self.low,
            "q25": self.quantile(0.25),
            "median": self.quantile(0.5),
            "q75": self.quantile(0.75),
            "max": self.high,
        }


@dataclass
class Statistics:
    """The statistics of a release, or of one split of it.

    Attributes:
        release, split: what was counted.
        stimuli, annotated, frames, annotated_frames: counts.
        images: how many of the stimuli are images.
        events: number of rows by event.
        in_bounds, out_of_bounds, points: of the rows.
        observers: how many different ones; None where the source pooled them.
        observers_per_stimulus: of the annotated stimuli, in order; None where it is not known.
        over_time: points on a frame by its number (videos), float64 (longest,), mean over the stimuli that have that
            frame annotated, NaN where none has; for images alone: points that begin in each `ONSET_BIN_MS`, mean over
            the images.
        over_time_images: whether `over_time` counts onsets.
        center_bias: float64, shape `GRID`, share of the points in each cell of the frame; sums to 1.
        mean_xy, sd_xy: of the points, as shares of width and height.
        durations_ms: by event.
        amplitude_px, amplitude_deg: distance between consecutive fixations of an observer.
        per_stimulus: a dict each: stimulus_id, split, frames, annotated_frames, points, points_per_frame, observers.
        reasons: why a number is missing, by its name.
    """

    release: str
    split: str
    stimuli: int = 0
    images: int = 0
    annotated: int = 0
    frames: int = 0
    annotated_frames: int = 0
    events: dict[str, int] = field(default_factory=dict)
    in_bounds: int = 0
    out_of_bounds: int = 0
    points: int = 0
    observers: int | None = None
    observers_per_stimulus: list[int] | None = None
    over_time: Float64Array = field(default_factory=lambda: np.empty(0))
    over_time_images: bool = False
    center_bias: Float64Array = field(default_factory=lambda: np.zeros(GRID))
    mean_xy: tuple[float, float] | None = None
    sd_xy: tuple[float, float] | None = None
    durations_ms: dict[str, Histogram] = field(default_factory=dict)
    amplitude_px: Histogram = field(default_factory=lambda: Histogram(1.0, 4096))
    amplitude_deg: Histogram = field(default_factory=lambda: Histogram(0.1, 1000))
    per_stimulus: list[dict[str, Any]] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)

    def numbers(self) -> dict[str, Any]:
        """Return everything as plain numbers, texts, lists and dicts, for JSON."""
        counts = (
            "stimuli",
            "images",
            "annotated",
            "frames",
            "annotated_frames",
            "points",
            "in_bounds",
            "out_of_bounds",
        )
        durations = {event: h.summary() for event, h in self.durations_ms.items() if h.n}
        return {
            "release": self.release,
            "split": self.split,
            **{name: getattr(self, name) for name in counts},
            "events": self.events,
            "points_per_frame": self.points_per_frame,
            "observers": self.observers,
            "observers_per_stimulus": summary_of(self.observers_per_stimulus),
            "duration_ms": durations or None,
            "saccade_amplitude_px": self.amplitude_px.summary(),
            "saccade_amplitude_deg": self.amplitude_deg.summary(),
            "mean_xy": None if self.mean_xy is None else list(self.mean_xy),
            "sd_xy": None if self.sd_xy is None else list(self.sd_xy),
            "per_stimulus": self.per_stimulus,
            "reasons": self.reasons,
        }

    @property
    def points_per_frame(self) -> float | None:
        """Mean number of points on an annotated frame: the mean over stimuli of their means."""
        rates = [s["points_per_frame"] for s in self.per_stimulus if s["points_per_frame"] is not None]
        return float(np.mean(rates)) if rates else None


def summary_of(values: list[int] | None) -> dict[str, float] | None:
    """Return least, median, mean and greatest; None without values."""
    if not values:
        return None
    return {
        "min": float(np.min(values)),
        "median": float(np.median(values)),
        "mean": float(np.mean(values)),
        "max": float(np.max(values)),
    }


def statistics(release: Release) -> Statistics:
    """Count a release, or the split of it that is open.

    Args:
        release: an open release.

    Returns:
        The statistics; numbers that the source cannot give are None, with a reason.
    """
    found = Statistics(release.id, release.split or "all")
    work = _Work()
    for stimulus, rows in walk(release):
        _count(found, work, stimulus, rows)
    found.over_time = np.where(work.covered > 0, work.series / np.maximum(work.covered, 1), np.nan)
    found.over_time_images = bool(found.stimuli) and found.images == found.stimuli
    if found.over_time_images:
        found.over_time = work.onsets / max(found.annotated, 1) if work.onsets.any() else np.empty(0)
    if found.points:
        found.center_bias = work.grid / work.grid.sum()
        mean = work.sums / found.points
        sd = np.sqrt(np.maximum(work.squares / found.points - mean**2, 0))
        found.mean_xy, found.sd_xy = (float(mean[0]), float(mean[1])), (float(sd[0]), float(sd[1]))
    found.observers = len(work.observers) if work.observers else None
    _reasons(found, work)
    return found


@dataclass
class _Work:
    """What is needed on the way only."""

    observers: set[str] = field(default_factory=set)
    series: Float64Array = field(default_factory=lambda: np.zeros(0))
    covered: Int64Array = field(default_factory=lambda: np.zeros(0, np.int64))
    onsets: Int64Array = field(default_factory=lambda: np.zeros(200, np.int64))
    grid: Float64Array = field(default_factory=lambda: np.zeros(GRID))
    sums: Float64Array = field(default_factory=lambda: np.zeros(2))
    squares: Float64Array = field(default_factory=lambda: np.zeros(2))
    fixations: int = 0
    ordered: int = 0
    with_degrees: int = 0


def _count(found: Statistics, work: _Work, stimulus: Stimulus, rows: pa.Table) -> None:
    found.stimuli += 1
    found.images += stimulus.kind == "image"
    found.annotated += stimulus.annotated
    found.frames += stimulus.n_frames
    annotated = stimulus.annotated_indices()
    found.annotated_frames += len(annotated)
    events = rows["event"].cast(pa.string())
    for entry in pc.value_counts(events).to_pylist():
        found.events[entry["values"]] = found.events.get(entry["values"], 0) + entry["counts"]
    inside = int(pc.sum(rows["in_bounds"]).as_py() or 0)
    found.in_bounds += inside
    found.out_of_bounds += rows.num_rows - inside
    points = point_rows(rows)
    found.points += points.num_rows
    observers = set(rows["observer_id"].drop_null().cast(pa.string()).unique().to_pylist())
    work.observers |= observers
    shown = _over_time(work, stimulus, points, annotated)
    number = stimulus.row["n_observers"]
    if stimulus.annotated and number is not None:
        found.observers_per_stimulus = [*(found.observers_per_stimulus or []), int(number)]
    found.per_stimulus.append(
        {
            "stimulus_id": stimulus.id,
            "split": stimulus.split,
            "frames": stimulus.n_frames,
            "annotated_frames": len(annotated),
            "points": points.num_rows,
            "points_per_frame": shown / len(annotated) if len(annotated) else None,
            "observers": None if number is None else int(number),
        }
    )
    _where(work, stimulus, points)
    _how_long(found, rows, events)
    _how_far(found, work, stimulus, rows, events)


def _over_time(work: _Work, stimulus: Stimulus, points: pa.Table, annotated: Int64Array) -> int:
    """Count the points on each frame; return their sum over the annotated frames."""
    first = points["frame"].to_numpy().astype(np.int64)
    last = pc.coalesce(points["frame_end"], points["frame"]).to_numpy().astype(np.int64)
    length = stimulus.n_frames
    change = np.zeros(length + 1, np.int64)
    np.add.at(change, np.clip(first, 0, length), 1)
    np.add.at(change, np.clip(last + 1, 0, length), -1)
    there = np.zeros(length, np.int64)
    there[annotated] = 1
    count = np.cumsum(change)[:length] * there
    if length > len(work.series):
        work.series = np.pad(work.series, (0, length - len(work.series)))
        work.covered = np.pad(work.covered, (0, length - len(work.covered)))
    work.series[:length] += count
    work.covered[:length] += there
    if stimulus.kind == "image":
        onset = points["onset_ms"].drop_null().to_numpy()
        place = np.clip(onset // ONSET_BIN_MS, 0, len(work.onsets) - 1).astype(np.int64)
        work.onsets += np.bincount(place, minlength=len(work.onsets))
    return int(count.sum())


def _where(work: _Work, stimulus: Stimulus, points: pa.Table) -> None:
    xy = np.stack([points[k].to_numpy().astype(np.float64) for k in ("x_px", "y_px")])
    xy /= np.array([[stimulus.width], [stimulus.height]])
    column = np.minimum((xy[0] * GRID[1]).astype(np.int64), GRID[1] - 1)
    row = np.minimum((xy[1] * GRID[0]).astype(np.int64), GRID[0] - 1)
    np.add.at(work.grid, (row, column), 1)
    work.sums += xy.sum(axis=1)
    work.squares += (xy**2).sum(axis=1)


def _how_long(found: Statistics, rows: pa.Table, events: pa.ChunkedArray) -> None:
    for event in _TIMED:
        own = rows.filter(pc.equal(events, event))["duration_ms"].drop_null().to_numpy().astype(np.float64)
        if len(own):
            found.durations_ms.setdefault(event, Histogram(1.0, 10_000)).add(own[own >= 0])


def _how_far(found: Statistics, work: _Work, stimulus: Stimulus, rows: pa.Table, events: pa.ChunkedArray) -> None:
    """Measure from each fixation to the observer's next, where nothing but a saccade lies between."""
    scan = rows.filter(pc.is_in(events, pa.array(_SCAN)))
    event = scan["event"].cast(pa.string())
    work.fixations += int(pc.sum(pc.equal(event, "fixation")).as_py() or 0)
    for time in ("onset_ms", "order"):
        if not scan.num_rows or scan["observer_id"].null_count or scan[time].null_count:
            continue
        keys = pa.table(
            {"o": scan["observer_id"].cast(pa.string()), "r": scan["trial_id"], "t": scan[time].cast(pa.float64())}
        )
        scan = scan.take(pc.sort_indices(keys, sort_keys=[(k, "ascending") for k in ("o", "r", "t")]))
        break
    else:
        return
    fixation = pc.equal(scan["event"].cast(pa.string()), "fixation").to_numpy(zero_copy_only=False)
    work.ordered += int(fixation.sum())
    good = fixation & scan["in_bounds"].to_numpy(zero_copy_only=False)
    own = [scan[k].cast(pa.string()).to_numpy(zero_copy_only=False) for k in ("observer_id", "trial_id")]
    same = np.logical_and.reduce([w[1:] == w[:-1] for w in own])
    pair = good[1:] & good[:-1] & same
    step = [np.diff(scan[k].to_numpy().astype(np.float64))[pair] for k in ("x_px", "y_px")]
    distance = np.hypot(*step)
    found.amplitude_px.add(distance)
    scale = stimulus.screen.px_per_degree
    if scale:
        work.with_degrees += len(distance)
        found.amplitude_deg.add(distance / scale)


def _reasons(found: Statistics, work: _Work) -> None:
    if not found.points:
        found.reasons["points"] = "no stimulus of this split is annotated" if not found.annotated else "nobody looked"
    if found.observers is None:
        found.reasons["observers"] = "the source pooled its observers"
    if found.observers_per_stimulus is None:
        found.reasons["observers_per_stimulus"] = "the source pooled its observers"
    if not any(h.n for h in found.durations_ms.values()):
        samples = found.events.get("point", 0) or found.events.get("mouse", 0)
        found.reasons["durations"] = (
            "the rows are samples or pixels, not events; they have no length"
            if samples
            else "the source does not say how long a fixation lasts"
        )
    if not found.amplitude_px.n:
        found.reasons["amplitudes"] = (
            "there are no fixations, only samples or pixels"
            if not work.fixations
            else "the source gives no observer, or no time and order of the fixations"
            if not work.ordered
            else "no observer has two fixations in a row"
        )
    if not found.amplitude_deg.n:
        found.reasons["amplitudes_deg"] = found.reasons.get(
            "amplitudes", "the source does not say how many pixels are a degree"
        )
    if not len(found.over_time):
        found.reasons["over_time"] = "images, and the source does not say when a fixation begins"
    unknown = set(found.events) - set(EVENTS)
    if unknown:
        found.reasons["events"] = f"unknown events {sorted(unknown)}"

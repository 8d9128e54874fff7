"""The rows of one observer on one stimulus, as samples, points, runs of labels, or fixations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import BadData
from ..records import Arrays, Float64Array, Int64Array, Mask, StimulusRow
from . import events, positions
from .column_map import ColumnMap


@dataclass(frozen=True)
class Recording:
    """Rows of one observer and trial on one stimulus, by time; arrays of length n."""

    observer: str
    trial: str | None
    name: str
    t_us: Int64Array
    frame: Int64Array
    x: Float64Array
    y: Float64Array
    more: Arrays
    event: npt.NDArray[np.object_] | None
    duration_us: Float64Array | None
    timed: bool

    def within(self, n_frames: int | None) -> Mask:
        """Which rows begin on a frame of the stimulus."""
        return (self.frame >= 0) & (self.frame < (n_frames or np.iinfo(np.int64).max))

    def points(self, chosen: Mask) -> dict[str, Any]:
        """Samples as points."""
        return {
            **self._who(int(chosen.sum())),
            "event": np.full(int(chosen.sum()), "point", dtype=object),
            "order": np.flatnonzero(chosen).astype(np.int32),
            "onset_ms": self.t_us[chosen] / 1000,
            "frame": self.frame[chosen].astype(np.int32),
            "x_px": self.x[chosen],
            "y_px": self.y[chosen],
            **{k: v[chosen] for k, v in self.more.items() if k in ("x_screen_px", "y_screen_px")},
        }

    def samples(self, chosen: Mask, label: npt.NDArray[np.object_] | None) -> dict[str, Any]:
        """Samples as gaze."""
        lost = ~(np.isfinite(self.x) & np.isfinite(self.y))
        words = np.where(lost, "lost", "point").astype(object) if label is None else label
        return {
            **self._who(int(chosen.sum())),
            "t_us": self.t_us[chosen],
            "x_px": self.x[chosen],
            "y_px": self.y[chosen],
            **{k: v[chosen] for k, v in self.more.items()},
            "label": words[chosen],
        }

    def runs(
        self, label: npt.NDArray[np.object_], begins: Mask | None, rate: Fraction, stimulus: StimulusRow
    ) -> dict[str, Any]:
        """Runs of one label, those that begin on a frame of the stimulus."""
        made = events.runs_of(label, self.t_us, self.x, self.y, begins)
        start_us, end_us = made["t_us"].astype(np.int64), made["end_us"].astype(np.int64)
        frame, end = frame_of(start_us, rate, stimulus.kind), frame_of(end_us, rate, stimulus.kind)
        kept = (frame >= 0) & (frame < (stimulus.n_frames or np.iinfo(np.int64).max))
        last = (stimulus.n_frames or np.iinfo(np.int32).max) - 1
        return {
            **self._who(int(kept.sum())),
            **{k: made[k][kept] for k in ("event", "order", "x_px", "y_px")},
            "onset_ms": start_us[kept] / 1000,
            "duration_ms": (end_us - start_us)[kept] / 1000,
            "frame": frame[kept].astype(np.int32),
            "frame_end": np.minimum(end, last)[kept].astype(np.int32),
        }

    def fixations(self, rate: Fraction, n_frames: int | None) -> dict[str, Any]:
        """Rows as fixations, those with a place that begin on a frame of the stimulus."""
        kept = self.within(n_frames) & np.isfinite(self.x) & np.isfinite(self.y)
        event = np.full(len(kept), "fixation", dtype=object) if self.event is None else self.event
        made: dict[str, Any] = {
            **self._who(int(kept.sum())),
            "event": event[kept],
            "order": np.flatnonzero(kept).astype(np.int32),
            "frame": self.frame[kept].astype(np.int32),
            "x_px": self.x[kept],
            "y_px": self.y[kept],
            **{k: v[kept] for k, v in self.more.items() if k in ("x_screen_px", "y_screen_px")},
        }
        if self.timed:
            made["onset_ms"] = self.t_us[kept] / 1000
        if self.duration_us is not None:
            last = (n_frames or np.iinfo(np.int32).max) - 1
            end = np.maximum(np.ceil((self.t_us + self.duration_us) * float(rate) / 1e6) - 1, self.frame)
            end = np.where(np.isfinite(self.duration_us), end, self.frame)
            made["duration_ms"] = self.duration_us[kept] / 1000
            made["frame_end"] = np.minimum(end, last)[kept].astype(np.int32)
        return made

    def _who(self, rows: int) -> dict[str, Any]:
        who = {"observer_id": np.full(rows, self.observer, dtype=object)}
        return who if self.trial is None else {**who, "trial_id": np.full(rows, self.trial, dtype=object)}


def recording_of(
    key: tuple[str, str],
    name: str,
    part: Mapping[str, Float64Array],
    labels: npt.NDArray[np.object_] | None,
    wanted: ColumnMap,
    size: tuple[int, int],
    rate: Fraction,
    kind: str,
) -> Recording:
    """Bring the rows of one observer and trial to pixels, microseconds and frames of their stimulus.

    Args:
        key: observer and trial.
        name: of the file.
        part: the columns of numbers, arrays of one length.
        labels: of the column `event`.
        wanted: the map.
        size: width and height of the stimulus.
        rate: frames a second.
        kind: `video` or `image`.

    Raises:
        BadData: a row without a time or a frame, or a label that nothing explains.
    """
    units = wanted.units
    x, y = part["x"], part["y"]
    if units.lost is not None:
        lost = (x == units.lost[0]) & (y == units.lost[1])
        x, y = np.where(lost, np.nan, x), np.where(lost, np.nan, y)
    placed = positions.place(x, y, units, wanted.screen, size)
    t_us, timeless = _times(part, wanted, rate)
    if np.isnan(t_us).any():
        raise BadData(f"row {int(np.isnan(t_us).argmax()) + 1} of {key[0]}: no time; every row needs one")
    order = np.argsort(t_us, kind="stable")
    whole = np.rint(t_us[order]).astype(np.int64)
    frame = frame_of(whole, rate, kind)
    if "frame" in part and kind != "image":
        if np.isnan(part["frame"]).any():
            raise BadData(f"row {int(np.isnan(part['frame']).argmax()) + 1} of {key[0]}: no frame; every row needs one")
        frame = (part["frame"][order] - units.first_frame).astype(np.int64)
    more: Arrays = {k: part[k][order] for k in ("pupil", "confidence") if k in part}
    if placed.x_screen_px is not None and placed.y_screen_px is not None:
        more |= {"x_screen_px": placed.x_screen_px[order], "y_screen_px": placed.y_screen_px[order]}
    event = None if labels is None else events.event_of(labels, wanted.events.labels(), name)[order]
    duration = (
        part["duration"][order] * _microseconds(units.duration or units.time, rate) if "duration" in part else None
    )
    return Recording(
        key[0],
        key[1] or None,
        name,
        whole,
        frame,
        placed.x_px[order],
        placed.y_px[order],
        more,
        event,
        duration,
        not timeless,
    )


def _times(part: Mapping[str, Float64Array], wanted: ColumnMap, rate: Fraction) -> tuple[Float64Array, bool]:
    """Microseconds from the start of the stimulus, and whether they come from frames only."""
    units = wanted.units
    if "time" in part:
        time = part["time"] - (units.first_frame if units.time == "frame" else 0)
        if units.zero == "first" and len(time):
            time = time - time[0]
        return time * _microseconds(units.time, rate), False
    if "frame" in part:
        return np.ceil((part["frame"] - units.first_frame) * _microseconds("frame", rate)), True
    return np.zeros(len(part["x"])), True


def _microseconds(unit: str, rate: Fraction) -> float:
    return {"us": 1.0, "ms": 1e3, "s": 1e6, "frame": float(1_000_000 / rate)}[unit]


def frame_of(t_us: Int64Array, rate: Fraction, kind: str) -> Int64Array:
    """The frame on the screen at each time: floor(t fps), in integers; an image has frame 0 only."""
    if kind == "image":
        return np.zeros(len(t_us), np.int64)
    return t_us * rate.numerator // (rate.denominator * 1_000_000)

"""Frame labels, one line a frame and observer, as FPN+RIM is trained on: see `vidsal.loaders.formats.gaze_labels`.

    <split>/label_data/<video>/<observer>_<video>.txt

From samples: the phase of a frame is the one that most of its samples have (a tie goes to the one that comes first),
its position the mean of the samples of that phase, floored to a pixel. From fixations with their frames only: the row
that covers most of the frame's time. A frame that nothing covers gets phase 0 and the last known position, because the
layout knows no gaps; training leaves phase 0 out. A point counts as fixation. Positions outside the frame stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import WrongUse
from ..formats.gaze_labels import PHASES, FrameLabels, place, write as write_labels
from ..io.progress import Progress
from ..records import Float64Array, Int64Array, Mask
from ..release.release import Release, Stimulus
from . import Options
from .sample_streams import SampleStream, by_stimulus

TITLE = "a line a frame and observer: frame_id em_phase x y (FPN+RIM)"
OPTIONS = frozenset({"size"})

_CODE = {"fixation": 1, "point": 1, "saccade": 2, "pursuit": 3, "smooth pursuit": 3}


def write(release: Release, out: Path, options: Options, step: Progress) -> list[str]:
    """Write the labels of every video; see `Exporter.write`."""
    written = images = pooled = 0
    renamed: set[str] = set()
    unlabelled = False
    for number, (stimulus, fixations, samples) in enumerate(by_stimulus(release), 1):
        images += stimulus.kind == "image"
        own = list(labels(stimulus, fixations, samples)) if stimulus.kind == "video" else []
        pooled += stimulus.kind == "video" and bool(fixations.num_rows) and not own
        unlabelled |= any(label is None for r in samples for label in r.label[:1])
        names = file_names([observer for observer, _ in own])
        renamed |= {observer for (observer, _), name in zip(own, names, strict=True) if observer != name}
        for (_, (phase, x, y)), name in zip(own, names, strict=True):
            width, height = options.size or (stimulus.width, stimulus.height)
            columns = [
                np.floor(v * new / old).astype(np.int64)
                for v, new, old in ((x, width, stimulus.width), (y, height, stimulus.height))
            ]
            write_labels(place(out, stimulus.split, stimulus.id, name), FrameLabels(phase, *columns))
            written += 1
        step(number, len(release), stimulus.id)
    if not written:
        raise WrongUse(
            f"{release.id}: nothing can be labelled by frame and observer ({images} images, {pooled} videos whose "
            "observers are pooled or have no frame rate); `--to csv` and `--to dhf1k` hold those"
        )
    notes = ["frames without a label have phase 0 and the last known position"]
    if options.size is None:
        notes.append(
            "positions are pixels of the stimuli; a network that sees smaller frames needs --size WIDTHxHEIGHT"
        )
    if renamed:
        notes.append(f"{len(renamed)} observers are renamed, the layout knows no '_' in them and one trial each")
    if images or pooled:
        notes.append(f"left out: {images} images, {pooled} videos without observers")
    if unlabelled:
        notes.append("samples without a label have phase 0")
    return notes


def file_names(observers: list[str]) -> list[str]:
    """Make names that the layout can hold, one for each recording: no `_`, different from one another.

    >>> file_names(["A_1", "B", "B"])
    ['A-1', 'B', 'B-2']
    """
    taken: set[str] = set()
    names = []
    for observer in observers:
        base = "".join("-" if c in "_/\\\0" else c for c in observer).strip(".") or "observer"
        name, count = base, 1
        while name in taken:
            count += 1
            name = f"{base}-{count}"
        taken.add(name)
        names.append(name)
    return names


Labels = tuple[npt.NDArray[np.int8], Float64Array, Float64Array]


def labels(stimulus: Stimulus, fixations: pa.Table, samples: list[SampleStream]) -> Iterator[tuple[str, Labels]]:
    """Yield observer, and phase and position of every frame."""
    fps = stimulus.fps
    if fps is None:
        return
    if samples:
        for recording in samples:
            yield recording.observer, of_samples(recording, stimulus.n_frames, fps)
        return
    rows = fixations.filter(pc.is_valid(fixations["observer_id"]))
    key = itemgetter("observer_id", "trial_id")
    listed = rows.select(_COLUMNS).to_pylist()
    listed.sort(key=lambda row: (row["observer_id"], row["trial_id"] or ""))  # stable: in time within each
    for (observer, _), own in groupby(listed, key):
        yield observer, of_rows(list(own), stimulus.n_frames, fps)


_COLUMNS = ["observer_id", "trial_id", "event", "onset_ms", "duration_ms", "frame", "frame_end", "x_px", "y_px"]


def of_samples(recording: SampleStream, n_frames: int, fps: Fraction) -> Labels:
    """Reduce samples to frames; frame i holds i <= t fps < i + 1.

    Returns:
        phase int8, x and y float64; shape (n_frames,).
    """
    frame = recording.t_us * fps.numerator // (fps.denominator * 1_000_000)
    shown = (frame >= 0) & (frame < n_frames) & np.isfinite(recording.x) & np.isfinite(recording.y)
    frame = frame[shown]
    code = np.array([_CODE.get(str(word), 0) for word in recording.label[shown]], np.int64)
    counts = np.zeros((n_frames, len(PHASES)), np.int64)
    np.add.at(counts, (frame, code), 1)
    first = np.full((n_frames, len(PHASES)), len(frame))
    np.minimum.at(first, (frame, code), np.arange(len(frame)))
    # The most frequent; among equals the earliest.
    best = np.lexsort((first, -counts))[:, 0] if len(counts) else np.empty(0, np.int64)
    chosen = code == best[frame]
    sums = np.zeros((n_frames, 2))
    np.add.at(sums, frame[chosen], np.stack([recording.x[shown][chosen], recording.y[shown][chosen]], axis=1))
    known = np.asarray(counts.any(axis=1), np.bool_)
    mean = sums / np.maximum(counts[np.arange(n_frames), best], 1)[:, None]
    return _held(np.where(known, best, 0), mean, known)


def of_rows(rows: list[dict[str, Any]], n_frames: int, fps: Fraction) -> Labels:
    """Reduce events with their frames to frames: the event that fills most of the frame; among equals the first.

    Returns:
        phase int8, x and y float64; shape (n_frames,).
    """
    length = 1000 / float(fps)
    phase = np.zeros(n_frames, np.int64)
    xy = np.zeros((n_frames, 2))
    share = np.full(n_frames, -1.0)
    known = np.zeros(n_frames, np.bool_)
    for row in rows:
        last = row["frame"] if row["frame_end"] is None else row["frame_end"]
        frames = np.arange(max(row["frame"], 0), min(last, n_frames - 1) + 1)
        covered = _covered(row["onset_ms"], row["duration_ms"], frames, length)
        better = covered > share[frames]
        at = frames[better]
        known[at] = True
        share[at], phase[at], xy[at] = covered[better], _CODE.get(str(row["event"]), 0), (row["x_px"], row["y_px"])
    return _held(phase, xy, known)


def _covered(onset_ms: float | None, duration_ms: float | None, frames: Int64Array, length: float) -> Float64Array:
    """How much of each frame an event fills, in ms; all of it where the event's time is not known."""
    if onset_ms is None or duration_ms is None:
        return np.full(len(frames), length)
    start = np.maximum(frames * length, onset_ms)
    end = np.minimum((frames + 1) * length, onset_ms + duration_ms)
    return np.asarray(np.maximum(end - start, 0.0))


def _held(phase: Int64Array, xy: Float64Array, known: Mask) -> Labels:
    """Give frames without a position the last one before them, the first ones the first after them."""
    if known.any():
        source = np.maximum.accumulate(np.where(known, np.arange(len(known)), -1))
        source[source < 0] = int(np.flatnonzero(known)[0])
        xy = xy[source]
    return phase.astype(np.int8), xy[:, 0], xy[:, 1]

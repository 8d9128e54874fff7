"""GazeCom, variant `labels`: hand-labelled eye movements, so that fixations and pursuit can be distinguished.

Read from the ARFF files of `ground_truth/`, column `handlabeller_final`. Each longest run of one label is one row:
fixation, pursuit, saccade, or noise (labels 0, unknown, and 4); its position is the median of its samples, its
duration runs from the first sample to the last. All samples, with their labels, go to gaze.parquet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import BadData
from ...records import LOST, Arrays, Float64Array, Gaze, Report, StimulusRow
from ...schema import categorical
from . import arff, layout, reading
from .recording import Recording

INFO = replace(
    layout.BASE,
    variant="labels",
    verified=("one hand-labelled recording (GGM on holsten_gate): columns, labels, screen; equal to its .coord file",),
    unverified=("the other 843 recordings", *layout.WITHOUT_VIDEO),
)


EVENTS = ("noise", "fixation", "saccade", "pursuit")
"""Event of each hand label; 4 is noise, as 0 is."""


def present(source: Path) -> bool:
    """Return whether hand-labelled ARFF files are here."""
    return layout.has_files(layout.arff_folder(source, labelled=True), ".arff")


def stimuli(source: Path, report: Report) -> Iterator[StimulusRow]:
    """Yield the clips that have labelled recordings or a video, in the order of the register.

    Raises:
        MissingData: there are neither.
    """
    return layout.stimuli(
        source, layout.recordings(layout.arff_folder(source, labelled=True), ".arff", source, report), INFO, report
    )


def gaze(source: Path, stimulus: StimulusRow, report: Report) -> Gaze:
    """Read all labelled recordings of one clip; one that cannot be read is reported and left out.

    Raises:
        BadData: none of them can be used.
    """
    fps, n_frames, length_s = layout.clip_length(stimulus, report)
    if not stimulus.extra:
        report.add("missing", stimulus.stimulus_id, "no labelled recording of this clip; kept as not annotated")
        return Gaze(annotated=False)
    runs: list[Arrays] = []
    samples: list[Arrays] = []
    observers: list[str] = []
    files: list[str] = []
    late = 0
    for observer, file, recording in reading.read(source, stimulus, length_s, report):
        if recording.label is None:
            report.add("unreadable", file, f"no attribute {arff.FINAL_LABEL}; this recording is left out")
            continue
        files.append(file)
        observers.append(observer)
        samples.append(_samples(recording))
        part = _runs(recording, fps)
        inside = reading.before(part.pop("t_us").astype(np.int64), length_s)
        late += int((~inside).sum())
        runs.append({name: column[inside] for name, column in part.items()})
    if not runs:
        raise BadData(f"{stimulus.stimulus_id}: none of the {len(stimulus.extra)} recordings can be used")
    if late:
        message = f"eye movements that begin after the end of the clip at {float(length_s):.2f} s, left out"
        report.add("after-end", stimulus.stimulus_id, message, count=late, fatal=False)
    columns = _joined(runs, "event", observers)
    lost = columns.pop("lost")
    columns["frame_end"] = np.minimum(columns["frame_end"].astype(np.int32), n_frames - 1)
    return Gaze(
        fixations={**columns, "flags": {LOST: lost}},
        samples=_joined(samples, "label", observers),
        last_annotated=n_frames - 1 if stimulus.n_frames is None else None,
        n_observers=len(runs),
        source_files=tuple(files),
    )


def _joined(parts: list[Arrays], word: str, observers: list[str]) -> dict[str, Any]:
    """Put the columns of several recordings below one another; one of them holds numbers of `EVENTS`."""
    columns: dict[str, Any] = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    lengths = [len(part[word]) for part in parts]
    columns[word] = categorical(columns[word], EVENTS)
    columns["observer_id"] = categorical(np.repeat(np.arange(len(parts)), lengths), observers)
    return columns


def _samples(recording: Recording) -> Arrays:
    return {
        "t_us": recording.t_us,
        "x_px": recording.x,
        "y_px": recording.y,
        "confidence": recording.confidence,
        "label": np.asarray(recording.label) % len(EVENTS),
    }


def _runs(recording: Recording, fps: Fraction) -> Arrays:
    label = np.asarray(recording.label)
    first = np.flatnonzero(np.diff(label, prepend=-1))
    last = np.append(first[1:], len(label)) - 1
    begin, end = recording.t_us[first], recording.t_us[last]
    return {
        "event": label[first] % len(EVENTS),
        "order": np.arange(len(first), dtype=np.int32),
        "t_us": begin,
        "onset_ms": begin / 1000,
        "duration_ms": (end - begin) / 1000,
        "frame": reading.frame_of(begin, fps).astype(np.int32),
        "frame_end": reading.frame_of(end, fps).astype(np.int32),
        "x_px": medians(recording.x, first, last),
        "y_px": medians(recording.y, first, last),
        "lost": np.maximum.reduceat(recording.confidence, first) == 0,
    }


def medians(values: Float64Array, first: npt.NDArray[np.intp], last: npt.NDArray[np.intp]) -> Float64Array:
    """Return the median of each run of values; the runs follow one another without a gap.

    >>> medians(np.array([3.0, 1.0, 2.0, 8.0, 4.0]), np.array([0, 3]), np.array([2, 4])).tolist()
    [2.0, 6.0]
    """
    length = last - first + 1
    ordered = values[np.lexsort((values, np.repeat(np.arange(len(first)), length)))]
    return np.asarray((ordered[first + (length - 1) // 2] + ordered[first + length // 2]) / 2)

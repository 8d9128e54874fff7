"""GazeCom, variant `samples`: every gaze sample of the natural movies is a point.

Read from the `.coord` files of `natural_movies_gaze/`, or from ARFF files where there is no `.coord`. A sample at
time t belongs to frame floor(t x fps). Samples of confidence 0 are `noise`. Recordings run on after the clip, by up
to 5.6 s: they are cut at its end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...errors import BadData
from ...records import LOST, Arrays, Gaze, Report, StimulusRow
from ...schema import categorical
from . import layout, reading

INFO = replace(
    layout.BASE,
    variant="samples",
    verified=(
        "79 recordings as .coord, of all 18 clips, and one as ARFF: columns, screen, clock, confidence",
        "the .coord and ARFF forms of one recording hold equal samples",
    ),
    unverified=layout.WITHOUT_VIDEO,
)


def present(source: Path) -> bool:
    """Return whether `.coord` files of the natural movies, or unlabelled ARFF files, are here."""
    movies = layout.coord_folder(source)
    return (
        layout.has_files(movies, ".coord")
        or layout.has_files(_named(movies), ".arff")
        or layout.has_files(layout.arff_folder(source, labelled=False), ".arff")
    )


def stimuli(source: Path, report: Report) -> Iterator[StimulusRow]:
    """Yield the clips that have recordings or a video, in the order of the register.

    A recording that is there in several forms is read as `.coord`, else as ARFF, labelled ARFF last.

    Raises:
        MissingData: there are neither.
    """
    movies = layout.coord_folder(source)
    layout.report_other_experiments(movies, source, report)
    found = layout.merged(
        layout.recordings(movies, ".coord", source, report),
        layout.recordings(_named(movies), ".arff", source, report),
        layout.recordings(layout.arff_folder(source, labelled=False), ".arff", source, report),
        layout.recordings(layout.arff_folder(source, labelled=True), ".arff", source, report),
    )
    return layout.stimuli(source, found, INFO, report)


def _named(movies: Path | None) -> Path | None:
    """Return the folder only if it has its own name: ARFF files elsewhere are found by their own folders."""
    return movies if movies is not None and movies.name == layout.NATURAL_MOVIES else None


def gaze(source: Path, stimulus: StimulusRow, report: Report) -> Gaze:
    """Read all recordings of one clip; one that cannot be read is reported and left out.

    Raises:
        BadData: none of them can be used.
    """
    fps, n_frames, length_s = layout.clip_length(stimulus, report)
    if not stimulus.extra:
        report.add("missing", stimulus.stimulus_id, "no recording of this clip; kept as not annotated")
        return Gaze(annotated=False)
    parts: list[Arrays] = []
    observers: list[str] = []
    files: list[str] = []
    late = 0
    for observer, file, recording in reading.read(source, stimulus, length_s, report):
        inside = reading.before(recording.t_us, length_s)
        late += int((~inside).sum())
        t_us = recording.t_us[inside]
        files.append(file)
        observers.append(observer)
        parts.append(
            {
                "order": np.arange(len(t_us), dtype=np.int32),
                "onset_ms": t_us / 1000,
                "frame": reading.frame_of(t_us, fps).astype(np.int32),
                "x_px": recording.x[inside],
                "y_px": recording.y[inside],
                "lost": recording.confidence[inside] == 0,
            }
        )
    if not parts:
        raise BadData(f"{stimulus.stimulus_id}: none of the {len(stimulus.extra)} recordings can be used")
    if late:
        message = f"samples after the end of the clip at {float(length_s):.2f} s, left out"
        report.add("after-end", stimulus.stimulus_id, message, count=late, fatal=False)
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    lost = columns.pop("lost")
    return Gaze(
        fixations={
            **columns,
            "observer_id": categorical(np.repeat(np.arange(len(parts)), [len(p["frame"]) for p in parts]), observers),
            "event": categorical(lost, ["point", "noise"]),
            "flags": {LOST: lost},
        },
        last_annotated=n_frames - 1 if stimulus.n_frames is None else None,
        n_observers=len(parts),
        source_files=tuple(files),
    )

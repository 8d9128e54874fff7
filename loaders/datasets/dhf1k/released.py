"""DHF1K, variant `released`: the pooled fixation maps that published numbers use.

One binary image a frame, all observers together; the pixels are gaze samples that the tracker labelled fixation. The
authors' mapping code sets, for each observer and frame, every row of a sample with every column of one, so the maps
hold pixels where nobody looked; frames with more pixels than 17 observers can give are counted. The released density
maps sit 2 px to the right of and below the points.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...formats.pooled import read_maps
from ...io.folders import any_matching, matching
from ...records import Gaze, Report, StimulusRow, Truth
from . import layout

_OBSERVERS = 17
_FOLDERS = ("annotation/[0-9]*/fixation", "[0-9]*/fixation")
_MOST_SAMPLES = 9  # of one observer in one frame: 250 Hz at 30 frames a second

INFO = replace(
    layout.BASE,
    variant="released",
    release="dhf1k",
    truths={
        "released": Truth(sigma_px=layout.SIGMA_PX, per="pixel", shift_px=2.0, note="as the released maps"),
        "corrected": Truth(sigma_px=layout.SIGMA_PX, per="pixel", note="without their shift of 2 px"),
    },
    verified=(
        "20 frames of video 601: PNG and MAT agree, the released density is reproduced within 0.5 grey level",
        "grid artefacts in the maps of video 601",
    ),
    unverified=("all other annotations",),
)


def _folder(source: Path, video: str) -> Path:
    name = f"{int(video):04d}"
    inside = source / "annotation" / name
    return (inside if inside.is_dir() else source / name) / "fixation"


def present(source: Path) -> bool:
    """Return whether the pooled maps are here."""
    return any_matching(source, *_FOLDERS)


def stimuli(source: Path, report: Report) -> Iterator[StimulusRow]:
    """Yield the videos that have pooled maps, or frames: those of the register in its order, then others.

    Raises:
        MissingData: there are neither.
    """
    gazed: set[str] = set()
    for folder in (f for f in matching(source, *_FOLDERS) if f.is_dir()):
        video = layout.video_of(folder.parent.name, 4)
        if video is None:
            where = folder.parent.relative_to(source).as_posix()
            report.add("surplus", where, "not named by the four digits of a video; left out")
        else:
            gazed.add(video)
    return layout.stimuli(source, gazed.__contains__, gazed, INFO, report)


def gaze(source: Path, stimulus: StimulusRow, report: Report) -> Gaze:
    """Read the maps of one video; what cannot be read is reported and left out.

    Raises:
        BadData: the folder is there and no map in it can be used.
    """
    folder = _folder(source, stimulus.stimulus_id)
    if not folder.is_dir():
        layout.note_missing_gaze(stimulus, f"annotation/{int(stimulus.stimulus_id):04d}/fixation", report)
        return Gaze(annotated=False)
    size = None if stimulus.width is None or stimulus.height is None else (stimulus.height, stimulus.width)
    maps = read_maps(folder, source, report, first_number=stimulus.first_frame_number or 1, size=size)
    frames, counts = np.unique(maps.frame, return_counts=True)
    crowded = int((counts > _OBSERVERS * _MOST_SAMPLES).sum())
    if crowded:
        message = (
            f"frames hold more than {_OBSERVERS * _MOST_SAMPLES} pixels, the most that {_OBSERVERS} observers can give "
            f"(up to {int(counts.max())}): pixels where nobody looked, a known fault of the released maps"
        )
        report.add("grid-artefact", stimulus.stimulus_id, message, count=crowded, fatal=False)
    if stimulus.n_frames is not None and len(maps.annotated) < stimulus.n_frames:
        message = f"{len(maps.annotated)} of {stimulus.n_frames} frames are annotated"
        report.add("incomplete", stimulus.stimulus_id, message)
    return maps.gaze()

"""MIT1003 as in the FixaTons collection: 15,045 small text files of fixations.

A file `SCANPATHS/<image>/<observer>` has no suffix and no header; each line is one fixation, `x y start end`, with
1-based positions rounded to whole pixels and times in seconds, sample number / 240 from 1 on. The forced first
fixation is line 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...errors import BadData, MissingData
from ...io.folders import files, folders
from ...records import FORCED_START, Column, Float64Array, Gaze, Report, StimulusRow
from . import images

SCANPATHS = "SCANPATHS"
STIMULI = "STIMULI"
LATEST_S = 10.0
LARGEST_PX = 1e5
FIRST_SAMPLE_S = 0.0045
_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?")

INFO = images.info(
    "fixatons",
    "1,003 photographs, fixations rounded to whole pixels, 15 observers, as in FixaTons",
    "the FixaTons collection (Zanca et al. 2018), folder FixaTons/MIT1003; also in "
    "https://github.com/BerylGnanaraj/FixaTons_Trials",
    ("STIMULI/<image>.jpeg", "SCANPATHS/<image>/<observer>"),
    (
        "119,432 fixations; 104,387 without the first of each scanpath, of which 104,154 lie inside",
        "image 1: 136 fixations, 121 without the first ones; equal to the authors' own list after rounding",
        "positions are 1-based: read so, the authors' maps are reproduced as well or better on all of 18",
    ),
    ("in 24 scanpaths line 1 begins late, as if the fixation before it had been left out: flagged nevertheless",),
)


def present(source: Path) -> bool:
    """Return whether the folder holds SCANPATHS."""
    return _root(source) is not None


def stimuli(source: Path, report: Report) -> Iterator[StimulusRow]:
    """Yield the images, those of the register first.

    Raises:
        MissingData: no SCANPATHS.
    """
    root = _root(source)
    if root is None:
        raise MissingData(f"{source}: no {SCANPATHS}/ here; expected {'; '.join(INFO.layout)}. {INFO.obtain}")
    shown = folders(root / SCANPATHS)
    observers = {file.name for folder in shown for file in _files(folder)}
    images.report_missing_observers(observers, SCANPATHS, report)
    for folder in shown:
        absent = sorted(observers.intersection(images.OBSERVERS) - {file.name for file in _files(folder)})
        if absent and len(absent) < len(observers):
            report.add("missing", folder.name, f"no scanpath of the observers {', '.join(absent)}", count=len(absent))
    yield from images.rows(source, root / STIMULI, {folder.name: None for folder in shown}, report)


def gaze(source: Path, stimulus: StimulusRow, report: Report) -> Gaze:
    """Read the scanpaths of one image; a bad file is reported and left out.

    Raises:
        BadData: not one of its scanpaths can be read.
    """
    root = _root(source)
    folder = (root or source) / SCANPATHS / stimulus.stimulus_id
    scanpaths = _files(folder)
    if not scanpaths:
        report.add("missing", stimulus.stimulus_id, "no scanpaths of this image")
        return Gaze(annotated=False)
    read: list[tuple[str, Float64Array]] = []
    for file in scanpaths:
        try:
            read.append((file.name, read_scanpath(file)))
        except BadData as error:
            report.add("unreadable", file.relative_to(source).as_posix(), f"{error}; left out")
    if not read:
        raise BadData(f"{folder}: none of the {len(scanpaths)} scanpaths can be read")
    late = sum(bool(rows[0, 2] > FIRST_SAMPLE_S) for _, rows in read)
    if late:
        message = "scanpaths begin late: the forced fixation seems to be left out, line 1 is flagged nevertheless"
        report.add("assumption", stimulus.stimulus_id, message, count=late, fatal=False)
    return Gaze(
        fixations=columns(read),
        n_observers=len(read),
        source_files=tuple(file.relative_to(source).as_posix() for file in scanpaths),
        folders=(folder.relative_to(source).as_posix(),),
    )


def columns(scanpaths: list[tuple[str, Float64Array]]) -> dict[str, Column]:
    """Return the columns of the fixations of one image.

    Args:
        scanpaths: observer and float64 rows, shape (n, 4), as `read_scanpath` returns them.
    """
    rows = np.vstack([rows for _, rows in scanpaths])
    order = np.concatenate([np.arange(len(rows)) for _, rows in scanpaths])
    return {
        "event": "fixation",
        "observer_id": [observer for observer, rows in scanpaths for _ in rows],
        "order": order,
        "onset_ms": rows[:, 2] * 1000,
        "duration_ms": (rows[:, 3] - rows[:, 2]) * 1000,
        "frame": np.zeros(len(rows), dtype=np.int32),
        "x_px": rows[:, 0] - 0.5,
        "y_px": rows[:, 1] - 0.5,
        "flags": [[FORCED_START] if i == 0 else [] for i in order],
    }


def read_scanpath(path: Path) -> Float64Array:
    """Read one file: float64, shape (n, 4), n >= 1: x, y (1-based pixels), start and end in seconds.

    Raises:
        BadData: an empty file, or a line that is no fixation; the message names file and line.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadData(f"{path}: no text (byte {error.start} is {error.object[error.start]:#04x})") from error
    rows: list[list[float]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            rows.append(_fixation(line, f"{path}, line {number}", rows))
    if not rows:
        raise BadData(f"{path}: empty; expected a fixation a line, `x y start end`")
    return np.array(rows)


def _fixation(line: str, where: str, before: list[list[float]]) -> list[float]:
    fields = line.split()
    if len(fields) != 4 or not all(_NUMBER.fullmatch(field) for field in fields):
        raise BadData(f"{where}: {line.strip()[:60]!r} is not `x y start end`, four numbers with blanks between")
    x, y, start, end = (float(field) for field in fields)
    if not (abs(x) < LARGEST_PX and abs(y) < LARGEST_PX):
        raise BadData(f"{where}: position {fields[0]}, {fields[1]} is no place on a screen")
    if not 0 <= start <= end <= LATEST_S:
        raise BadData(f"{where}: times {fields[2]} to {fields[3]} s are not in order within {LATEST_S:g} s")
    if before and start < before[-1][3]:
        raise BadData(f"{where}: begins at {start:g} s, before the one above ends; are lines missing or swapped?")
    return [x, y, start, end]


def _root(source: Path) -> Path | None:
    """The folder that holds SCANPATHS: the source, or the usual ones below it."""
    for below in ("", "MIT1003", "FixaTons/MIT1003", "fixatons", "fixatons/MIT1003"):
        if (source / below / SCANPATHS).is_dir():
            return source / below
    return None


def _files(folder: Path) -> list[Path]:
    return [f for f in files(folder) if not f.suffix]

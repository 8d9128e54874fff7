"""Points of every frame as JSON: a list with one entry a frame, each a list of [row, column], 0-based whole pixels.

    fixations.json    [[[533, 960], [533, 960]], [], ...]      repeated points count

Entry i belongs to the i-th decoded frame. The form of AViMoS, NTIRE 2026 and, so far as is known, CrowdSAL.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BadData
from ..io.files import parse_json, rule_out_machine
from ..io.names import shortlist
from ..records import Float64Array, Gaze, Int64Array, Report
from .pooled import ranges

_LARGEST = 1e6


def read(path: Path, where: str, report: Report) -> Gaze:
    """Read one file; a frame that is no list of points, and points that are no pixels, are reported and left out.

    A point [r, c] becomes (c + 0.5, r + 0.5). Points beside the frame are kept: the converter counts them.

    Args:
        path: the file.
        where: its name in reports.
        report: takes the anomalies.

    Raises:
        BadData: it is no JSON, no list, or no frame of it can be used.
    """
    frames = _frames(path)
    good: list[int] = []
    points: list[Float64Array] = []
    bad_frames: list[int] = []
    bad_points: Counter[int] = Counter()
    for index, entry in enumerate(frames):
        if not isinstance(entry, list):
            bad_frames.append(index)
            continue
        found = _points(entry)
        bad_points[index] += len(entry) - len(found)
        good.append(index)
        points.append(found)
    bad_points = +bad_points
    if bad_frames:
        message = f"entries of frames {shortlist(bad_frames)} are no lists of points; those frames are not annotated"
        report.add("unreadable", where, message, count=len(bad_frames))
    if bad_points:
        message = f"points that are no two whole pixels, in frames {shortlist(bad_points)}; left out"
        report.add("unreadable", where, message, count=sum(bad_points.values()))
    if not good:
        raise BadData(f"{path}: holds no frame; expected a list with one list of [row, column] a frame")
    counts = [len(found) for found in points]
    empty = counts.count(0)
    if empty:
        report.add("blank", where, "frames without a point", count=empty, fatal=False)
    every = np.concatenate([np.empty((0, 2)), *points])
    return Gaze(
        fixations={
            "event": "mouse",
            "order": _order(counts),
            "frame": np.repeat(np.array(good, np.int32), counts),
            "x_px": every[:, 1] + 0.5,
            "y_px": every[:, 0] + 0.5,
        },
        annotated_frames=ranges(good),
        last_annotated=len(frames) - 1,
        source_files=(where,),
    )


def _frames(path: Path) -> list[Any]:
    try:
        found = parse_json(path.read_bytes())
    except ValueError as error:
        raise BadData(f"{path}: no readable JSON ({str(error)[:120]}); is the download complete?") from error
    except OSError as error:
        rule_out_machine(path)
        raise BadData(f"{path}: cannot be read: {error.strerror or error}") from error
    if not isinstance(found, list):
        raise BadData(f"{path}: holds a {type(found).__name__}; expected a list with one entry a frame")
    return found


def _points(entry: list[Any]) -> Float64Array:
    """Return the usable points of a frame: float64, shape (n, 2), row and column."""
    try:
        values = np.array(entry)
        if values.dtype.kind == "i" and (values <= 1).any() and any(type(v) is bool for p in entry for v in p):
            values = np.empty(0, object)  # NumPy takes true for 1
    except (ValueError, TypeError):  # of unequal length
        values = np.empty(0, object)
    if values.dtype.kind == "i" and values.shape == (len(entry), 2) and (np.abs(values) < _LARGEST).all():
        return values.astype(np.float64)
    return np.array([p for p in map(_pixel, entry) if p is not None], np.float64).reshape(-1, 2)


def _pixel(point: Any) -> tuple[float, float] | None:
    if not isinstance(point, list) or len(point) != 2:
        return None
    usable = all(type(value) in (int, float) and abs(value) < _LARGEST and value == int(value) for value in point)
    return (float(point[0]), float(point[1])) if usable else None


def _order(counts: list[int]) -> Int64Array:
    return np.concatenate([np.empty(0, np.int64), *(np.arange(n) for n in counts)])


def names_by_split(path: Path, report: Report) -> Iterator[tuple[str, str]]:
    """Yield name and split of each video of a split file: an object of lists of names, with or without a suffix.

    Keys are written `public_test`, `public test` or `public`. What cannot be read is reported.
    """
    try:
        found = parse_json(path.read_bytes())
    except (ValueError, OSError) as error:
        rule_out_machine(path)
        report.add("unreadable", path.name, f"no readable JSON ({str(error)[:120]}); videos are in the split `all`")
        return
    if not isinstance(found, dict) or not all(isinstance(names, list) for names in found.values()):
        report.add("unreadable", path.name, "expected an object of lists of names; videos are in the split `all`")
        return
    for key, names in found.items():
        split = key.strip().lower().replace(" ", "_").replace("-", "_")
        split = f"{split}_test" if split in ("public", "private") else split
        bad = [name for name in names if not isinstance(name, str) or not name or "/" in name]
        if bad:
            report.add("unreadable", path.name, f"{key}: {shortlist(map(repr, bad))} are no names", count=len(bad))
        yield from ((name.removesuffix(".mp4"), split) for name in names if isinstance(name, str) and name not in bad)

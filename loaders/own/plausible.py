"""What looks wrong about recordings that can be read: another unit or size than the map says.

None of it is an error, because people do look away; each is an anomaly with the numbers that tell it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

from ..records import Float64Array, Report, StimulusRow
from .column_map import ColumnMap, StimulusTable
from .recording import Recording

_FEWEST = 10
_MOST_NORMALIZED = 1.5
_MOST_AT_ONE_PLACE = 0.02
_MOST_TWICE = 0.05


def report_stated(known: StimulusTable, stimulus: StimulusRow, report: Report) -> None:
    """Report where `[stimuli]` of the map contradicts the video."""
    pairs: tuple[tuple[str, float | Fraction | None, float | Fraction | None], ...] = (
        ("width", known.width, stimulus.width),
        ("height", known.height, stimulus.height),
        ("n_frames", known.n_frames, stimulus.n_frames),
        ("fps", known.rate, stimulus.fps),
    )
    both = [(name, float(a), float(b)) for name, a, b in pairs if a is not None and b is not None]
    wrong = [(name, a, b) for name, a, b in both if abs(a - b) > b / 1000]
    if wrong:
        said = ", ".join(f"{name} {a:g}" for name, a, _ in wrong)
        taken = ", ".join(f"{name} {b:g}" for name, _, b in wrong)
        report.add("mismatch", stimulus.stimulus_id, f"[stimuli] of the map says {said}; the video's {taken} is taken")


def checked_numbers(
    values: Mapping[str, Float64Array], wanted: ColumnMap, name: str, report: Report
) -> dict[str, Float64Array]:
    """Return the columns of numbers of a file, with durations below 0 as unknown; report those, and normalized pixels.

    Args:
        values: arrays of one length, as the table has them.
        wanted: the map.
        name: of the file.
        report: takes the anomalies.
    """
    made = dict(values)
    if "duration" in made and (below := made["duration"] < 0).any():
        report.add("out-of-range", name, "durations below 0; taken as unknown", count=int(below.sum()))
        made["duration"] = np.where(below, np.nan, made["duration"])
    places = np.stack([made["x"], made["y"]])
    seen = places[:, np.isfinite(places).all(axis=0)]
    _report_lost(seen, wanted, name, report)
    pixels = wanted.units.position in ("px", "screen_px")
    if pixels and seen.shape[1] >= _FEWEST and seen.any() and np.abs(seen).max() <= _MOST_NORMALIZED:
        message = f"no position is above {np.abs(seen).max():.2g} px; are they normalized? Say so in [units] position"
        report.add("mismatch", name, message)
    return made


def _report_lost(seen: Float64Array, wanted: ColumnMap, name: str, report: Report) -> None:
    """Report a corner, or a place before it, that so many rows share that it may stand for a lost sample."""
    from_center = wanted.units.origin == "center" or wanted.units.position == "degrees"
    marks = seen[0][(seen[0] == seen[1]) & ((seen[0] < 0) if from_center else (seen[0] <= 0))]
    places, counts = np.unique(marks, return_counts=True)
    if not len(places) or wanted.units.lost is not None:
        return
    place, count = float(places[counts.argmax()]), int(counts.max())
    if count >= _FEWEST and count > _MOST_AT_ONE_PLACE * seen.shape[1]:
        message = f"{count} of {seen.shape[1]} positions are exactly ({place:g}, {place:g}); if that means lost, say "
        report.add("mismatch", name, f"{message}lost = [{place:g}, {place:g}] in [units] of the map")


def report_numbering(
    values: Mapping[str, Float64Array], wanted: ColumnMap, stimulus: StimulusRow, name: str, report: Report
) -> None:
    """Report numbers of frames that are those of the stimulus if they count from one more than the map says."""
    numbers = values.get("frame", values.get("time") if wanted.units.time == "frame" else None)
    if numbers is None or stimulus.n_frames is None or not np.isfinite(numbers).any():
        return
    first, low, high = wanted.units.first_frame, float(np.nanmin(numbers)), float(np.nanmax(numbers))
    if low > first and high == first + stimulus.n_frames:
        message = f"frames are numbered {low:g} to {high:g}, by the map they are {first} to {high - 1:g}; if counted "
        report.add("mismatch", name, f"{message}from {first + 1}, say first_frame = {first + 1} in [units]")


def report_begun_anew(time: Float64Array, observer: str, wanted: ColumnMap, name: str, report: Report) -> None:
    """Report times that go back to where others are: two recordings, or one twice, that nothing tells apart."""
    back = int((np.diff(time) < 0).sum())
    twice = len(time) - len(np.unique(time))
    if back and twice > max(1, _MOST_TWICE * len(time)) and wanted.units.time != "frame":
        message = f"the times of {observer} go back {back} times, to times that are there already: is it one recording "
        report.add("surplus", name, f"{message}twice, or is a column observer or trial missing?", count=twice)


def report_outside(found: Sequence[Recording], stimulus: StimulusRow, report: Report) -> None:
    """Report where most positions, as they were placed, lie beside the stimulus."""
    x, y = (np.concatenate([getattr(recording, axis) for recording in found]) for axis in ("x", "y"))
    width, height = stimulus.width or 0, stimulus.height or 0
    seen = np.isfinite(x) & np.isfinite(y)
    outside = seen & ~((x >= 0) & (x < width) & (y >= 0) & (y < height))
    if seen.sum() >= _FEWEST and 2 * outside.sum() > seen.sum():
        message = f"{outside.sum()} of {seen.sum()} positions lie outside the stimulus of {width}x{height} pixels; "
        report.add("mismatch", stimulus.stimulus_id, f"{message}are position, origin and [screen] of the map right?")

"""Reading the recordings of one clip, and reporting their anomalies."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from ...errors import BadData
from ...formats.completeness import Extent, extent_of, report_incomplete
from ...records import Int64Array, Mask, Report, StimulusRow
from . import arff, coord
from .recording import Recording

_GEOMETRY_M = (0.45, 0.4, 0.225)


def read(
    source: Path, stimulus: StimulusRow, length_s: Fraction, report: Report
) -> Iterator[tuple[str, str, Recording]]:
    """Yield observer, file and recording of each file of a clip; what cannot be used is reported and left out.

    Args:
        source: root of the data set.
        stimulus: its `extra` holds (observer, file) pairs.
        length_s: of the clip, to notice recordings that end before it.
        report: takes the anomalies.
    """
    extents: list[Extent] = []
    for observer, file in stimulus.extra or ():
        path = source / file
        try:
            recording = arff.parse(path) if path.suffix == ".arff" else coord.parse(path)
        except BadData as error:
            report.add("unreadable", file, f"{error}; this recording is left out")
            continue
        if recording.size is not None and recording.size != (stimulus.width, stimulus.height):
            width, height = recording.size
            message = (
                f"positions refer to {width}x{height} px, the clip has {stimulus.width}x{stimulus.height}; left out"
            )
            report.add("wrong-size", file, message)
            continue
        _report_oddities(file, recording, report)
        extents.append(extent_of(observer, file, recording.t_us))
        yield observer, file, recording
    report_incomplete(extents, float(length_s), stimulus.stimulus_id, report)


def frame_of(t_us: Int64Array, fps: Fraction) -> Int64Array:
    """Return the 0-based frame that is shown at each time: floor(t fps), in integers, so exact.

    >>> frame_of(np.array([0, 33366, 33367, 20_000_000]), Fraction(30000, 1001)).tolist()
    [0, 0, 1, 599]
    """
    return t_us * fps.numerator // (fps.denominator * 1_000_000)


def before(t_us: Int64Array, length_s: Fraction) -> Mask:
    """Return which times lie before the end of the clip."""
    return t_us * length_s.denominator < length_s.numerator * 1_000_000


def _report_oddities(file: str, recording: Recording, report: Report) -> None:
    for note in recording.notes:
        report.add("note", file, note, fatal="cut off" in note)
    if recording.size is None:
        report.add("assumption", file, "no screen size in the file: taken as pixels of the clip", fatal=False)
    if recording.geometry_m is not None and not np.allclose(recording.geometry_m, _GEOMETRY_M, rtol=0.01):
        message = f"screen of {recording.geometry_m} m, the release has {_GEOMETRY_M}"
        report.add("mismatch", file, message, fatal=False)

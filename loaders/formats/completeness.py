"""Whether recordings last as long as their stimulus, without holes: what every loader of raw samples asks.

Thresholds come from real recordings. In 17 of DHF1K and 84 of GazeCom, none cut, samples are 4 ms apart, the longest
step is 0.14 s, no recording begins later than 0.04 s, and a complete one ends up to 0.8 s before its clip. A blink
lasts 0.1 to 0.4 s, and is stored as lost samples, which are no hole. In fewer than 400 samples no step is usual, unless
nine of ten are alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..io.names import shortlist
from ..records import Int64Array, Report

_HOLE_S = 0.5
_SHORT_S = (0.5, 1.0)
_SHORT_SHARE = 0.1
_MOST_LINES = 5
_ENOUGH = 3
_FEW_SAMPLES = 400
_FEWEST_REGULAR = 20
_ALIKE = 0.9


@dataclass(frozen=True)
class Extent:
    """When one recording has samples, in seconds from the start of the stimulus.

    Attributes:
        observer: id.
        where: its file, relative to the source.
        end_s: of the last sample.
        holes: start and end of each time without samples, also before the first one.
    """

    observer: str
    where: str
    end_s: float
    holes: tuple[tuple[float, float], ...]


def extent_of(observer: str, where: str, t_us: Int64Array) -> Extent:
    """Return when a recording has samples.

    Args:
        observer: id.
        where: the file, relative to the source.
        t_us: int64, (n,), n >= 1, ascending microseconds from the start of the stimulus.

    >>> extent_of("a", "a.txt", np.array([*range(0, 1_600_000, 4000), 3_000_000])).holes
    ((1.596, 3.0),)
    """
    times = np.concatenate([[min(0, int(t_us[0]))], t_us])
    usual = len(t_us) >= _FEW_SAMPLES or _is_regular(t_us)
    holes = tuple(
        (float(times[i]) / 1e6, float(times[i + 1]) / 1e6)
        for i in np.flatnonzero(np.diff(times) > _HOLE_S * 1e6)
        if usual
    )
    return Extent(observer, where, float(t_us[-1]) / 1e6, holes)


def _is_regular(t_us: Int64Array) -> bool:
    """Whether nearly all steps are alike, and short: those of a tracker, not of a mouse or of events."""
    if len(t_us) < _FEWEST_REGULAR:
        return False
    steps = np.diff(t_us)
    usual = float(np.median(steps))
    alike = np.abs(steps - usual) <= usual / 2
    return bool(0 < usual < _HOLE_S * 1e5 and alike.mean() >= _ALIKE)


def report_incomplete(
    extents: Sequence[Extent], length_s: float | None, stimulus_id: str, report: Report, *, kind: str = "incomplete"
) -> None:
    """Report recordings that end before the stimulus does, and those with holes.

    Args:
        extents: of all recordings of one stimulus.
        length_s: of the stimulus; None = not known: as long as most of its recordings, where there are three.
        stimulus_id: for what many recordings have in common.
        report: takes the anomalies.
        kind: of the anomalies.
    """
    known = length_s is not None
    if length_s is None:
        if len(extents) < _ENOUGH:
            return
        length_s = float(np.median([extent.end_s for extent in extents]))
    at = f"the clip at {length_s:.2f} s" if known else f"most of this clip at {length_s:.2f} s"
    margin = min(max(_SHORT_S[0], _SHORT_SHARE * length_s), _SHORT_S[1])
    short = [extent for extent in extents if extent.end_s < length_s - margin]
    if len(short) > _MOST_LINES:
        named = shortlist(f"{e.observer} at {e.end_s:.2f} s" for e in short)
        message = f"{len(short)} of {len(extents)} recordings end early, {at}: {named}"
        report.add(kind, stimulus_id, message, count=len(short))
    else:
        for extent in short:
            report.add(kind, extent.where, f"the recording ends at {extent.end_s:.2f} s, {at}")
    _report_holes(extents, length_s, stimulus_id, report, kind)


def _report_holes(extents: Sequence[Extent], length_s: float, stimulus_id: str, report: Report, kind: str) -> None:
    found = [(e, inside) for e in extents if (inside := [hole for hole in e.holes if hole[0] < length_s - _HOLE_S])]
    if len(found) > _MOST_LINES:
        count = sum(len(holes) for _, holes in found)
        named = shortlist(f"{e.observer} {_longest(holes)}" for e, holes in found)
        message = f"{len(found)} of {len(extents)} recordings have times without a sample: {named}"
        report.add(kind, stimulus_id, message, count=count)
        return
    for extent, holes in found:
        more = f" (the longest of {len(holes)} such times)" if len(holes) > 1 else ""
        report.add(kind, extent.where, f"no sample {_longest(holes)}{more}", count=len(holes))


def _longest(holes: Sequence[tuple[float, float]]) -> str:
    start, end = max(holes, key=lambda hole: hole[1] - hole[0])
    return f"from {start:.2f} to {end:.2f} s"

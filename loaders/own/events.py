"""From samples to events: runs of one label, or fixations that a detector of pymovements finds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ..errors import BadData
from ..io.extras import optional_packages
from ..io.names import shortlist
from ..records import Arrays, Float64Array, Int64Array, Mask
from .column_map import EventsTable

EVENTS = ("fixation", "pursuit", "saccade", "noise")
_WORDS = {
    "fix": "fixation",
    "sac": "saccade",
    "smooth": "pursuit",
    "pur": "pursuit",
    "blink": "noise",
    "noise": "noise",
    "unclass": "noise",
    "unknown": "noise",
    "undef": "noise",
    "eyesnot": "noise",
    "lost": "noise",
}
"""Beginnings of labels that say themselves what they mean."""


def event_of(labels: npt.NDArray[np.object_], known: Mapping[str, str], where: str) -> npt.NDArray[np.object_]:
    """Return the event of each label; an empty one is noise.

    Raises:
        BadData: a label that neither the map nor its own word explains.
    """
    meaning: dict[object, str] = {None: "noise", "-": "noise"}
    strange = []
    for label in dict.fromkeys(labels.tolist()):
        if label in meaning:
            continue
        word = str(label).lower().replace(" ", "")
        found = known.get(str(label)) or next((e for begin, e in _WORDS.items() if word.startswith(begin)), None)
        if found is None:
            strange.append(str(label))
        else:
            meaning[label] = found
    if strange:
        raise BadData(
            f"{where}: labels {shortlist(sorted(strange))} of column event are not explained; say in [events] what "
            'they mean: fixation = ["..."], saccade = ["..."], noise = ["..."]'
        )
    return np.array([meaning[label] for label in labels.tolist()], dtype=object)


def runs_of(
    event: npt.NDArray[np.object_], t_us: Int64Array, x: Float64Array, y: Float64Array, begins: Mask | None = None
) -> Arrays:
    """Turn each longest run of one event into a row: median position, from its first sample to its last.

    A run without any position is left out. `begins` marks samples that begin a run whatever the one before is.
    """
    if not len(event):
        starts = np.empty(0, np.intp)
    else:
        new = np.concatenate([[True], event[1:] != event[:-1]])
        starts = np.flatnonzero(new if begins is None else new | begins)
    ends = np.append(starts[1:], len(event)) - 1
    return _rows(starts, ends, event, t_us, x, y)


def detect(
    t_us: Int64Array, x: Float64Array, y: Float64Array, events: EventsTable, degree_px: float | None
) -> tuple[npt.NDArray[np.object_], Mask]:
    """Return the event of each sample by a detector of pymovements, and which samples begin a fixation.

    Outside of fixations a sample is of a saccade, or noise where it is lost.

    Args:
        t_us: int64, (n,), ascending.
        x, y: float64, (n,), pixels of the stimulus; NaN where lost.
        events: the detector and its thresholds.
        degree_px: pixels in a degree.

    Raises:
        MissingExtra: pymovements is not installed.
        BadData: the thresholds are in degrees, and nothing tells how large one is.
    """
    with optional_packages():
        from pymovements.events import idt, ivt
    found = np.full(len(t_us), "saccade", dtype=object)
    begins = np.zeros(len(t_us), dtype=bool)
    lost = ~(np.isfinite(x) & np.isfinite(y))
    found[lost] = "noise"
    if len(t_us) < 3 or lost.all():
        return found, begins
    positions = np.column_stack([x, y])
    minimum = events.minimum_ms * 1000
    if events.detector == "idt":
        limit = _pixels(events.dispersion_px, events.dispersion_deg, degree_px, "dispersion")
        detected = idt(positions, t_us, minimum_duration=minimum, dispersion_threshold=limit)
    else:
        limit = _pixels(events.velocity_px, events.velocity_deg, degree_px, "velocity")
        detected = ivt(velocity(t_us, positions), t_us, minimum_duration=minimum, velocity_threshold=limit)
    onsets, offsets = (np.asarray(detected.frame[name].to_list(), np.int64) for name in ("onset", "offset"))
    for onset, offset in zip(onsets, offsets, strict=True):
        inside = np.flatnonzero((t_us >= onset) & (t_us <= offset) & ~lost)
        found[inside] = "fixation"
        begins[inside[:1]] = True
    return found, begins


def velocity(t_us: Int64Array, positions: Float64Array) -> Float64Array:
    """Pixels a second, by central differences over the true times; NaN beside a lost sample.

    >>> velocity(np.array([0, 4000, 8000]), np.array([[0.0, 0.0], [4.0, 0.0], [8.0, 0.0]]))[1].tolist()
    [1000.0, 0.0]
    """
    seconds = t_us / 1e6
    speed: Float64Array = np.gradient(positions, seconds, axis=0)
    return speed


def parameters(events: EventsTable, degree_px: float | None) -> dict[str, object]:
    """What was done, for release.json."""
    from importlib.metadata import version

    stated: dict[str, object] = {"detector": f"pymovements.events.{events.detector}", "minimum_ms": events.minimum_ms}
    stated["pymovements"] = version("pymovements")
    kind = "dispersion" if events.detector == "idt" else "velocity"
    px = getattr(events, f"{kind}_px")
    stated |= {f"{kind}_px": px} if px is not None else {f"{kind}_deg": getattr(events, f"{kind}_deg")}
    if events.detector == "ivt":
        stated["velocity_by"] = "central differences"
    return stated if degree_px is None else {**stated, "px_per_degree": round(degree_px, 6)}


def _pixels(px: float | None, degrees: float, degree_px: float | None, what: str) -> float:
    if px is not None:
        return px
    if degree_px is None:
        raise BadData(
            f"[events] {what}_deg needs to know how large a degree is: give px_per_degree, or width_px, width_mm and "
            f"distance_mm in [screen]; or give {what}_px"
        )
    return degrees * degree_px


def _rows(
    starts: npt.NDArray[np.intp],
    ends: npt.NDArray[np.intp],
    event: npt.NDArray[np.object_],
    t_us: Int64Array,
    x: Float64Array,
    y: Float64Array,
) -> Arrays:
    seen = np.isfinite(x) & np.isfinite(y)
    kept, middle = [], []
    for i, (a, b) in enumerate(zip(starts, ends, strict=True)):
        inside = slice(a, b + 1)
        if seen[inside].any():
            kept.append(i)
            middle.append((np.median(x[inside][seen[inside]]), np.median(y[inside][seen[inside]])))
    at = np.array(kept, np.intp)
    places = np.array(middle, np.float64).reshape(-1, 2)
    begin, end = t_us[starts[at]], t_us[ends[at]]
    return {
        "event": event[starts[at]],
        "order": np.arange(len(at), dtype=np.int32),
        "t_us": begin,
        "end_us": end,
        "x_px": places[:, 0],
        "y_px": places[:, 1],
    }

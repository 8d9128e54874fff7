"""One recording of GazeCom, whatever text it was read from: the samples of one observer on one clip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from ...errors import BadData
from ...io.compiled import compiled
from ...records import Float64Array, Int64Array, Samples

LARGEST_PX = 1e6
"""Positions farther out are a damaged file; a tracker that loses the eye has given some 3,000 px."""

_UNITS = (1.0, 0.01, 0.001)  # metres, centimetres, millimetres
_NEAREST_M, _FARTHEST_M = 0.2, 2.0


@dataclass(frozen=True)
class Recording(Samples):
    """The samples of one observer on one clip.

    Attributes:
        t_us: (n,), microseconds from the start of the clip, strictly ascending.
        x, y: (n,), pixels of the clip; may lie outside of it.
        confidence: float64 (n,), 0 = the eye was lost, 1 = seen.
        size: (width, height) that the file states, in pixels; None if it does not.
        geometry_m: distance, width and height of the picture in metres; None if the file does not say.
        label: int8 (n,), the final hand label 0 to 4; None if there is none.
        notes: harmless anomalies.
    """

    confidence: Float64Array
    size: tuple[int, int] | None
    geometry_m: tuple[float, float, float] | None
    label: npt.NDArray[np.int8] | None = None
    notes: tuple[str, ...] = ()


def checked(
    name: str,
    t_us: Float64Array,
    x: Float64Array,
    y: Float64Array,
    confidence: Float64Array,
    line: Callable[[int], int],
) -> Int64Array:
    """Check the columns of a recording and return its time as integers.

    Args:
        name: of the file, for messages.
        t_us, x, y, confidence: as read, finite.
        line: gives the line of a row, for messages.

    Raises:
        BadData: no sample; time that is negative, no integer, or does not ascend; a position far off; a confidence
            beyond 0 to 1.
    """
    if not len(t_us):
        raise BadData(f"{name}: no gaze sample is there; fetch the file again")
    whole_us = np.empty(len(t_us), np.int64)
    if not compiled(_sound)(t_us, x, y, confidence, LARGEST_PX, whole_us):
        _raise_first_fault(name, t_us, x, y, confidence, line)
    return whole_us


def _sound(
    t_us: Float64Array,
    x: Float64Array,
    y: Float64Array,
    confidence: Float64Array,
    largest: float,
    whole_us: Int64Array,
) -> bool:
    """Fill `whole_us`; return whether all is as `checked` requires. One pass where NumPy would take a dozen."""
    before = np.int64(-1)
    for i in range(len(t_us)):
        whole = np.int64(t_us[i])
        if whole <= before or whole != t_us[i]:
            return False
        if max(abs(x[i]), abs(y[i])) > largest or not 0 <= confidence[i] <= 1:
            return False
        whole_us[i] = before = whole
    return True


def _raise_first_fault(
    name: str,
    t_us: Float64Array,
    x: Float64Array,
    y: Float64Array,
    confidence: Float64Array,
    line: Callable[[int], int],
) -> NoReturn:
    faults = (
        ((t_us < 0) | (t_us != np.floor(t_us)), "the time is no whole, positive number of microseconds"),
        (np.diff(t_us, prepend=-1.0) <= 0, "the time does not ascend"),
        ((np.abs(x) > LARGEST_PX) | (np.abs(y) > LARGEST_PX), f"the position is beyond {LARGEST_PX:.0f} px"),
        ((confidence < 0) | (confidence > 1), "the confidence is not between 0 and 1"),
    )
    fault, message = next((f, m) for f, m in faults if f.any())
    raise BadData(f"{name}, line {line(int(fault.argmax()))}: {message}")


def in_meters(values: tuple[float, float, float]) -> tuple[tuple[float, float, float], str | None]:
    """Bring distance, width and height to metres, from whichever unit makes the distance that of a screen.

    Returns:
        The three lengths, and the name of the unit if it was not metres.

    Raises:
        ValueError: no unit fits.

    >>> in_meters((45, 40, 22.5))
    ((0.45, 0.4, 0.225), 'centimetres')
    """
    for unit, word in zip(_UNITS, (None, "centimetres", "millimetres"), strict=True):
        if _NEAREST_M <= values[0] * unit <= _FARTHEST_M:
            distance, width, height = (round(v * unit, 9) for v in values)
            return (distance, width, height), word
    raise ValueError(f"a distance of {values[0]:g} fits neither metres nor centimetres nor millimetres")


def cut_off_note(data: bytes, comment: str) -> tuple[str, ...]:
    """Return a note if the last line is a sample without an end of line: what followed may be lost.

    >>> cut_off_note(b"1000 5 5 1", "#")
    ('the last line has no end: the file may be cut off',)
    >>> cut_off_note(b"1000 5 5 1\\n# done", "#")
    ()
    """
    last = data[data.rfind(b"\n") + 1 :]
    if not last.strip() or last.startswith(comment.encode()):
        return ()
    return ("the last line has no end: the file may be cut off",)

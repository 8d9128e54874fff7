"""From the presentation times of a video's pictures to frames at one rate: which picture is on the screen when."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from ..records import Float64Array, Int64Array

_GAP = 1.5
"""A step of so many usual ones is a gap."""
_NEAR = 0.25
"""So far from a frame, in frames, a picture may be shown and still be that frame."""
_LONGEST_GAP_S = 600.0
"""A longer step is a jump of the file's clock, not a picture that stayed."""
_OFF = 1.5
"""A stated rate that is wrong by so many frames at the end is not that of the pictures."""
_STANDARD = [Fraction(n) for n in (10, 12, 15, 20, 24, 25, 30, 48, 50, 60, 100, 120)]
_STANDARD += [Fraction(1000 * n, 1001) for n in (24, 30, 48, 60, 120)]


def frame_rate_of(times_s: Float64Array, stated: Sequence[Fraction]) -> Fraction | None:
    """Return the rate whose frames the pictures do not fill, one after the other; None where they do.

    Args:
        times_s: float64, (n,), seconds, ascending: presentation times of all pictures.
        stated: rates that the file states, the likeliest first.

    Returns:
        The rate of a grid on which pictures are missing, for `frames_at`. None: each picture is the next frame, or the
        times are of no use (fewer than three, or a clock that jumps).

    >>> frame_rate_of(np.array([0.0, 0.04, 0.08, 0.2, 0.24]), [Fraction(75, 4), Fraction(25)])
    Fraction(25, 1)
    >>> frame_rate_of(np.array([0.0, 0.033, 0.067, 0.1]), [Fraction(30)]) is None
    True
    """
    steps = np.diff(times_s)
    if len(steps) < 2 or steps.max() > _LONGEST_GAP_S:
        return None
    usual = float(np.median(steps))
    if usual <= 0 or (steps.max() < _GAP * usual and _even(times_s)):
        return None
    near = [rate for rate in stated if abs(float(rate) * usual - 1) < 0.1]
    measured = _standard(1 / float(steps[(steps > 0) & (steps < _GAP * usual)].mean()))
    candidates = [*near, measured, *(rate for rate in stated if 1 / usual < rate <= 120)]
    return next((rate for rate in candidates if _fits(times_s, rate)), measured)


def rate_against(times_s: Float64Array, stated: Fraction) -> Fraction | None:
    """Return the rate of pictures that come evenly, where the stated one is frames off at their end; None where not.

    Args:
        times_s: float64, (n,), seconds, ascending: presentation times of all pictures.
        stated: the rate that the file states.

    >>> rate_against(np.arange(200) / 24, Fraction(30)), rate_against(np.arange(200) / 24, Fraction(24))
    (Fraction(24, 1), None)
    """
    if len(times_s) < 3 or not (np.diff(times_s) > 0).all() or not _even(times_s):
        return None
    shown = (len(times_s) - 1) / float(times_s[-1] - times_s[0])
    return None if abs(float(stated) / shown - 1) * (len(times_s) - 1) <= _OFF else _standard(shown)


def even_within_a_tick(times: Sequence[int]) -> bool:
    """Whether times are those of one rate, rounded to the tick in which they are written.

    Args:
        times: ascending whole numbers; a container may count in finer units than its writer did.

    >>> even_within_a_tick([0, 528, 1072, 1600, 2128]), even_within_a_tick([0, 528, 1072, 1600, 2160])
    (True, False)
    """
    if len(times) < 2:
        return True
    at = np.array(times, np.int64)
    own = np.linspace(at[0], at[-1], len(at))
    return bool(np.abs(at - own).max() <= np.gcd.reduce(np.diff(at)))


def frames_at(times_s: Float64Array, rate: Fraction) -> Int64Array:
    """Return the frame that each picture begins: the nearest to its time, one later than the picture before at least.

    >>> frames_at(np.array([0.0, 0.04, 0.08, 0.2, 0.24]), Fraction(25)).tolist()
    [0, 1, 2, 5, 6]
    """
    frames = np.rint((times_s - times_s[:1]) * float(rate)).astype(np.int64)
    order = np.arange(len(frames))
    return np.maximum.accumulate(frames - order) + order


def _even(times_s: Float64Array) -> bool:
    """Whether the pictures follow one another at one rate, nowhere a frame early or late."""
    own = np.linspace(times_s[0], times_s[-1], len(times_s))
    return bool(np.abs(times_s - own).max() < own[1] - own[0])


def _fits(times_s: Float64Array, rate: Fraction) -> bool:
    at = (times_s - times_s[0]) * float(rate)
    frames = np.rint(at)
    return bool((np.diff(frames) > 0).all() and np.abs(at - frames).max() <= _NEAR)


def _standard(rate: float) -> Fraction:
    nearest = min(_STANDARD, key=lambda known: abs(float(known) - rate))
    return nearest if abs(float(nearest) / rate - 1) < 0.002 else Fraction(rate).limit_denominator(1000)

"""From milliseconds to frames, by the rule of the two data sets of Xu and Jiang (xu-hevc, LEDOV)."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from ..records import Float64Array, Int32Array, Int64Array, Mask


def frame_span(
    start_ms: Float64Array, end_ms: Float64Array, fps: Fraction, n_frames: int
) -> tuple[Int32Array, Int32Array]:
    """Return the first and the last 0-based frame of each fixation.

    With d = 1000 / fps ms a frame the 1-based frames run from ceil(start / d), at least 1, to ceil(end / d),
    at least the first one and at most the last one of the clip.

    Args:
        start_ms: float64, shape (n,); none may begin after the last frame (see `starts_past`).
        end_ms: float64, shape (n,).
        fps: frames a second.
        n_frames: length of the clip.

    >>> [int(f[0]) for f in frame_span(np.array([0.0]), np.array([100.0]), Fraction(25), 150)]
    [0, 2]
    """
    first = np.maximum(ceil_frames(start_ms, fps), 1) - 1
    last = np.minimum(np.maximum(ceil_frames(end_ms, fps), first + 1), n_frames) - 1
    return first.astype(np.int32), last.astype(np.int32)


def starts_past(start_ms: Float64Array, fps: Fraction, n_frames: int) -> Mask:
    """Return for each start whether its first frame lies after the last one of the clip."""
    return np.asarray(ceil_frames(start_ms, fps) > n_frames)


def ceil_frames(time_ms: Float64Array, fps: Fraction) -> Int64Array:
    """Return ceil(time / frame duration), multiplied out so that whole milliseconds have no rounding."""
    return np.ceil(time_ms * fps.numerator / (1000 * fps.denominator)).astype(np.int64)


def order_within(groups: npt.NDArray[np.generic]) -> Int32Array:
    """Number the rows of each group from 0; the rows of one group lie together.

    >>> order_within(np.array([4, 4, 1, 1, 1])).tolist()
    [0, 1, 0, 1, 2]
    """
    place = np.arange(len(groups))
    if not len(groups):
        return place.astype(np.int32)
    starts = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
    return np.asarray(place - np.repeat(starts, np.diff(np.r_[starts, len(groups)])), dtype=np.int32)

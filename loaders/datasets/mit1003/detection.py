"""The authors' fixation detection for MIT1003: saccades by acceleration, fixations between them.

After `checkFixations.m` of the data set's code. All numbers are theirs, also where the comments beside them say
otherwise:

* speed is the distance between neighbouring samples, averaged over the last four;
* acceleration is the difference of two sums of five such speeds, one sample apart, in pixels a second;
* a saccade begins with a run of at least three samples above 6 x 34 px/s and ends with the last sample of the
  first deceleration below the negative of that, which must come within 25 samples and before the recording ends;
  a run without it is no saccade, unless it is the only one and the recording's last acceleration;
* saccades that leave fewer than twelve samples (50 ms) between them are one, and one that leaves no more than
  twelve at the end of the recording runs to its end; the first fixation may be of any length;
* a fixation's position is the median of its samples that are not NaN, x and y for themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...records import Float64Array, Int64Array, Mask

SAMPLES_PER_SECOND = 240
THRESHOLD_PX = 6 * 34
WINDOW = 4
SHORTEST_RUN = 3
SHORTEST_FIXATION = 12
PATIENCE = 25


@dataclass(frozen=True)
class Detected:
    """The fixations of one recording, in order.

    Attributes:
        first, last: 0-based samples, inclusive.
        x, y: medians, in the samples' own coordinates; NaN where every sample is.
    """

    first: Int64Array
    last: Int64Array
    x: Float64Array
    y: Float64Array


def detect(eye: Float64Array) -> Detected:
    """Detect fixations in samples at 240 Hz, shape (n, 2): x and y in image pixels, NaN where lost."""
    n = len(eye)
    if not n:
        none = np.empty(0, dtype=np.int64)
        return Detected(none, none, np.empty(0), np.empty(0))
    cuts = saccades(eye)
    first = np.array([0] + [end + 1 for _, end in cuts if end + 1 < n], dtype=np.int64)
    last = np.array([start - 1 for start, _ in cuts] + [n - 1], dtype=np.int64)[: len(first)]
    middle = [_medians(eye[a : b + 1]) for a, b in zip(first, last, strict=True)]
    return Detected(first, last, np.array([m[0] for m in middle]), np.array([m[1] for m in middle]))


def saccades(eye: Float64Array) -> list[tuple[int, int]]:
    """Return first and last sample (0-based, inclusive) of each saccade."""
    n = len(eye)
    change = acceleration(eye)
    rising = _runs(change > THRESHOLD_PX)
    falling = change < -THRESHOLD_PX
    moving = np.flatnonzero(change != 0)  # NaN counts
    found: list[tuple[int, int]] = []
    for start, end in rising:
        stop = _deceleration(falling, end)
        if stop is None and len(rising) == 1 and end == moving[-1]:
            stop = n - 1
        if stop is not None:
            found.append((start, stop))
    return _merge(found, n)


def acceleration(eye: Float64Array) -> Float64Array:
    """Return the acceleration at each sample, px/s over one sample, 0 at both ends; NaN near lost samples."""
    n = len(eye)
    out = np.zeros(n)
    if n < WINDOW + 3:
        return out
    with np.errstate(invalid="ignore", over="ignore"):
        step = np.concatenate([[0.0], np.sqrt((np.diff(eye, axis=0) ** 2).sum(axis=1))])
        past = np.concatenate([np.zeros(WINDOW - 1), step])
        speed = (((past[:n] + past[1 : n + 1]) + past[2 : n + 2]) + past[3:]) / WINDOW
        sums = speed[: n - WINDOW].copy()
        for i in range(1, WINDOW + 1):
            sums += speed[i : n - WINDOW + i]
        rate = sums / (WINDOW / SAMPLES_PER_SECOND)
        out[1 : n - WINDOW - 1] = rate[2:] - rate[1:-1]
    return out


def _runs(high: Mask) -> list[tuple[int, int]]:
    """Return first and last index of each run of at least three."""
    edges = np.diff(np.concatenate([[0], high.astype(np.int8), [0]]))
    pairs = zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1, strict=True)
    return [(int(a), int(b)) for a, b in pairs if b - a + 1 >= SHORTEST_RUN]


def _deceleration(falling: Mask, end: int) -> int | None:
    """Return the last sample of the first deceleration after `end`, None if there is none in time."""
    for wait in range(PATIENCE):
        at = end + 1 + wait
        if wait and at + 2 >= len(falling):
            return None
        if falling[at] and not falling[at + 1]:
            return at
    return None


def _merge(found: list[tuple[int, int]], n: int) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    previous_stop = 0
    for start, stop in found:
        if merged and start - previous_stop <= SHORTEST_FIXATION:
            merged[-1] = (merged[-1][0], stop)
        else:
            merged.append((start, stop))
        previous_stop = stop
    if merged and n - 1 - merged[-1][1] <= SHORTEST_FIXATION:
        merged[-1] = (merged[-1][0], n - 1)
    return merged


def _medians(samples: Float64Array) -> tuple[float, float]:
    kept = [column[~np.isnan(column)] for column in samples.T]
    x, y = (float(np.median(column)) if len(column) else float("nan") for column in kept)
    return x, y

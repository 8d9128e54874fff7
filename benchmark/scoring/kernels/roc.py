"""Areas from groups: pixels in ascending order of their value, equal ones together; compiled as `pixels`.

What the groups are (the 256 levels, or the regions between the fixated values of a float map) makes no difference
here. A group is given by the weight of its positives, of its negatives, or of all of its pixels.
"""

# Inside compiled functions numba's own types rule, which mypy cannot follow.
# mypy: disable-error-code="no-any-return,arg-type,assignment"

from __future__ import annotations

import numpy as np

from vidsal.loaders.io.compiled import compiled

from ...metrics.float32 import JITTER, MOST_NUMBERS
from .pixels import Array


@compiled
def group_areas(positives: Array, negatives: Array) -> tuple[float, float]:
    """Exact area of weights by group, half ties; and that of the MIT code in expectation over its jitter.

    NaN without weight.
    """
    below, won, total, m, tied, above = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(positives.size):
        won += positives[k] * (below + negatives[k] / 2)
        below += negatives[k]
        total += positives[k]
        if m > 0:
            above += negatives[k]
        elif positives[k] > 0:  # the lowest group with positives
            m, tied = positives[k], negatives[k]
    if not (total > 0 and below > 0):
        return np.nan, np.nan
    area = won / (total * below)
    return area, area + (above + tied * m / (m + 1)) / (2 * total * below)


def step_area(tp: Array, fp: Array) -> float:
    """Trapezoid through (0, 0), the points in their order and (1, 1)."""
    area, x, y = 0.0, 0.0, 0.0
    for right, top in zip(fp.tolist(), tp.tolist(), strict=True):
        area += (right - x) * (top + y) / 2
        x, y = right, top
    return area + (1 - x) * (1 + y) / 2


def step_hits(values: Array, weights: Array, low: float, high: float, thresholds: Array) -> Array:
    """Share of the weight of values whose stretched value (v - low) / (high - low) reaches each threshold."""
    hits = np.zeros(thresholds.size)
    hits /= _step_hits(values.astype(np.float64, copy=False), weights, low, high, thresholds, hits)
    return hits


@compiled
def _step_hits(values: Array, weights: Array, low: float, high: float, thresholds: Array, hits: Array) -> float:
    total = 0.0
    for i in range(values.size):
        stretched = (values[i] - low) / (high - low)
        total += weights[i]
        for j in range(thresholds.size):
            if stretched >= thresholds[j]:
                hits[j] += weights[i]
    return total


@compiled
def group_untied(positives: Array, everything: Array, others: float) -> float:
    """Area of the MIT code without jitter: one ROC point for each positive, ties against the prediction.

    With fp_i = (pixels at or above the i-th highest positive - i) / others the trapezoid is
    1 - mean fp + fp_n / (2 n), whatever the fp are.
    """
    n, reached, total, lowest = 0.0, 0.0, 0.0, 0.0
    for k in range(positives.size):
        n += positives[k]
    if n == 0 or others <= 0:
        return np.nan
    for k in range(positives.size - 1, -1, -1):
        reached += everything[k]
        total += positives[k] * reached
        if positives[k] > 0:
            lowest = reached
    total -= n * (n + 1) / 2
    return 1 - total / (n * others) + (lowest - n) / (2 * n * others)


@compiled
def jitter_shares(level: float, shares: Array) -> int:
    """Probabilities of the float32 numbers to which a float32 level + a uniform jitter rounds, ascending.

    Returns:
        How many there are (written into `shares`), 0 = very many.
    """
    up = np.float32(np.inf)
    number = np.float32(level)
    size = np.float32(abs(number))
    if JITTER / (np.float64(np.nextafter(size, up)) - np.float64(size)) > MOST_NUMBERS:
        return 0
    base, count, before = np.float64(number), 0, 0.0
    while True:
        last = not (np.float64(number) < base + JITTER)
        above = np.nextafter(number, up)
        edge = JITTER if last else min((np.float64(number) + np.float64(above)) / 2 - base, JITTER)
        if edge > before:
            shares[count] = (edge - before) / JITTER
            count += 1
            before = edge
        if last:
            return count
        number = above


def group_ported(values: Array, positives: Array, everything: Array) -> float:
    """Area of the MIT code whose jitter is rounded to float32; `values` (float32) of the groups with positives.

    Pixels of one group tie with probability q (the sum of the squared shares), and a tie counts against the
    prediction.
    """
    return float(_group_ported(values, positives, everything, np.empty(4 * MOST_NUMBERS)))


@compiled
def _group_ported(values: Array, positives: Array, everything: Array, shares: Array) -> float:
    n, pixels = 0.0, 0.0
    for k in range(positives.size):
        n += positives[k]
        pixels += everything[k]
    unfixated = pixels - n
    if n == 0 or unfixated == 0:
        return np.nan
    false_hits, lowest, above = 0.0, 0.0, 0.0
    for k in range(positives.size - 1, -1, -1):
        m = positives[k]
        tied = everything[k] - m
        if m > 0:
            count = jitter_shares(values[k], shares)
            q, reach, below = 0.0, 0.0, 0.0
            for i in range(count):
                q += shares[i] * shares[i]
                below += shares[i]
                reach += shares[i] * (1 - min(max(1 - below, 0.0), 1.0) ** m)
            if count == 0:
                reach = m / (m + 1)
            false_hits += m * (above + tied * (1 + q) / 2) + q * m * (m - 1) / 2
            lowest = above + tied * reach
        above += tied
    return 1 - false_hits / (n * unfixated) + lowest / (2 * n * unfixated)


def stretch32(p: Array, divisor: np.float32, low: np.float32, high: np.float32) -> Array:
    """(p / divisor - low) / (high - low), every step in float32; p of any type."""
    out = np.empty(p.size, np.float32)
    _stretch32(p, divisor, low, high, out)
    return out


@compiled
def _stretch32(p: Array, divisor: float, low: float, high: float, out: Array) -> None:
    for i in range(p.size):
        out[i] = (np.float32(p[i]) / divisor - low) / (high - low)

"""Arithmetic of published Python code that works in float32, where rounding decides ties and thresholds.

float32 appears only where it decides a comparison; sums are float64.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .maps import Float64Map, Map, float64, is_constant
from .roc import trapezoid

Float32Map = npt.NDArray[np.float32]


JITTER = 1e-7


MOST_NUMBERS = 512
"""With more float32 numbers than this inside the jitter's reach, two jittered pixels practically never coincide."""


def float32_groups(level: np.float32) -> Float64Map | None:
    """Probabilities of the float32 numbers to which `level` + a uniform jitter rounds, ascending; None = very many."""
    spacing = float(np.spacing(np.abs(level)))
    if JITTER / spacing > MOST_NUMBERS:
        return None
    numbers = [level]
    while float(numbers[-1]) < float(level) + JITTER:
        numbers.append(np.nextafter(numbers[-1], np.float32(np.inf)))
    edges = [(float(a) + float(b)) / 2 - float(level) for a, b in zip(numbers[:-1], numbers[1:], strict=True)]
    bounds = np.clip(np.array([0.0, *edges, np.inf]), 0.0, JITTER)
    shares: Float64Map = np.diff(bounds) / JITTER
    return shares[shares > 0]


def float32_jittered_area(s: Float32Map, fixated: Map) -> float:
    """Expected area of the MIT code when its jitter is rounded to float32.

    Pixels of one level fall into a few numbers. Two of them tie with probability q, and a tie counts against the
    prediction; a level that the jitter cannot move (q = 1) stays one tie.
    """
    looked_at = np.asarray(fixated) > 0
    n, unfixated = int(looked_at.sum()), int((~looked_at).sum())
    if n == 0 or unfixated == 0:
        return float("nan")
    every = np.sort(s, axis=None)
    levels, counts = np.unique(s[looked_at], return_counts=True)
    left, right = np.searchsorted(every, levels, "left"), np.searchsorted(every, levels, "right")
    fixated_above = n - np.cumsum(counts)
    false_hits, lowest_fp = 0.0, 0.0
    for i, (level, m) in enumerate(zip(levels, counts, strict=True)):
        shares = float32_groups(level)
        q = 0.0 if shares is None else float((shares**2).sum())
        tied = int(right[i] - left[i]) - int(m)
        above = s.size - int(right[i]) - int(fixated_above[i])
        false_hits += m * (above + tied * (1 + q) / 2) + q * m * (m - 1) / 2
        if i == 0:
            lowest_fp = above + tied * _at_or_above_the_lowest(shares, int(m))
    return float(1 - false_hits / (n * unfixated) + lowest_fp / (2 * n * unfixated))


def _at_or_above_the_lowest(shares: Float64Map | None, m: int) -> float:
    """Probability that a pixel lies at or above the lowest of m others that are jittered alike."""
    if shares is None:
        return m / (m + 1)
    higher = 1 - np.cumsum(shares)
    return float((shares * (1 - np.clip(higher, 0, 1) ** m)).sum())


def unit_scale(saliency: Map) -> Float32Map:
    """8-bit maps as matplotlib reads them from PNG, 0..1."""
    s = np.asarray(saliency)
    return s.astype(np.float32) / np.float32(255) if s.dtype == np.uint8 else s.astype(np.float32)


def unisal_map(saliency: Map) -> Float32Map:
    """float32, divided by its sum where that gives a density; else as it is."""
    s = np.ascontiguousarray(saliency, np.float32)  # the order of a float32 sum moves its last bit
    total = s.sum()
    return s / total if s.min() >= 0 and total > 0 else s


def stretch32(s: Float32Map) -> Float32Map:
    """Stretch to 0..1, every step in float32; the map is not constant."""
    stretched: Float32Map = (s - s.min()) / (s.max() - s.min())
    return stretched


def float32_step_area(s: Float32Map, positives: Map, negatives: Map, *, few: bool) -> float:
    """Steps of 0.1 below the maximum, on a map stretched in float32.

    With `few`, false positives are divided by the number of fixations even where there are fewer negatives.
    """
    p, w = np.asarray(positives) > 0, float64(negatives)
    if is_constant(s) or not p.any() or not w.any():
        return float("nan")
    stretched = (s - s.min()) / (s.max() - s.min())
    tp_values, weights = stretched[p], w[w > 0]
    fp_values = stretched[w > 0]
    thresholds = (np.arange(10)[::-1] * 0.1).astype(np.float32)
    tp = np.array([(tp_values >= t).mean() for t in thresholds])
    fp = np.array([weights[fp_values >= t].sum() for t in thresholds]) / weights.sum()
    if few:
        fp = fp * min(1.0, weights.sum() / len(tp_values))
    return trapezoid(fp, tp)

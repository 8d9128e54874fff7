"""Areas under ROC curves: what the metrics of auc.py and shuffled_auc.py are made of."""

from __future__ import annotations

import numpy as np

from .maps import Float64Map, Map, float64, min_max


def mann_whitney(values: Map, positives: Map, negatives: Map) -> float:
    """P(a positive exceeds a negative) + P(they are equal) / 2, each pixel drawn by its weight.

    Args:
        values: any shape, any real type; -inf is legal.
        positives, negatives: weights of the same shape.

    Returns:
        0..1; NaN if either has no weight.

    >>> mann_whitney(np.array([1, 2, 2, 3]), np.array([0, 1, 0, 1]), np.array([1, 0, 1, 0]))
    0.875
    """
    v, p, n = np.ravel(values), np.ravel(positives), np.ravel(negatives)
    hits, others = np.flatnonzero(p), np.flatnonzero(n)
    if len(hits) == 0 or len(others) == 0:
        return float("nan")
    order = others[np.argsort(v[others])]
    weight_below = np.concatenate(([0.0], np.cumsum(n[order], dtype=np.float64)))
    below = weight_below[np.searchsorted(v[order], v[hits], "left")]
    at_or_below = weight_below[np.searchsorted(v[order], v[hits], "right")]
    won = (p[hits] * (below + at_or_below) / 2).sum()
    return float(won / (p[hits].sum(dtype=np.float64) * weight_below[-1]))


def trapezoid(fp: Float64Map, tp: Float64Map) -> float:
    """Area under the straight lines through (0, 0), the points (fp, tp) in their order, and (1, 1)."""
    x = np.concatenate(([0.0], fp, [1.0]))
    y = np.concatenate(([0.0], tp, [1.0]))
    return float(((x[1:] - x[:-1]) * (y[1:] + y[:-1]) / 2).sum())


def _thresholds(top: bool) -> Float64Map:
    """1.0 (if `top`), 0.9, ..., 0.0 as the double products j * 0.1; 6 * 0.1 lies just above 0.6."""
    steps: Float64Map = np.arange(11.0 if top else 10.0)[::-1] * 0.1
    return steps


def step_area(saliency: Map, positives: Map, negatives: Map, top: bool) -> float:
    """Trapezoid over steps of 0.1 of the min-max map: what random splits of the negatives give on average."""
    s = min_max(saliency)
    if np.isnan(s.flat[0]) or not np.any(positives) or not np.any(negatives):
        return float("nan")
    p, n = float64(positives), float64(negatives)
    above = [s >= t for t in _thresholds(top)]
    tp = np.array([p[a].sum() for a in above]) / p.sum()
    fp = np.array([n[a].sum() for a in above]) / n.sum()
    return trapezoid(fp, tp)


def level_points(saliency: Map, fixated: Map) -> tuple[Float64Map, Float64Map]:
    """ROC points at the distinct fixated values, descending; empty if there is nothing to compare."""
    looked_at = np.asarray(fixated) > 0
    s = np.asarray(saliency)
    n, pixels = int(looked_at.sum()), s.size
    if n in (0, pixels):
        return np.empty(0), np.empty(0)
    values = np.sort(s[looked_at])
    levels = np.unique(values)[::-1]
    tp = n - np.searchsorted(values, levels, side="left")
    at_or_above = pixels - np.searchsorted(np.sort(s, axis=None), levels, side="left")
    return (at_or_above - tp) / (pixels - n), tp / n


def rounded_area(fp: Float64Map, tp: Float64Map) -> float:
    """Area through ROC points (ascending by tp, a higher fp with each) rounded to four decimals."""
    fp, tp = np.round(fp, 4), np.round(tp, 4)
    # Its points are sorted by tp from the lowest threshold on, so of equal tp the higher fp comes first.
    order = np.argsort(tp[::-1], kind="stable")
    return trapezoid(fp[::-1][order], tp[::-1][order])

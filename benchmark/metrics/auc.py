"""Areas under ROC curves, as definitions; a part of `metrics.py`, where their conventions are told."""

from __future__ import annotations

import numpy as np

from .base import metric
from .maps import Float64Map, Map, float64, is_constant, min_max


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


def _step_area(saliency: Map, positives: Map, negatives: Map, top: bool) -> float:
    """Trapezoid over steps of 0.1 of the min-max map: what random splits of the negatives give on average."""
    s = min_max(saliency)
    if np.isnan(s.flat[0]) or not np.any(positives) or not np.any(negatives):
        return float("nan")
    p, n = float64(positives), float64(negatives)
    above = [s >= t for t in _thresholds(top)]
    tp = np.array([p[a].sum() for a in above]) / p.sum()
    fp = np.array([n[a].sum() for a in above]) / n.sum()
    return trapezoid(fp, tp)


@metric(
    "auc_judd",
    "mw;pos=fixated_pixels;neg=unfixated_pixels",
    degenerate="constant map 0.5; no fixated or no unfixated pixel NaN",
    source="Mann & Whitney 1947, for the question of Judd et al., ICCV 2009; exact area, half ties",
)
def auc_judd(saliency: Map, fixated: Map) -> float:
    """Area under the exact ROC curve: fixated pixels against all others, ties counted half.

    Args:
        saliency: any scale; -inf is legal.
        fixated: which pixels were looked at; duplicates count once.

    Returns:
        0..1, 0.5 at chance.

    >>> auc_judd(np.array([[3, 1], [2, 0]]), np.array([[True, False], [False, False]]))
    1.0
    """
    looked_at = np.asarray(fixated) > 0
    return mann_whitney(saliency, looked_at, ~looked_at)


@metric(
    "auc_judd",
    "mw;pos=fixation_list;neg=unfixated_pixels",
    degenerate="constant map 0.5; no fixated or no unfixated pixel NaN",
    source="as auc_judd, every fixation counted",
)
def auc_judd_list(saliency: Map, fixated: Map) -> float:
    """Exact ROC area, every fixation (with duplicates) against the pixels without any."""
    counts = np.asarray(fixated)
    return mann_whitney(saliency, counts, counts == 0)


@metric(
    "auc_judd",
    "mw;pos=fixation_list;neg=all_pixels",
    degenerate="constant map 0.5; no fixation NaN",
    source="Kümmerer et al., pysaliency, `AUC` with uniform non-fixations",
)
def auc_all_pixels(saliency: Map, fixated: Map) -> float:
    """Exact ROC area, every fixation against all pixels of the image, fixated ones included."""
    return mann_whitney(saliency, fixated, np.ones(np.shape(fixated)))


@metric(
    "auc_judd",
    "trapz;jitter=expected",
    degenerate="constant map 0.5 + 1/(2(n+1)); no fixated or no unfixated pixel NaN",
    source="Judd et al., ICCV 2009, `AUC_Judd.m` of the MIT benchmark, in expectation over its jitter",
    chance="0.5 + 1/(2(n+1)), n fixated pixels",
)
def auc_judd_jittered(saliency: Map, fixated: Map) -> float:
    """Area of the MIT code: ROC points only at fixated values; ties broken at random, on average.

    Joining the points by straight lines gives a bonus: half the fraction of unfixated pixels above the lowest
    fixated value v, divided by n. Of e unfixated pixels equal to v, m/(m+1) lie above the lowest of the m fixated
    ones on average.
    """
    looked_at = np.asarray(fixated) > 0
    s = np.asarray(saliency)
    n, unfixated = int(looked_at.sum()), int((~looked_at).sum())
    if n == 0 or unfixated == 0:
        return float("nan")
    lowest = s[looked_at].min()
    m = int((s[looked_at] == lowest).sum())
    e = int((s[~looked_at] == lowest).sum())
    above = int((s[~looked_at] > lowest).sum())
    return auc_judd(s, looked_at) + (above + e * m / (m + 1)) / (2 * n * unfixated)


@metric(
    "auc_judd",
    "trapz;jitter=none",
    degenerate="constant map, no fixated or no unfixated pixel NaN",
    source="Judd et al., ICCV 2009, `AUC_Judd.m` with its jitter switched off",
    # Along a tie fp falls, below 0 where most pixels are fixated.
    value_range=(-float("inf"), 1.0),
)
def auc_judd_untied(saliency: Map, fixated: Map) -> float:
    """Area of the MIT code without jitter: every tie counts fully against the prediction."""
    looked_at = np.asarray(fixated) > 0
    s = np.asarray(saliency)
    n, pixels = int(looked_at.sum()), s.size
    if n in (0, pixels) or is_constant(s):
        return float("nan")
    values = np.sort(s[looked_at])[::-1]
    at_or_above = pixels - np.searchsorted(np.sort(s, axis=None), values, side="left")
    rank = np.arange(1, n + 1)
    return trapezoid((at_or_above - rank) / (pixels - n), rank / n)


@metric(
    "auc_judd",
    "trapz;unique_thresholds",
    degenerate="constant map 0.5; no fixated or no unfixated pixel NaN",
    source="Droste et al., UNISAL, `salience_metrics.py` without its rounding",
)
def auc_judd_levels(saliency: Map, fixated: Map) -> float:
    """Area through one ROC point for each distinct fixated value."""
    fp, tp = level_points(saliency, fixated)
    return trapezoid(fp, tp) if len(fp) else float("nan")


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


@metric(
    "shuffled_auc",
    "mw;pos=fixated_pixels;neg=other_list",
    degenerate="constant map 0.5; no fixation or no negative NaN",
    source="Zhang et al., J. Vision 8 (2008); exact area, weighted negatives",
)
def shuffled_auc(saliency: Map, fixated: Map, negatives: Map) -> float:
    """Exact ROC area of the fixated pixels against where people looked in other stimuli.

    Args:
        saliency: any scale; -inf is legal.
        fixated: which pixels were looked at; duplicates count once.
        negatives: how often (or how likely) each pixel was looked at elsewhere.

    Returns:
        0..1, 0.5 at chance and for a pure centre bias.
    """
    return mann_whitney(saliency, np.asarray(fixated) > 0, negatives)


@metric(
    "shuffled_auc",
    "mw;pos=fixation_list;neg=other_list",
    degenerate="constant map 0.5; no fixation or no negative NaN",
    source="Kümmerer et al., pysaliency, `AUC` with shuffled non-fixations",
)
def shuffled_auc_list(saliency: Map, fixated: Map, negatives: Map) -> float:
    """Exact ROC area, every fixation (with duplicates) against the fixations of other stimuli."""
    return mann_whitney(saliency, fixated, negatives)


@metric(
    "shuffled_auc",
    "mw;pos=fixated_pixels;neg=other_pixels",
    degenerate="constant map 0.5; no fixation or no negative NaN",
    source="as shuffled_auc, the union of the other fixations",
)
def shuffled_auc_union(saliency: Map, fixated: Map, negatives: Map) -> float:
    """Exact ROC area against the distinct pixels fixated elsewhere."""
    return mann_whitney(saliency, np.asarray(fixated) > 0, np.asarray(negatives) > 0)


@metric(
    "shuffled_auc",
    "mw;pos=fixated_pixels;neg=other_pixels_minus_fixated",
    degenerate="constant map 0.5; no fixation or no negative NaN",
    source="as shuffled_auc_union, the fixated pixels removed from it",
)
def shuffled_auc_disjoint(saliency: Map, fixated: Map, negatives: Map) -> float:
    """Exact ROC area against the distinct pixels fixated elsewhere and not now."""
    looked_at = np.asarray(fixated) > 0
    return mann_whitney(saliency, looked_at, (np.asarray(negatives) > 0) & ~looked_at)


@metric(
    "shuffled_auc",
    "step=0.1;expected;thr=0..1.0",
    degenerate="constant map, no fixation or no negative NaN",
    source="Borji et al., TIP 2013, `AUC_shuffled.m` of the MIT benchmark, in expectation over its random splits",
)
def shuffled_auc_step(saliency: Map, fixated: Map, negatives: Map) -> float:
    """Area of the MIT code at thresholds 1.0, 0.9, ..., 0.0 of the min-max map, averaged over random splits.

    `negatives` weighs pixels: ones on the union of the other fixations, or the probability to be in that union.
    """
    return _step_area(saliency, np.asarray(fixated) > 0, negatives, top=True)


@metric(
    "shuffled_auc",
    "step=0.1;expected;thr=0..0.9",
    degenerate="constant map, no fixation or no negative NaN",
    source="as shuffled_auc_step; NumPy ranges stop before the maximum (SalEMA, tinyHD, UNISAL)",
)
def shuffled_auc_step_open(saliency: Map, fixated: Map, negatives: Map) -> float:
    """As `shuffled_auc_step` without the threshold 1.0."""
    return _step_area(saliency, np.asarray(fixated) > 0, negatives, top=False)


@metric(
    "auc_borji",
    "step=0.1;expected;thr=0..1.0",
    degenerate="constant map or no fixation NaN",
    source="Borji et al., TIP 2013, `AUC_Borji.m` of the MIT benchmark, in expectation over its random splits",
)
def auc_borji(saliency: Map, fixated: Map) -> float:
    """Area of the MIT code at steps of 0.1: fixated pixels against all pixels, averaged over random splits."""
    return _step_area(saliency, np.asarray(fixated) > 0, np.ones(np.shape(fixated)), top=True)


@metric(
    "auc_borji",
    "step=0.1;expected;thr=0..0.9",
    degenerate="constant map or no fixation NaN",
    source="as auc_borji; NumPy ranges stop before the maximum",
)
def auc_borji_open(saliency: Map, fixated: Map) -> float:
    """As `auc_borji` without the threshold 1.0."""
    return _step_area(saliency, np.asarray(fixated) > 0, np.ones(np.shape(fixated)), top=False)

"""AUC-Judd and AUC-Borji: fixated pixels against pixels of the same frame."""

from __future__ import annotations

import numpy as np

from .base import ON_FIXATIONS, Family, metric
from .float32 import Float32Map, float32_groups, float32_jittered_area, stretch32, unisal_map, unit_scale
from .maps import Map, float64, is_constant
from .roc import level_points, mann_whitney, rounded_area, step_area, trapezoid

AUC_JUDD = Family(
    "auc_judd",
    "AUC-J",
    ON_FIXATIONS,
    higher_is_better=True,
    range=(0.0, 1.0),
    chance=0.5,
    ceiling="below 1 where fixations scatter",
    unit="area",
    ranks=True,
)
AUC_BORJI = Family(
    "auc_borji",
    "AUC-B",
    ON_FIXATIONS,
    higher_is_better=True,
    range=(0.0, 1.0),
    chance=0.5,
    ceiling="below 1",
    unit="area",
    ranks=True,
)


@metric(
    AUC_JUDD,
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
    AUC_JUDD,
    "mw;pos=fixation_list;neg=unfixated_pixels",
    degenerate="constant map 0.5; no fixated or no unfixated pixel NaN",
    source="as auc_judd, every fixation counted",
)
def auc_judd_list(saliency: Map, fixated: Map) -> float:
    """Exact ROC area, every fixation (with duplicates) against the pixels without any."""
    counts = np.asarray(fixated)
    return mann_whitney(saliency, counts, counts == 0)


@metric(
    AUC_JUDD,
    "mw;pos=fixation_list;neg=all_pixels",
    degenerate="constant map 0.5; no fixation NaN",
    source="Kümmerer et al., pysaliency, `AUC` with uniform non-fixations",
)
def auc_all_pixels(saliency: Map, fixated: Map) -> float:
    """Exact ROC area, every fixation against all pixels of the image, fixated ones included."""
    return mann_whitney(saliency, fixated, np.ones(np.shape(fixated)))


@metric(
    AUC_JUDD,
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
    AUC_JUDD,
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
    AUC_JUDD,
    "trapz;unique_thresholds",
    degenerate="constant map 0.5; no fixated or no unfixated pixel NaN",
    source="Droste et al., UNISAL, `salience_metrics.py` without its rounding",
)
def auc_judd_levels(saliency: Map, fixated: Map) -> float:
    """Area through one ROC point for each distinct fixated value."""
    fp, tp = level_points(saliency, fixated)
    return trapezoid(fp, tp) if len(fp) else float("nan")


def _port_auc_judd(saliency: Float32Map, fixated: Map) -> float:
    if is_constant(saliency):
        shares = float32_groups(saliency.flat[0])
        if shares is not None and len(shares) == 1:
            # The stretched map is NaN, nothing lies above any threshold, fp falls below 0.
            n = int((np.asarray(fixated) > 0).sum())
            return 1 + n / (2 * (saliency.size - n)) if 0 < n < saliency.size else float("nan")
    return float32_jittered_area(saliency, fixated)


@metric(
    AUC_JUDD,
    "trapz;jitter=expected;float32;scale=255",
    degenerate="a constant map that the jitter cannot move 1 + n/(2(N-n)); nothing to compare NaN",
    source="Linardos et al., SalEMA, `evaluation/salience_metrics.py`",
    chance="depends on the map's scale",
    value_range=(-float("inf"), float("inf")),
)
def auc_judd_salema(saliency: Map, fixated: Map) -> float:
    """Area of the MIT code on float32 maps of 0..255: jitter moves the two lowest levels only."""
    return _port_auc_judd(np.asarray(saliency, np.float32), fixated)


@metric(
    AUC_JUDD,
    "trapz;jitter=expected;float32;scale=1",
    degenerate="a constant map that the jitter cannot move 1 + n/(2(N-n)); nothing to compare NaN",
    source="Hu et al., tinyHD, `src/metrics/metrics.py`",
    chance="depends on the map's scale",
    value_range=(-float("inf"), float("inf")),
)
def auc_judd_tinyhd(saliency: Map, fixated: Map) -> float:
    """Area of the MIT code on float32 maps of 0..1: above 0.5 jitter has only one to three values."""
    return _port_auc_judd(unit_scale(saliency), fixated)


@metric(
    AUC_JUDD,
    "trapz;unique_thresholds;round=4;float32",
    degenerate="constant map (refused by an assertion there), no fixation or nothing else NaN",
    source="Droste, Jiao & Noble, UNISAL, `salience_metrics.py`",
    chance="NaN",
)
def auc_judd_unisal(saliency: Map, fixated: Map) -> float:
    """One ROC point for each distinct fixated value, its coordinates rounded to four decimals."""
    s = unisal_map(saliency)
    if is_constant(s):
        return float("nan")
    fp, tp = level_points(stretch32(s), fixated)
    return rounded_area(fp, tp) if len(fp) else float("nan")


@metric(
    AUC_JUDD,
    "trapz;jitter=none;pos=fixation_list;unique=columns",
    degenerate="constant map n/(N-2)-like, far below chance; no fixation NaN (raises there)",
    source="MSU, ECCVW24/NTIRE26 saliency challenges, `bench.py`",
    chance="near 0.03 for 16 fixations: ties count against the prediction",
    value_range=(-float("inf"), float("inf")),
)
def auc_judd_msu(saliency: Map, fixated: Map) -> float:
    """Area of the MIT code without jitter; fixations repeat, and unique columns are counted for unique fixations."""
    counts = np.asarray(fixated).astype(np.int64)
    s = float64(saliency)
    n = int(counts.sum())
    if n == 0:
        return float("nan")
    row, column = np.nonzero(counts)
    unique = 1 if (row == column).all() else 2
    if s.size <= unique:
        return float("nan")
    values = np.sort(np.repeat(s[row, column], counts[row, column]))[::-1]
    at_or_above = s.size - np.searchsorted(np.sort(s, axis=None), values, side="left")
    rank = np.arange(1, n + 1)
    return trapezoid((at_or_above - rank) / (s.size - unique), rank / n)


@metric(
    AUC_BORJI,
    "step=0.1;expected;thr=0..1.0",
    degenerate="constant map or no fixation NaN",
    source="Borji et al., TIP 2013, `AUC_Borji.m` of the MIT benchmark, in expectation over its random splits",
)
def auc_borji(saliency: Map, fixated: Map) -> float:
    """Area of the MIT code at steps of 0.1: fixated pixels against all pixels, averaged over random splits."""
    return step_area(saliency, np.asarray(fixated) > 0, np.ones(np.shape(fixated)), top=True)


@metric(
    AUC_BORJI,
    "step=0.1;expected;thr=0..0.9",
    degenerate="constant map or no fixation NaN",
    source="as auc_borji; NumPy ranges stop before the maximum",
)
def auc_borji_open(saliency: Map, fixated: Map) -> float:
    """As `auc_borji` without the threshold 1.0."""
    return step_area(saliency, np.asarray(fixated) > 0, np.ones(np.shape(fixated)), top=False)

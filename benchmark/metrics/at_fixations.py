"""Normalized scanpath saliency: the z-score of the map where people looked."""

from __future__ import annotations

from math import inf

import numpy as np

from .base import ON_FIXATIONS, Family, metric
from .maps import Map, centered, float64, is_constant

NSS = Family(
    "nss",
    "NSS",
    ON_FIXATIONS,
    higher_is_better=True,
    range=(-inf, inf),
    chance=0.0,
    ceiling="sqrt(N/n - 1)",
    unit="standard deviations",
)


def _mean_z(saliency: Map, weights: Map, ddof: int) -> float:
    x, w = centered(saliency), float64(weights)
    deviation = np.sqrt((x**2).sum() / (x.size - ddof))
    return float((w * x).sum() / (w.sum() * deviation))


@metric(
    NSS,
    "ddof=0;pos=fixated_pixels",
    degenerate="constant map 0; no fixation NaN",
    source="Peters, Iyer, Itti & Koch, Vision Research 45 (2005)",
)
def nss(saliency: Map, fixated: Map) -> float:
    """Mean z-score of the map at the fixated pixels.

    Args:
        saliency: any scale, finite.
        fixated: which pixels were looked at; duplicates count once.

    Returns:
        Standard deviations (ddof 0) above the map's mean. A constant map gives 0.0.

    >>> nss(np.eye(2), np.eye(2, dtype=bool))
    1.0
    """
    looked_at = np.asarray(fixated) > 0
    if not looked_at.any():
        return float("nan")
    return 0.0 if is_constant(saliency) else _mean_z(saliency, looked_at, 0)


@metric(
    NSS,
    "ddof=0;pos=fixation_list",
    degenerate="constant map 0; no fixation NaN",
    source="Kümmerer et al., pysaliency, `NSS`",
)
def nss_list(saliency: Map, fixated: Map) -> float:
    """Mean z-score at the fixations, duplicates counted."""
    if not np.any(fixated):
        return float("nan")
    return 0.0 if is_constant(saliency) else _mean_z(saliency, fixated, 0)


@metric(
    NSS,
    "ddof=1;pos=fixated_pixels",
    degenerate="constant map or no fixation NaN",
    source="`NSS.m` of the MIT benchmark (MATLAB's `std` divides by N - 1)",
    chance="NaN",
)
def nss_sample(saliency: Map, fixated: Map) -> float:
    """Mean z-score at the fixated pixels with the sample standard deviation."""
    looked_at = np.asarray(fixated) > 0
    if not looked_at.any() or is_constant(saliency):
        return float("nan")
    return _mean_z(saliency, looked_at, 1)


@metric(
    NSS,
    "ddof=1;pos=fixation_list",
    degenerate="constant map or no fixation NaN",
    source="as nss_sample, duplicates counted",
    chance="NaN",
)
def nss_sample_list(saliency: Map, fixated: Map) -> float:
    """Mean z-score at the fixations with the sample standard deviation."""
    if not np.any(fixated) or is_constant(saliency):
        return float("nan")
    return _mean_z(saliency, fixated, 1)


@metric(
    NSS,
    "ddof=0;pos=fixated_pixels;constant=nan",
    degenerate="constant map or no fixation NaN",
    source="as nss; the ports divide 0 by 0",
    chance="NaN",
)
def nss_undefined(saliency: Map, fixated: Map) -> float:
    """Mean z-score at the fixated pixels, undefined for a constant map."""
    looked_at = np.asarray(fixated) > 0
    if not looked_at.any() or is_constant(saliency):
        return float("nan")
    x = centered(saliency)
    return float(x[looked_at].mean() / x.std())


@metric(
    NSS,
    "ddof=1;pos=fixated_pixels;none=1",
    degenerate="no fixation 1; constant map NaN (rounding noise there)",
    source="Droste, Jiao & Noble, UNISAL, `utils.py`",
    chance="NaN",
    scores_no_fixation=True,
)
def nss_unisal(saliency: Map, fixated: Map) -> float:
    """Mean z-score with the sample deviation; a frame without fixations scores 1."""
    looked_at = np.asarray(fixated) > 0
    if not looked_at.any():
        return 1.0
    if is_constant(saliency):
        return float("nan")
    x = centered(saliency)
    return float(x[looked_at].mean() / x.std(ddof=1))


@metric(
    NSS,
    "ddof=0;std+1e-7;pos=fixation_list",
    degenerate="constant map 0; no fixation NaN",
    source="MSU, ECCVW24/NTIRE26 saliency challenges, `bench.py`",
)
def nss_msu(saliency: Map, fixated: Map) -> float:
    """Mean z-score at the fixations, duplicates counted, a constant added to the deviation."""
    counts = float64(fixated)
    if not counts.any():
        return float("nan")
    x = centered(saliency)
    return float((counts * x).sum() / (counts.sum() * (x.std() + 1e-7)))

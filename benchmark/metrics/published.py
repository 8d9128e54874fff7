"""Scores as published code computes them, faults included, in expectation where that code draws by chance.

Each function is one dialect; `protocols_published.py` says which protocol uses it and what the fault costs. None of
them is a good definition: those are in `metrics.py`. float32 appears only where the published arithmetic decides a
comparison (ties, thresholds); sums are float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .auc import level_points, trapezoid
from .base import metric
from .maps import Map, as_density, centred, float64, is_constant

Float32Map = npt.NDArray[np.float32]
Float64Map = npt.NDArray[np.float64]

EPS32 = 1.1920928955078125e-07
"""The spacing of float32 at 1."""

EPS_MIT = 2.2204e-16
"""The constant of the MIT formulas as most Python ports write it."""

JITTER = 1e-7
MOST_NUMBERS = 512
"""With more float32 numbers than this inside the jitter's reach, two jittered pixels practically never coincide."""


# ---------------------------------------------------------------------------------------------------------------------
# SalEMA and tinyHD: Python ports of the MIT code, in float32


def _float32_groups(level: np.float32) -> Float64Map | None:
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


def _jittered_area(s: Float32Map, fixated: Map) -> float:
    """Expected area of the MIT code when its jitter is rounded to float32.

    Pixels of one level fall into a few numbers. Two of them tie with probability q, and a tie counts against the
    prediction; a level that the jitter can not move (q = 1) stays one tie.
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
        shares = _float32_groups(level)
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


def _port_auc_judd(saliency: Float32Map, fixated: Map) -> float:
    if is_constant(saliency):
        shares = _float32_groups(saliency.flat[0])
        if shares is not None and len(shares) == 1:
            # The stretched map is NaN, nothing lies above any threshold, fp falls below 0.
            n = int((np.asarray(fixated) > 0).sum())
            return 1 + n / (2 * (saliency.size - n)) if 0 < n < saliency.size else float("nan")
    return _jittered_area(saliency, fixated)


@metric(
    "auc_judd",
    "trapz;jitter=expected;float32;scale=255",
    degenerate="a constant map that the jitter can not move 1 + n/(2(N-n)); nothing to compare NaN",
    source="Linardos et al., SalEMA, `evaluation/salience_metrics.py`",
    chance="depends on the map's scale",
    value_range=(-float("inf"), float("inf")),
)
def auc_judd_salema(saliency: Map, fixated: Map) -> float:
    """Area of the MIT code on float32 maps of 0..255: jitter moves the two lowest levels only."""
    return _port_auc_judd(np.asarray(saliency, np.float32), fixated)


@metric(
    "auc_judd",
    "trapz;jitter=expected;float32;scale=1",
    degenerate="a constant map that the jitter can not move 1 + n/(2(N-n)); nothing to compare NaN",
    source="Hu et al., tinyHD, `src/metrics/metrics.py`",
    chance="depends on the map's scale",
    value_range=(-float("inf"), float("inf")),
)
def auc_judd_tinyhd(saliency: Map, fixated: Map) -> float:
    """Area of the MIT code on float32 maps of 0..1: above 0.5 jitter has only one to three values."""
    return _port_auc_judd(_unit_scale(saliency), fixated)


def _unit_scale(saliency: Map) -> Float32Map:
    """8-bit maps as matplotlib reads them from PNG, 0..1."""
    s = np.asarray(saliency)
    return s.astype(np.float32) / np.float32(255) if s.dtype == np.uint8 else s.astype(np.float32)


def _float32_step_area(s: Float32Map, positives: Map, negatives: Map, *, few: bool) -> float:
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


@metric(
    "shuffled_auc",
    "step=0.1;expected;thr=0..0.9;float32;fp=over_fixations",
    degenerate="constant map, no fixation or no negative NaN",
    source="Linardos et al., SalEMA, `evaluation/salience_metrics.py`; tinyHD has the same function",
)
def shuffled_auc_port(saliency: Map, fixated: Map, negatives: Map) -> float:
    """Steps of 0.1 without the maximum; false positives over the number of fixations, averaged over splits."""
    return _float32_step_area(_unit_scale(saliency), fixated, negatives, few=True)


@metric(
    "nss",
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
    x = centred(saliency)
    return float(x[looked_at].mean() / x.std())


@metric(
    "sim",
    "minmax;sum;zero=nan",
    degenerate="constant prediction or truth NaN",
    source="Linardos et al., SalEMA, `evaluation/salience_metrics.py`; tinyHD has the same function",
    chance="NaN",
)
def sim_port(saliency: Map, density: Map) -> float:
    """Shared mass after stretching both maps to 0..1, undefined if either is constant."""
    if is_constant(saliency) or is_constant(density):
        return float("nan")
    p, g = float64(saliency), float64(density)
    p, g = p - p.min(), g - g.min()
    return float(np.minimum(p / p.sum(), g / g.sum()).sum())


# ---------------------------------------------------------------------------------------------------------------------
# UNISAL: expects densities in float32


def _unisal_map(saliency: Map) -> Float32Map:
    """float32, divided by its sum where that gives a density; else as it is."""
    s = np.ascontiguousarray(saliency, np.float32)  # the order of a float32 sum moves its last bit
    total = s.sum()
    return s / total if s.min() >= 0 and total > 0 else s


def _stretch32(s: Float32Map) -> Float32Map:
    stretched: Float32Map = (s - s.min()) / (s.max() - s.min())
    return stretched


@metric(
    "auc_judd",
    "trapz;unique_thresholds;round=4;float32",
    degenerate="constant map (refused by an assertion there), no fixation or nothing else NaN",
    source="Droste, Jiao & Noble, UNISAL, `salience_metrics.py`",
    chance="NaN",
)
def auc_judd_unisal(saliency: Map, fixated: Map) -> float:
    """One ROC point for each distinct fixated value, its coordinates rounded to four decimals."""
    s = _unisal_map(saliency)
    if is_constant(s):
        return float("nan")
    fp, tp = level_points(_stretch32(s), fixated)
    return rounded_area(fp, tp) if len(fp) else float("nan")


def rounded_area(fp: Float64Map, tp: Float64Map) -> float:
    """Area through ROC points (ascending by tp, a higher fp with each) rounded to four decimals."""
    fp, tp = np.round(fp, 4), np.round(tp, 4)
    # Its points are sorted by tp from the lowest threshold on, so of equal tp the higher fp comes first.
    order = np.argsort(tp[::-1], kind="stable")
    return trapezoid(fp[::-1][order], tp[::-1][order])


@metric(
    "shuffled_auc",
    "step=0.1;expected;thr=0..0.9;float32",
    degenerate="constant map (raises there), no fixation or no negative NaN",
    source="Droste, Jiao & Noble, UNISAL, `salience_metrics.py`",
)
def shuffled_auc_unisal(saliency: Map, fixated: Map, negatives: Map) -> float:
    """Steps of 0.1 without the maximum, on float32 densities, averaged over splits."""
    return _float32_step_area(_unisal_map(saliency), fixated, negatives, few=False)


@metric(
    "nss",
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
    x = centred(saliency)
    return float(x[looked_at].mean() / x.std(ddof=1))


@metric(
    "sim",
    "none",
    degenerate="an all-zero map 0; negative values enter as they are",
    source="Droste, Jiao & Noble, UNISAL, `salience_metrics.py`",
    value_range=(-float("inf"), 1.0),
)
def sim_unisal(saliency: Map, density: Map) -> float:
    """Sum of the minimum of two maps that are taken to be densities."""
    p, g = float64(saliency), float64(density)
    p = p / p.sum() if p.min() >= 0 and p.sum() > 0 else p
    return float(np.minimum(p, g / g.sum() if g.sum() > 0 else g).sum())


@metric(
    "kld",
    "gt||pred;log_softmax;no_eps;0*inf=nan",
    degenerate="a zero in the prediction NaN where the truth is 0 too, else inf; truth without mass NaN",
    source="Droste, Jiao & Noble, UNISAL, `utils.py` (torch's kl_div)",
)
def kld_unisal(saliency: Map, density: Map) -> float:
    """Plain divergence with float arithmetic's 0 times infinity."""
    p, g = float64(saliency), float64(density)
    if not g.sum() > 0 or p.min() < 0 or not p.sum() > 0:
        return float("nan")
    p, q = p / p.sum(), g / g.sum()
    if np.any((p == 0) & (q == 0)):
        return float("nan")
    seen = q > 0
    with np.errstate(divide="ignore"):
        return float((q[seen] * (np.log(q[seen]) - np.log(p[seen]))).sum())


# ---------------------------------------------------------------------------------------------------------------------
# The challenges of MSU (ECCV 2024, NTIRE 2026)


def stretch_eps32(values: Map) -> Float64Map:
    """Stretch to 0..1 with an epsilon below the fraction: how the challenges read a map, before they resize it."""
    s = float64(values)
    stretched: Float64Map = (s - s.min()) / (s.max() - s.min() + EPS32)
    return stretched


@metric(
    "auc_judd",
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
    "nss",
    "ddof=0;std+1e-7;pos=fixation_list",
    degenerate="constant map 0; no fixation NaN",
    source="MSU, ECCVW24/NTIRE26 saliency challenges, `bench.py`",
)
def nss_msu(saliency: Map, fixated: Map) -> float:
    """Mean z-score at the fixations, duplicates counted, a constant added to the deviation."""
    counts = float64(fixated)
    if not counts.any():
        return float("nan")
    x = centred(saliency)
    return float((counts * x).sum() / (counts.sum() * (x.std() + 1e-7)))


@metric(
    "cc",
    "pearson;+1e-7",
    degenerate="constant prediction or truth 0",
    source="MSU, ECCVW24/NTIRE26 saliency challenges, `bench.py`",
)
def cc_msu(saliency: Map, density: Map) -> float:
    """Correlation with constants added inside."""
    if is_constant(saliency) or is_constant(density):
        return 0.0
    p, g = centred(saliency), centred(density)
    a, b = p / (p.std() + 1e-7), g / (g.std() + 1e-7)
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum() + 1e-7))


@metric(
    "sim",
    "sum+1e-7",
    degenerate="constant prediction or truth 0",
    source="MSU, ECCVW24/NTIRE26 saliency challenges, `bench.py`",
)
def sim_msu(saliency: Map, density: Map) -> float:
    """Shared mass, a constant added to the sums."""
    p, g = float64(saliency), float64(density)
    return float(np.minimum(p / (p.sum() + 1e-7), g / (g.sum() + 1e-7)).sum())


def _mit_divergence(p: Float64Map, g: Float64Map) -> float:
    return float((g * np.log(EPS_MIT + g / (p + EPS_MIT))).sum())


@metric(
    "kld",
    "gt||pred;sum;log(eps+q/(p+eps));eps=2.2204e-16;constant=nan",
    degenerate="constant prediction or truth NaN (raises there)",
    source="MSU, ECCVW24/NTIRE26 saliency challenges, `bench.py`; defined there, not reported",
    chance="NaN",
)
def kld_msu(saliency: Map, density: Map) -> float:
    """The MIT formula, undefined for a constant map."""
    if is_constant(saliency) or is_constant(density):
        return float("nan")
    p, g = float64(saliency), float64(density)
    return _mit_divergence(p / p.sum(), g / g.sum())


# ---------------------------------------------------------------------------------------------------------------------
# The MIT/Tübingen benchmark (pysaliency)


@metric(
    "kld",
    "gt||pred;sum;log(eps+q/(p+eps));eps=2.2204e-16",
    degenerate="a constant prediction or truth stands for the uniform density",
    source="Kümmerer et al., MIT/Tübingen Saliency Benchmark, with pysaliency's regularised divergence",
    subtracts_minimum=True,
)
def kld_tuebingen(saliency: Map, density: Map) -> float:
    """The MIT formula on densities, with its constant as most ports write it."""
    return _mit_divergence(as_density(saliency), as_density(density))


@metric(
    "sim",
    "sum;constant=uniform",
    degenerate="a constant prediction or truth stands for the uniform density",
    source="Kümmerer et al., pysaliency",
    subtracts_minimum=True,
)
def sim_tuebingen(saliency: Map, density: Map) -> float:
    """Mass that the two densities share; a map without mass is the uniform density."""
    return float(np.minimum(as_density(saliency), as_density(density)).sum())


# ---------------------------------------------------------------------------------------------------------------------


def _not_scored(**_: Any) -> float:
    """Not reported by the origin."""
    return float("nan")


NOT_SCORED = "not scored"
for _name in ("shuffled_auc", "kld"):
    metric(
        _name,
        NOT_SCORED,
        degenerate="always NaN",
        source="the protocol's origin does not report it",
        chance="NaN",
    )(_not_scored)

"""The metrics, as definitions: short float64 functions that read like their formulas. These are the truth.

Maps have shape (height, width). A `fixated` map says how often each pixel was looked at: a boolean map counts every
fixated pixel once, an integer map keeps duplicates. `negatives` weighs the pixels that stand for "looked at
elsewhere". A prediction may be given as any real array; all arithmetic is float64. Nothing here is random: what
published code draws by chance (jitter, random splits) is its exact expectation.

Faster bodies of the same numbers are in `kernels.py` (CPU) and `device.py` (torch), and are tested against these.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .declaration import metric

Map = npt.NDArray[Any]
Float64Map = npt.NDArray[np.float64]

EPS = 2.220446049250313e-16
"""The constant of the MIT formulas: the spacing of float64 at 1."""


# ---------------------------------------------------------------------------------------------------------------------
# Parts


def _float64(values: Map) -> Float64Map:
    return np.asarray(values, dtype=np.float64)


def _is_constant(values: Map) -> bool:
    return bool(values.min() == values.max())


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


def min_max(values: Map) -> Float64Map:
    """Stretch to 0..1; NaN for a constant map."""
    s = _float64(values)
    low, high = s.min(), s.max()
    stretched: Float64Map = (s - low) / (high - low) if high > low else np.full(s.shape, np.nan)
    return stretched


def as_density(saliency: Map) -> Float64Map:
    """Divide a map by its sum, after subtracting its minimum if any value is negative; constant -> uniform."""
    s = _float64(saliency)
    if _is_constant(s):
        return np.full(s.shape, 1.0 / s.size)
    if s.min() < 0:
        s = s - s.min()
    p: Float64Map = s / s.sum()
    return p


def _thresholds(top: bool) -> Float64Map:
    """1.0 (if `top`), 0.9, ..., 0.0 as the double products j * 0.1; 6 * 0.1 lies just above 0.6."""
    steps: Float64Map = np.arange(11.0 if top else 10.0)[::-1] * 0.1
    return steps


def _step_area(saliency: Map, positives: Map, negatives: Map, top: bool) -> float:
    """Trapezoid over steps of 0.1 of the min-max map: what random splits of the negatives give on average."""
    s = min_max(saliency)
    if np.isnan(s.flat[0]) or not np.any(positives) or not np.any(negatives):
        return float("nan")
    p, n = _float64(positives), _float64(negatives)
    above = [s >= t for t in _thresholds(top)]
    tp = np.array([p[a].sum() for a in above]) / p.sum()
    fp = np.array([n[a].sum() for a in above]) / n.sum()
    return trapezoid(fp, tp)


# ---------------------------------------------------------------------------------------------------------------------
# Areas under ROC curves


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
    if n in (0, pixels) or _is_constant(s):
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
    fp, tp = _level_points(saliency, fixated)
    return trapezoid(fp, tp) if len(fp) else float("nan")


def _level_points(saliency: Map, fixated: Map) -> tuple[Float64Map, Float64Map]:
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


# ---------------------------------------------------------------------------------------------------------------------
# Values at fixations


def _mean_z(saliency: Map, weights: Map, ddof: int) -> float:
    s, w = _float64(saliency), _float64(weights)
    centred = s - s.mean()
    deviation = np.sqrt((centred**2).sum() / (s.size - ddof))
    return float((w * centred).sum() / (w.sum() * deviation))


@metric(
    "nss",
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
    return 0.0 if _is_constant(saliency) else _mean_z(saliency, looked_at, 0)


@metric(
    "nss",
    "ddof=0;pos=fixation_list",
    degenerate="constant map 0; no fixation NaN",
    source="Kümmerer et al., pysaliency, `NSS`",
)
def nss_list(saliency: Map, fixated: Map) -> float:
    """Mean z-score at the fixations, duplicates counted."""
    if not np.any(fixated):
        return float("nan")
    return 0.0 if _is_constant(saliency) else _mean_z(saliency, fixated, 0)


@metric(
    "nss",
    "ddof=1;pos=fixated_pixels",
    degenerate="constant map or no fixation NaN",
    source="`NSS.m` of the MIT benchmark (MATLAB's `std` divides by N - 1)",
    chance="NaN",
)
def nss_sample(saliency: Map, fixated: Map) -> float:
    """Mean z-score at the fixated pixels with the sample standard deviation."""
    looked_at = np.asarray(fixated) > 0
    if not looked_at.any() or _is_constant(saliency):
        return float("nan")
    return _mean_z(saliency, looked_at, 1)


@metric(
    "nss",
    "ddof=1;pos=fixation_list",
    degenerate="constant map or no fixation NaN",
    source="as nss_sample, duplicates counted",
    chance="NaN",
)
def nss_sample_list(saliency: Map, fixated: Map) -> float:
    """Mean z-score at the fixations with the sample standard deviation."""
    if not np.any(fixated) or _is_constant(saliency):
        return float("nan")
    return _mean_z(saliency, fixated, 1)


def _log2_at(density: Map, fixated: Map, eps: float) -> float:
    w = _float64(fixated)
    where = w > 0
    with np.errstate(divide="ignore"):
        return float((w[where] * np.log2(_float64(density)[where] + eps)).sum() / w.sum())


@metric(
    "information_gain",
    "sum;log2(p)-log2(b);pos=fixation_list",
    subtracts_minimum=True,
    degenerate="no fixation NaN; a fixation where the density is 0 -inf",
    source="Kümmerer, Wallis & Bethge, PNAS 112 (2015)",
)
def information_gain(saliency: Map, fixated: Map, baseline: Map) -> float:
    """Mean log2 ratio of the predicted to the baseline density at the fixations, duplicates counted."""
    if not np.any(fixated):
        return float("nan")
    return _log2_at(as_density(saliency), fixated, 0.0) - _log2_at(as_density(baseline), fixated, 0.0)


@metric(
    "information_gain",
    "minmax;sum;log2(eps+p)-log2(eps+b);pos=fixated_pixels",
    degenerate="constant map or no fixation NaN; a fixation on the minimum costs 52 bits",
    source="`InfoGain.m` of the MIT benchmark",
    chance="NaN",
)
def information_gain_mit(saliency: Map, fixated: Map, baseline: Map) -> float:
    """The MIT code's gain: both maps stretched to 0..1, then divided by their sums, eps inside the logarithms."""
    looked_at = np.asarray(fixated) > 0
    if not looked_at.any():
        return float("nan")
    p, b = min_max(saliency), min_max(baseline)
    return _log2_at(p / p.sum(), looked_at, EPS) - _log2_at(b / b.sum(), looked_at, EPS)


@metric(
    "log_likelihood",
    "sum;log2(p*N);pos=fixation_list",
    subtracts_minimum=True,
    degenerate="constant map 0; no fixation NaN; a fixation where the density is 0 -inf",
    source="Kümmerer, Wallis & Bethge, PNAS 112 (2015); the uniform density as its zero",
)
def log_likelihood(saliency: Map, fixated: Map) -> float:
    """Mean log2 of the predicted density at the fixations, over that of the uniform density."""
    if not np.any(fixated):
        return float("nan")
    return _log2_at(as_density(saliency), fixated, 0.0) + float(np.log2(np.size(saliency)))


# ---------------------------------------------------------------------------------------------------------------------
# Map against map


def _pearson(a: Map, b: Map) -> float:
    x, y = _float64(a), _float64(b)
    x, y = x - x.mean(), y - y.mean()
    return float((x * y).sum() / (np.sqrt((x * x).sum()) * np.sqrt((y * y).sum())))


@metric(
    "cc",
    "pearson",
    degenerate="constant prediction 0; constant truth NaN",
    source="Pearson's correlation over the pixels",
)
def cc(saliency: Map, density: Map) -> float:
    """Correlation of the two maps over their pixels.

    Returns:
        -1..1; 0 for a constant prediction, NaN for a constant truth.
    """
    if _is_constant(density):
        return float("nan")
    return 0.0 if _is_constant(saliency) else _pearson(saliency, density)


@metric(
    "cc",
    "pearson;constant=nan",
    degenerate="constant prediction or truth NaN",
    source="`CC.m` of the MIT benchmark",
    chance="NaN",
)
def cc_undefined(saliency: Map, density: Map) -> float:
    """Correlation of the two maps, undefined if either is constant."""
    return float("nan") if _is_constant(density) or _is_constant(saliency) else _pearson(saliency, density)


@metric(
    "sim",
    "sum",
    subtracts_minimum=True,
    degenerate="constant prediction: of the uniform density; truth without mass NaN",
    source="histogram intersection: Swain & Ballard 1991; Judd et al. 2012, without the stretch to 0..1",
)
def sim(saliency: Map, density: Map) -> float:
    """Mass that the two densities share: the sum of their minimum, 0..1."""
    g = _float64(density)
    total = g.sum()
    return float(np.minimum(as_density(saliency), g / total).sum()) if total > 0 else float("nan")


def _stretched_density(values: Map) -> Float64Map:
    """Stretch to 0..1, then sum to 1; an all-zero map stays as it is, another constant one becomes NaN."""
    s = _float64(values)
    if not s.any():
        return s
    stretched = min_max(s)
    p: Float64Map = stretched / stretched.sum()
    return p


@metric(
    "sim",
    "minmax;sum",
    degenerate="an all-zero map 0; another constant map NaN",
    source="`similarity.m` of the MIT benchmark",
    chance="NaN",
)
def sim_stretched(saliency: Map, density: Map) -> float:
    """Shared mass after both maps were stretched to 0..1 and divided by their sums."""
    return float(np.minimum(_stretched_density(saliency), _stretched_density(density)).sum())


@metric(
    "kld",
    "gt||pred;sum;log(eps+q/(p+eps));eps=2.220446049250313e-16",
    subtracts_minimum=True,
    degenerate="constant prediction: from the uniform density; truth without mass NaN",
    source="`KLdiv.m` of the MIT benchmark on densities",
)
def kld(saliency: Map, density: Map) -> float:
    """Divergence of the prediction from the truth, sum Q log(eps + Q / (P + eps)), in nats."""
    g = _float64(density)
    total = g.sum()
    if not total > 0:
        return float("nan")
    p, q = as_density(saliency), g / total
    return float((q * np.log(EPS + q / (p + EPS))).sum())


@metric(
    "kld",
    "gt||pred;sum;log(eps+q/(p+eps));eps=2.220446049250313e-16;zero_sum=undivided",
    degenerate="a map whose sum is 0 is not divided: all-zero truth 0, all-zero prediction finite",
    source="`KLdiv.m` of the MIT benchmark as it stands; of a complex logarithm the real part",
)
def kld_undivided(saliency: Map, density: Map) -> float:
    """The MIT formula on maps as they come, negative values included."""
    p, q = (s / s.sum() if s.sum() != 0 else s for s in (_float64(saliency), _float64(density)))
    with np.errstate(divide="ignore"):
        return float((q * np.log(np.abs(EPS + q / (p + EPS)))).sum())


@metric(
    "kld",
    "gt||pred;sum;no_eps",
    subtracts_minimum=True,
    degenerate="the prediction 0 where the truth is not: inf; truth without mass NaN",
    source="Kullback & Leibler 1951",
)
def kld_plain(saliency: Map, density: Map) -> float:
    """Divergence without any constant: infinite where the prediction excludes what was seen."""
    g = _float64(density)
    if not g.sum() > 0:
        return float("nan")
    p, q = as_density(saliency), g / g.sum()
    seen = q > 0
    with np.errstate(divide="ignore"):
        return float((q[seen] * (np.log(q[seen]) - np.log(p[seen]))).sum())


@metric(
    "kld",
    "gt||softmax(pred);no_eps",
    degenerate="constant prediction: from the uniform density; truth without mass NaN",
    source="Kullback & Leibler 1951, of a prediction given as a log density",
)
def kld_of_logs(saliency: Map, density: Map) -> float:
    """Divergence of a prediction given as unnormalised natural logarithms; -inf where it excludes a pixel."""
    logs, g = _float64(saliency), _float64(density)
    if not g.sum() > 0:
        return float("nan")
    q = g / g.sum()
    log_p = logs - logs.max()
    log_p = log_p - np.log(np.exp(log_p).sum())
    seen = q > 0
    return float((q[seen] * (np.log(q[seen]) - log_p[seen])).sum())

"""The metrics, as definitions: short float64 functions that read like their formulas. These are the truth.

Maps have shape (height, width). A `fixated` map says how often each pixel was looked at: a boolean map counts every
fixated pixel once, an integer map keeps duplicates. `negatives` weighs the pixels that stand for "looked at
elsewhere". A prediction may be given as any real array; all arithmetic is float64. Nothing here is random: what
published code draws by chance (jitter, random splits) is its exact expectation. A map is constant if all its
values are equal; any other map is scored as it is given, however small its range is against its values.

Faster bodies of the same numbers are in `kernels.py` (CPU) and `device.py` (torch), and are tested against these.
"""

from __future__ import annotations

import numpy as np

from .auc import (
    auc_all_pixels,
    auc_borji,
    auc_borji_open,
    auc_judd,
    auc_judd_jittered,
    auc_judd_levels,
    auc_judd_list,
    auc_judd_untied,
    mann_whitney,
    shuffled_auc,
    shuffled_auc_disjoint,
    shuffled_auc_list,
    shuffled_auc_step,
    shuffled_auc_step_open,
    shuffled_auc_union,
    trapezoid,
)
from .base import metric
from .maps import Float64Map, Map, as_density, centred, float64, is_constant, min_max

__all__ = [
    "EPS",
    "as_density",
    "auc_all_pixels",
    "auc_borji",
    "auc_borji_open",
    "auc_judd",
    "auc_judd_jittered",
    "auc_judd_levels",
    "auc_judd_list",
    "auc_judd_untied",
    "cc",
    "cc_undefined",
    "information_gain",
    "information_gain_mit",
    "kld",
    "kld_of_logs",
    "kld_plain",
    "kld_undivided",
    "log_likelihood",
    "mann_whitney",
    "min_max",
    "nss",
    "nss_list",
    "nss_sample",
    "nss_sample_list",
    "shuffled_auc",
    "shuffled_auc_disjoint",
    "shuffled_auc_list",
    "shuffled_auc_step",
    "shuffled_auc_step_open",
    "shuffled_auc_union",
    "sim",
    "sim_stretched",
    "trapezoid",
]

EPS = 2.220446049250313e-16
"""The constant of the MIT formulas: the spacing of float64 at 1."""


# ---------------------------------------------------------------------------------------------------------------------
# Values at fixations


def _mean_z(saliency: Map, weights: Map, ddof: int) -> float:
    x, w = centred(saliency), float64(weights)
    deviation = np.sqrt((x**2).sum() / (x.size - ddof))
    return float((w * x).sum() / (w.sum() * deviation))


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
    return 0.0 if is_constant(saliency) else _mean_z(saliency, looked_at, 0)


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
    return 0.0 if is_constant(saliency) else _mean_z(saliency, fixated, 0)


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
    if not looked_at.any() or is_constant(saliency):
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
    if not np.any(fixated) or is_constant(saliency):
        return float("nan")
    return _mean_z(saliency, fixated, 1)


def _log2_at(density: Map, fixated: Map, eps: float) -> float:
    w = float64(fixated)
    where = w > 0
    with np.errstate(divide="ignore"):
        return float((w[where] * np.log2(float64(density)[where] + eps)).sum() / w.sum())


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
    x, y = centred(a), centred(b)
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
    if is_constant(density):
        return float("nan")
    return 0.0 if is_constant(saliency) else _pearson(saliency, density)


@metric(
    "cc",
    "pearson;constant=nan",
    degenerate="constant prediction or truth NaN",
    source="`CC.m` of the MIT benchmark",
    chance="NaN",
)
def cc_undefined(saliency: Map, density: Map) -> float:
    """Correlation of the two maps, undefined if either is constant."""
    return float("nan") if is_constant(density) or is_constant(saliency) else _pearson(saliency, density)


@metric(
    "sim",
    "sum",
    subtracts_minimum=True,
    degenerate="constant prediction: of the uniform density; truth without mass NaN",
    source="histogram intersection: Swain & Ballard 1991; Judd et al. 2012, without the stretch to 0..1",
)
def sim(saliency: Map, density: Map) -> float:
    """Mass that the two densities share: the sum of their minimum, 0..1."""
    g = float64(density)
    total = g.sum()
    return float(np.minimum(as_density(saliency), g / total).sum()) if total > 0 else float("nan")


def _stretched_density(values: Map) -> Float64Map:
    """Stretch to 0..1, then sum to 1; an all-zero map stays as it is, another constant one becomes NaN."""
    s = float64(values)
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
    g = float64(density)
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
    p, q = (s / s.sum() if s.sum() != 0 else s for s in (float64(saliency), float64(density)))
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
    g = float64(density)
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
    logs, g = float64(saliency), float64(density)
    if not g.sum() > 0:
        return float("nan")
    q = g / g.sum()
    log_p = logs - logs.max()
    log_p = log_p - np.log(np.exp(log_p).sum())
    seen = q > 0
    return float((q[seen] * (np.log(q[seen]) - log_p[seen])).sum())

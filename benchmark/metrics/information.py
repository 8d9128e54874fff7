"""Information gain and log-likelihood: bits a fixation."""

from __future__ import annotations

from math import inf

import numpy as np

from .base import ON_FIXATIONS, Family, metric
from .maps import EPS, Map, as_density, float64, min_max

INFORMATION_GAIN = Family(
    "information_gain",
    "IG",
    (*ON_FIXATIONS, "baseline"),
    higher_is_better=True,
    range=(-inf, inf),
    chance=0.0,
    ceiling="of the true density",
    unit="bits per fixation",
    of_densities=True,
)
LOG_LIKELIHOOD = Family(
    "log_likelihood",
    "LL",
    ON_FIXATIONS,
    higher_is_better=True,
    range=(-inf, inf),
    chance=0.0,
    ceiling="of the true density",
    unit="bits per fixation",
    of_densities=True,
)


def _log2_at(density: Map, fixated: Map, eps: float) -> float:
    w = float64(fixated)
    where = w > 0
    with np.errstate(divide="ignore"):
        return float((w[where] * np.log2(float64(density)[where] + eps)).sum() / w.sum())


@metric(
    INFORMATION_GAIN,
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
    INFORMATION_GAIN,
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
    LOG_LIKELIHOOD,
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


def _mean_bits(log_density: Map, fixated: Map) -> float:
    """Mean log2 of the normalized density at the fixations, from natural logarithms up to a constant."""
    logs, w = float64(log_density), float64(fixated)
    where = w > 0
    high = logs.max()
    total = float(high + np.log(np.exp(logs - high).sum()))
    return float((w[where] * (logs[where] - total)).sum() / w.sum() / np.log(2))


@metric(
    INFORMATION_GAIN,
    "logs;log2(p)-log2(b);pos=fixation_list",
    degenerate="no fixation NaN; a fixation where the density is 0 -inf",
    source="Kümmerer, Wallis & Bethge, PNAS 112 (2015), from log densities, which lose no digits where p is tiny",
    needs=("log_density", "fixated", "baseline"),
)
def information_gain_of_logs(log_density: Map, fixated: Map, baseline: Map) -> float:
    """Mean log2 ratio of the predicted to the baseline density at the fixations, duplicates counted.

    Args:
        log_density: natural logarithm of the prediction, up to a constant; -inf where its probability is 0.
        fixated: how often each pixel was looked at.
        baseline: density of the baseline, any positive scale.

    Returns:
        Bits a fixation; -inf where somebody looked at a pixel of probability 0.
    """
    if not np.any(fixated):
        return float("nan")
    return _mean_bits(log_density, fixated) - _log2_at(as_density(baseline), fixated, 0.0)


@metric(
    LOG_LIKELIHOOD,
    "logs;log2(p*N);pos=fixation_list",
    degenerate="constant map 0; no fixation NaN; a fixation where the density is 0 -inf",
    source="Kümmerer, Wallis & Bethge, PNAS 112 (2015); the uniform density as its zero; from log densities",
    needs=("log_density", "fixated"),
)
def log_likelihood_of_logs(log_density: Map, fixated: Map) -> float:
    """Mean log2 of the predicted density at the fixations, over that of the uniform density.

    Args:
        log_density: natural logarithm of the prediction, up to a constant; -inf where its probability is 0.
        fixated: how often each pixel was looked at.

    Returns:
        Bits a fixation; 0 for the uniform density, -inf where somebody looked at a pixel of probability 0.
    """
    if not np.any(fixated):
        return float("nan")
    return _mean_bits(log_density, fixated) + float(np.log2(np.size(log_density)))

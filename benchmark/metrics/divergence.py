"""Kullback-Leibler divergence of the prediction from the truth, in nats."""

from __future__ import annotations

from math import inf

import numpy as np

from .base import MAP_AGAINST_MAP, Family, metric, not_scored
from .maps import EPS, EPS_MIT, Float64Map, Map, as_density, float64, is_constant

KLD = Family(
    "kld",
    "KLD",
    MAP_AGAINST_MAP,
    higher_is_better=False,
    range=(0.0, inf),
    chance="divergence from the uniform density",
    ceiling=0.0,
    unit="nats",
)
not_scored(KLD)


@metric(
    KLD,
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
    KLD,
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
    KLD,
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
    KLD,
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


@metric(
    KLD,
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


def _mit_divergence(p: Float64Map, g: Float64Map) -> float:
    return float((g * np.log(EPS_MIT + g / (p + EPS_MIT))).sum())


@metric(
    KLD,
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


@metric(
    KLD,
    "gt||pred;sum;log(eps+q/(p+eps));eps=2.2204e-16",
    degenerate="a constant prediction or truth stands for the uniform density",
    source="Kümmerer et al., MIT/Tübingen Saliency Benchmark, with pysaliency's regularised divergence",
    subtracts_minimum=True,
)
def kld_tuebingen(saliency: Map, density: Map) -> float:
    """The MIT formula on densities, with its constant as most ports write it."""
    return _mit_divergence(as_density(saliency), as_density(density))

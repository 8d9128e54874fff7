"""Similarity: the mass that the predicted and the true density share."""

from __future__ import annotations

import numpy as np

from .base import MAP_AGAINST_MAP, Family, metric
from .maps import Float64Map, Map, as_density, float64, is_constant, min_max

SIM = Family(
    "sim",
    "SIM",
    MAP_AGAINST_MAP,
    higher_is_better=True,
    range=(0.0, 1.0),
    chance="overlap with the uniform density",
    ceiling=1.0,
    unit="mass",
)


@metric(
    SIM,
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
    SIM,
    "minmax;sum",
    degenerate="an all-zero map 0; another constant map NaN",
    source="`similarity.m` of the MIT benchmark",
    chance="NaN",
)
def sim_stretched(saliency: Map, density: Map) -> float:
    """Shared mass after both maps were stretched to 0..1 and divided by their sums."""
    return float(np.minimum(_stretched_density(saliency), _stretched_density(density)).sum())


@metric(
    SIM,
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


@metric(
    SIM,
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
    SIM,
    "sum+1e-7",
    degenerate="constant prediction or truth 0",
    source="MSU, ECCVW24/NTIRE26 saliency challenges, `bench.py`",
)
def sim_msu(saliency: Map, density: Map) -> float:
    """Shared mass, a constant added to the sums."""
    p, g = float64(saliency), float64(density)
    return float(np.minimum(p / (p.sum() + 1e-7), g / (g.sum() + 1e-7)).sum())


@metric(
    SIM,
    "sum;constant=uniform",
    degenerate="a constant prediction or truth stands for the uniform density",
    source="Kümmerer et al., pysaliency",
    subtracts_minimum=True,
)
def sim_tuebingen(saliency: Map, density: Map) -> float:
    """Mass that the two densities share; a map without mass is the uniform density."""
    return float(np.minimum(as_density(saliency), as_density(density)).sum())

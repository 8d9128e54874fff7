"""Correlation of the predicted map with the density of the truth."""

from __future__ import annotations

import numpy as np

from .base import MAP_AGAINST_MAP, Family, metric
from .maps import Map, centered, is_constant

CC = Family(
    "cc", "CC", MAP_AGAINST_MAP, higher_is_better=True, range=(-1.0, 1.0), chance=0.0, ceiling=1.0, unit="correlation"
)


def _pearson(a: Map, b: Map) -> float:
    x, y = centered(a), centered(b)
    return float((x * y).sum() / (np.sqrt((x * x).sum()) * np.sqrt((y * y).sum())))


@metric(
    CC,
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
    CC,
    "pearson;constant=nan",
    degenerate="constant prediction or truth NaN",
    source="`CC.m` of the MIT benchmark",
    chance="NaN",
)
def cc_undefined(saliency: Map, density: Map) -> float:
    """Correlation of the two maps, undefined if either is constant."""
    return float("nan") if is_constant(density) or is_constant(saliency) else _pearson(saliency, density)


@metric(
    CC,
    "pearson;+1e-7",
    degenerate="constant prediction or truth 0",
    source="MSU, ECCVW24/NTIRE26 saliency challenges, `bench.py`",
)
def cc_msu(saliency: Map, density: Map) -> float:
    """Correlation with constants added inside."""
    if is_constant(saliency) or is_constant(density):
        return 0.0
    p, g = centered(saliency), centered(density)
    a, b = p / (p.std() + 1e-7), g / (g.std() + 1e-7)
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum() + 1e-7))

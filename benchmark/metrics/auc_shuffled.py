"""Shuffled AUC: fixated pixels against where people looked in other stimuli."""

from __future__ import annotations

import numpy as np

from .base import ON_FIXATIONS, Family, metric, not_scored
from .float32 import float32_step_area, unisal_map, unit_scale
from .maps import Map
from .roc import mann_whitney, step_area

SHUFFLED_AUC = Family(
    "shuffled_auc",
    "sAUC",
    (*ON_FIXATIONS, "negatives"),
    higher_is_better=True,
    range=(0.0, 1.0),
    chance=0.5,
    ceiling="below 1",
    unit="area",
    ranks=True,
)
not_scored(SHUFFLED_AUC)


@metric(
    SHUFFLED_AUC,
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
    SHUFFLED_AUC,
    "mw;pos=fixation_list;neg=other_list",
    degenerate="constant map 0.5; no fixation or no negative NaN",
    source="Kümmerer et al., pysaliency, `AUC` with shuffled non-fixations",
)
def shuffled_auc_list(saliency: Map, fixated: Map, negatives: Map) -> float:
    """Exact ROC area, every fixation (with duplicates) against the fixations of other stimuli."""
    return mann_whitney(saliency, fixated, negatives)


@metric(
    SHUFFLED_AUC,
    "mw;pos=fixated_pixels;neg=other_pixels",
    degenerate="constant map 0.5; no fixation or no negative NaN",
    source="as shuffled_auc, the union of the other fixations",
)
def shuffled_auc_union(saliency: Map, fixated: Map, negatives: Map) -> float:
    """Exact ROC area against the distinct pixels fixated elsewhere."""
    return mann_whitney(saliency, np.asarray(fixated) > 0, np.asarray(negatives) > 0)


@metric(
    SHUFFLED_AUC,
    "mw;pos=fixated_pixels;neg=other_pixels_minus_fixated",
    degenerate="constant map 0.5; no fixation or no negative NaN",
    source="as shuffled_auc_union, the fixated pixels removed from it",
)
def shuffled_auc_disjoint(saliency: Map, fixated: Map, negatives: Map) -> float:
    """Exact ROC area against the distinct pixels fixated elsewhere and not now."""
    looked_at = np.asarray(fixated) > 0
    return mann_whitney(saliency, looked_at, (np.asarray(negatives) > 0) & ~looked_at)


@metric(
    SHUFFLED_AUC,
    "step=0.1;expected;thr=0..1.0",
    degenerate="constant map, no fixation or no negative NaN",
    source="Borji et al., TIP 2013, `AUC_shuffled.m` of the MIT benchmark, in expectation over its random splits",
)
def shuffled_auc_step(saliency: Map, fixated: Map, negatives: Map) -> float:
    """Area of the MIT code at thresholds 1.0, 0.9, ..., 0.0 of the min-max map, averaged over random splits.

    `negatives` weighs pixels: ones on the union of the other fixations, or the probability to be in that union.
    """
    return step_area(saliency, np.asarray(fixated) > 0, negatives, top=True)


@metric(
    SHUFFLED_AUC,
    "step=0.1;expected;thr=0..0.9",
    degenerate="constant map, no fixation or no negative NaN",
    source="as shuffled_auc_step; NumPy ranges stop before the maximum (SalEMA, tinyHD, UNISAL)",
)
def shuffled_auc_step_open(saliency: Map, fixated: Map, negatives: Map) -> float:
    """As `shuffled_auc_step` without the threshold 1.0."""
    return step_area(saliency, np.asarray(fixated) > 0, negatives, top=False)


@metric(
    SHUFFLED_AUC,
    "step=0.1;expected;thr=0..0.9;float32;fp=over_fixations",
    degenerate="constant map, no fixation or no negative NaN",
    source="Linardos et al., SalEMA, `evaluation/salience_metrics.py`; tinyHD has the same function",
)
def shuffled_auc_port(saliency: Map, fixated: Map, negatives: Map) -> float:
    """Steps of 0.1 without the maximum; false positives over the number of fixations, averaged over splits."""
    return float32_step_area(unit_scale(saliency), fixated, negatives, few=True)


@metric(
    SHUFFLED_AUC,
    "step=0.1;expected;thr=0..0.9;float32",
    degenerate="constant map (raises there), no fixation or no negative NaN",
    source="Droste, Jiao & Noble, UNISAL, `salience_metrics.py`",
)
def shuffled_auc_unisal(saliency: Map, fixated: Map, negatives: Map) -> float:
    """Steps of 0.1 without the maximum, on float32 densities, averaged over splits."""
    return float32_step_area(unisal_map(saliency), fixated, negatives, few=False)

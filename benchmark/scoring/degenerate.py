"""Why a score is missing, or which convention stated it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..metrics.base import NOT_SCORED, Metric
from ..metrics.maps import Map
from ..predictor import Kind
from .truth import FrameTruth

NO_FIXATION = "no fixation"
NO_DENSITY = "no density"
NOT_REPORTED = "not reported by this protocol"
ALL_FIXATED = "all pixels fixated"
CONSTANT_PREDICTION = "constant prediction"
CONSTANT_TRUTH = "constant truth"
EMPTY_TRUTH = "truth without mass"
NO_DENSITY_PREDICTED = "a saliency map is no density"
MINIMUM_SUBTRACTED = "negative values: minimum subtracted"


@dataclass(frozen=True)
class Facts:
    """What reasons are drawn from.

    Attributes:
        no_fixation: nobody looked inside the frame.
        constant_prediction: every pixel has one value.
        negative_values: some value is below 0.
        all_fixated: every pixel was looked at.
        constant_truth, empty_truth: every pixel of the density has one value; that value is 0.
    """

    no_fixation: bool
    constant_prediction: bool
    negative_values: bool
    all_fixated: bool
    constant_truth: bool
    empty_truth: bool


def facts_of(truth: FrameTruth, *, constant: bool, negative: bool) -> Facts:
    """Gather what is known of a frame and its prediction."""
    g = truth.truth_map
    return Facts(
        no_fixation=truth.n_fixated == 0,
        constant_prediction=constant,
        negative_values=negative,
        all_fixated=truth.n_fixated == truth.shape[0] * truth.shape[1],
        constant_truth=g is not None and g.low == g.high,
        empty_truth=g is not None and g.high == 0,
    )


def missing_part(entry: Metric, truth: FrameTruth, kind: Kind) -> str:
    """Say what a metric lacks, or nothing."""
    if entry.params == NOT_SCORED:
        return NOT_REPORTED
    if "fixated" in entry.needs and truth.n_fixated == 0 and not entry.scores_no_fixation:
        return NO_FIXATION
    if entry.of_densities and kind == "saliency":
        return NO_DENSITY_PREDICTED
    if "density" in entry.needs and truth.truth_map is None:
        return NO_DENSITY
    if "negatives" in entry.needs and truth.negatives is None:
        return truth.no_negatives_reason
    return ""


def convention(entry: Metric, value: float, facts: Facts) -> str:
    """Say why a score is NaN, or which convention stated it; nothing for an ordinary score."""
    if facts.no_fixation and entry.scores_no_fixation:
        return NO_FIXATION
    if entry.name == "auc_judd" and facts.all_fixated and math.isnan(value):
        return ALL_FIXATED
    if "density" in entry.needs and facts.empty_truth:
        return EMPTY_TRUTH
    if "density" in entry.needs and facts.constant_truth and math.isnan(value):
        return CONSTANT_TRUTH
    if facts.constant_prediction:
        return CONSTANT_PREDICTION
    if entry.subtracts_minimum and facts.negative_values:
        return MINIMUM_SUBTRACTED
    return ""


def impossible_fixations(log_density: Map, truth: FrameTruth, *, rounded: bool) -> str:
    """Say how many fixations fell on pixels to which a prediction gives the probability 0.

    Args:
        log_density: natural logarithms on the truth's grid.
        truth: of the frame.
        rounded: True if the model gave a finite logarithm everywhere, and resizing lost the smallest.
    """
    impossible = int(truth.counts[np.isneginf(log_density.ravel()[truth.fixated])].sum())
    what = "probability rounded to 0 by resizing" if rounded else "probability 0"
    return f"{what} at {impossible} of {int(truth.counts.sum())} fixations"

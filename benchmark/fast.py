"""One visit to a frame's pixels, and every score that follows from it.

A `Visit` holds a prediction and its truth and measures, once and only when asked, what the scores need; each score is
then a short formula on those numbers. Scores that are not in `FORMULAS`, and frames that are not ordinary (constant
maps, truths without mass, extreme ranges), are left to the definitions, which remain the truth.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from . import kernels
from .frame_truth import CHUNK, FrameTruth, TruthMap
from .metrics import EPS
from .published import EPS_MIT

Map = npt.NDArray[Any]
Float64Array = npt.NDArray[np.float64]

_STEPS = np.arange(11)[::-1] * 0.1
_LEVELS = np.arange(256)
_SQUARES = _LEVELS**2


Formula = Callable[["Visit"], float]


def _lifted(visit: Visit) -> float:
    """What is subtracted so that nothing is negative."""
    return min(visit.low, 0.0)


class Visit:
    """A prediction on the truth's grid, with what has been measured of it.

    Attributes:
        ranks: the map that areas rank, flat.
        linear: the map that everything else reads, flat; often the same.
        truth: the frame's truth.
        low, high: range of `linear`.
        rank_low, rank_high: range of `ranks`.
        metrics: full ids of the scores that will be asked for.
    """

    def __init__(
        self,
        ranks: Map,
        linear: Map,
        truth: FrameTruth,
        *,
        value_range: tuple[float, float] | None,
        rank_range: tuple[float, float] | None,
        metrics: tuple[str, ...] = (),
    ) -> None:
        self.linear = np.ascontiguousarray(linear).ravel()
        self.ranks = self.linear if ranks is linear else np.ascontiguousarray(ranks).ravel()
        self.truth = truth
        self.low, self.high = value_range or self._level_range()
        self.rank_low, self.rank_high = rank_range or (self.low, self.high)
        self.metrics = metrics

    def _level_range(self) -> tuple[float, float]:
        present = np.flatnonzero(self.by_level[0])
        return float(present[0]), float(present[-1])

    def formula(self, metric_id: str) -> Formula | None:
        """Return the formula of a metric on this visit; None = use the definition."""
        return FORMULAS.get(metric_id) if holds(metric_id, self) else None

    @property
    def truth_map(self) -> TruthMap:
        """The truth's density; only asked for where there is one."""
        assert self.truth.truth_map is not None
        return self.truth.truth_map

    # Moments of the prediction -------------------------------------------------------------------------------------

    @cached_property
    def by_level(self) -> tuple[Map, Map | None]:
        """Of an 8-bit prediction: pixels of each level, and the truth's sum over them."""
        truth_map = self.truth.truth_map
        if truth_map is None:
            return kernels.count_levels(self.linear), None
        other = truth_map.values.ravel()
        both = kernels.packed_levels if other.dtype == np.uint8 else kernels.summed_levels
        counts, sums = both(self.linear, other)
        return counts, sums

    @cached_property
    def moments(self) -> tuple[float, float, float]:
        """Sum of the prediction; sums of its centred squares and of its centred products with the truth."""
        n = self.linear.size
        truth_map = self.truth.truth_map
        if self.linear.dtype == np.uint8:
            counts, sums = self.by_level
            total = int(counts @ _LEVELS)
            squares = (int(counts @ _SQUARES) * n - total * total) / n
            if sums is None or truth_map is None:
                return float(total), squares, math.nan
            if sums.dtype == np.int64:
                products = (int(sums @ _LEVELS) * n - total * int(truth_map.total)) / n
            else:
                products = float(((_LEVELS - total / n) * (sums - counts * truth_map.mean)).sum())
            return float(total), squares, products
        shift = float(self.linear[:: max(1, n // 16)].mean(dtype=np.float64))
        other, mean = (self.linear, 0.0) if truth_map is None else (truth_map.values.ravel(), truth_map.mean)
        first, second, mixed = kernels.moments(self.linear, other, shift, mean)
        return first + shift * n, second - first * first / n, mixed

    @property
    def total(self) -> float:
        """Sum of the prediction."""
        return self.moments[0]

    # Areas ---------------------------------------------------------------------------------------------------------

    @cached_property
    def _table(self) -> tuple[Map, Map, Map, Map]:
        """Thresholds at the fixated values, the region of each fixated pixel, and the table of bins."""
        values = self.ranks[self.truth.fixated]
        thresholds, inverse = np.unique(values, return_inverse=True)
        return thresholds, 2 * inverse + 1, *self._bins(thresholds)

    def _bins(self, thresholds: Map) -> tuple[Map, Map]:
        table: tuple[Map, Map] = kernels.bin_table(thresholds.astype(self.ranks.dtype), *self._binning)
        return table

    @cached_property
    def _binning(self) -> tuple[Any, Any]:
        kind = self.ranks.dtype.type
        low = kind(self.rank_low)
        return low, kind(kernels.BINS / (kind(self.rank_high) - low))

    @cached_property
    def everything(self) -> Float64Array:
        """Pixels by group: groups ascend by value, and no two fixated values share one unless they are equal."""
        if self.ranks.dtype == np.uint8:
            counts = self.by_level[0] if self.ranks is self.linear else kernels.count_levels(self.ranks)
        else:
            thresholds, _, code, own = self._table
            counts = kernels.count_regions(self.ranks, thresholds.astype(np.float64), code, own, *self._binning)
        groups: Float64Array = counts.astype(np.float64)
        return groups

    def _fixations(self, weights: Map) -> Float64Array:
        if self.ranks.dtype == np.uint8:
            groups: Float64Array = kernels.levels_at(self.ranks, self.truth.fixated, weights)
            return groups
        return np.bincount(self._table[1], weights, 2 * len(self._table[0]) + 1).astype(np.float64)

    @cached_property
    def fixated(self) -> Float64Array:
        """Distinct fixated pixels by group."""
        return self._fixations(self.truth.once)

    @cached_property
    def fixations(self) -> Float64Array:
        """Fixations by group, duplicates counted."""
        return self._fixations(self.truth.repeated)

    @cached_property
    def negatives(self) -> Float64Array:
        """Weight of the negatives by group."""
        negatives = self.truth.negatives
        assert negatives is not None
        if self.ranks.dtype == np.uint8:
            return self._negative_levels
        thresholds, _, code, own = self._table
        rest = (thresholds.astype(np.float64), code, own, *self._binning)
        if negatives.many:
            weighed: Float64Array = kernels.weigh_all_regions(self.ranks, negatives.weights.ravel(), *rest)
        else:
            weighed = kernels.weigh_regions(self.ranks, *negatives.pixels, *rest)
        return weighed

    @cached_property
    def _negative_levels(self) -> Float64Array:
        negatives = self.truth.negatives
        assert negatives is not None
        if negatives.many:
            levels: Float64Array = kernels.summed_levels(self.ranks, negatives.weights.ravel())[1]
        else:
            levels = kernels.levels_at(self.ranks, *negatives.pixels)
        return levels

    def steps(self, top: bool) -> float:
        """Area at steps of 0.1 of the stretched map, fixated pixels against the negatives."""
        negatives = self.truth.negatives
        assert negatives is not None
        steps = _STEPS if top else _STEPS[1:]
        low, high = self.rank_low, self.rank_high
        tp = kernels.step_hits(self.ranks[self.truth.fixated], self.truth.once, low, high, steps)
        if self.ranks.dtype == np.uint8:
            fp = kernels.step_hits(_LEVELS, self._negative_levels, low, high, steps)
        elif negatives.many:
            thresholds = np.unique(kernels.step_values(low, high, steps))
            code, own = self._bins(thresholds)
            regions = kernels.weigh_all_regions(
                self.ranks, negatives.weights.ravel(), thresholds, code, own, *self._binning
            )
            at_or_above = np.cumsum(regions[::-1])[::-1][1::2][::-1]
            fp = at_or_above / regions.sum()
        else:
            index, weight = negatives.pixels
            fp = kernels.step_hits(self.ranks[index], weight, low, high, steps)
        return float(kernels.step_area(tp, fp))

    # Values at fixations -------------------------------------------------------------------------------------------

    def mean_z(self, *, ddof: int, repeated: bool) -> float:
        """Mean z-score at the fixated pixels, or at all fixations."""
        n = self.linear.size
        mean, deviation = self.total / n, math.sqrt(self.moments[1] / (n - ddof))
        if self.linear.dtype == np.uint8 and self.ranks is self.linear:
            groups = self.fixations if repeated else self.fixated
            return (float(groups @ _LEVELS) / float(groups.sum()) - mean) / deviation
        weights = self.truth.repeated if repeated else self.truth.once
        above = self.linear[self.truth.fixated].astype(np.float64) - mean
        return float((weights * above).sum() / (weights.sum() * deviation))

    # Map against map -----------------------------------------------------------------------------------------------

    def correlation(self) -> float:
        """Pearson's correlation with the truth."""
        return self.moments[2] / (math.sqrt(self.moments[1]) * math.sqrt(self.truth_map.squares))

    def overlap(self, p_low: float, g_low: float) -> float:
        """Shared mass of the two densities, after subtracting something from each."""
        g = self.truth_map
        p_total = self.total - self.linear.size * p_low
        g_total = g.total - self.linear.size * g_low
        affine = (p_low, g_total, g.values.ravel(), g_low, p_total)
        divergence = next((DIVERGENCES[m] for m in self.metrics if m in DIVERGENCES and holds(m, self)), None)
        if self.linear.dtype == np.uint8 or divergence is None:
            shared = kernels.overlap(self.linear, *affine)
        else:
            shared = self._overlap_and_cross(affine, *divergence(self))
        return float(shared / (p_total * g_total))

    def _overlap_and_cross(self, affine: tuple[Any, ...], q_low: float, eps: float) -> float:
        """Visit both maps once for SIM and KLD; KLD's part is kept."""
        p_low, g_total, other, g_low, p_total = affine
        scale = self._density_scale(q_low)
        lanes, buffer, cross = np.zeros(kernels.LANES), np.empty(min(CHUNK, self.linear.size)), 0.0
        for start in range(0, self.linear.size, CHUNK):
            part, truth = self.linear[start : start + CHUNK], other[start : start + CHUNK]
            logs = buffer[: part.size]
            kernels.overlap_and_arguments(part, p_low, g_total, truth, g_low, p_total, q_low, scale, eps, logs, lanes)
            cross += kernels.weighted_sum(np.log(logs, out=logs), truth)
        self._cross = (q_low, eps, cross)
        return float(lanes.sum())

    _cross: tuple[float, float, float] | None = None

    def _density_scale(self, q_low: float) -> float:
        """What makes the lifted prediction a density; a map whose sum is 0 stays undivided."""
        total = self.total - self.linear.size * q_low
        return 1 / total if total != 0 else 1.0

    def divergence(self, q_low: float, eps: float) -> float:
        """Sum of q log |q / (p + eps)|: the logarithm's outer eps moves it by less than 1e-15."""
        g = self.truth_map
        if self.linear.dtype == np.uint8:
            sums = self.by_level[1]
            assert sums is not None
            scale = self._density_scale(q_low)
            cross = float((sums * np.log((_LEVELS - q_low) * scale + eps)).sum())
        else:
            if self._cross is None or self._cross[:2] != (q_low, eps):
                self._overlap_and_cross((0.0, 1.0, g.values.ravel(), 0.0, 1.0), q_low, eps)
            assert self._cross is not None
            cross = self._cross[2]
        return g.negentropy - cross / g.total


def ordinary(visit: Visit) -> bool:
    """Tell whether the formulas hold: neither map is constant, and there are not too many fixated values."""
    g = visit.truth.truth_map
    return (
        visit.low < visit.high
        and visit.rank_low < visit.rank_high
        and math.isfinite(visit.rank_high - visit.rank_low)
        and (visit.ranks.dtype == np.uint8 or visit.rank_high - visit.rank_low > 1e-150)
        and (visit.ranks.dtype != np.float32 or 1e-30 < visit.rank_high - visit.rank_low < 1e30)
        and visit.truth.n_fixated <= kernels.MOST_THRESHOLDS
        and visit.truth.n_fixated < visit.linear.size
        and (g is None or g.low < g.high)
    )


FORMULAS: dict[str, Formula] = {
    "auc_judd[mw;pos=fixated_pixels;neg=unfixated_pixels]": lambda v: kernels.group_mann_whitney(
        v.fixated, v.everything - v.fixated
    ),
    "auc_judd[mw;pos=fixation_list;neg=unfixated_pixels]": lambda v: kernels.group_mann_whitney(
        v.fixations, v.everything - v.fixated
    ),
    "auc_judd[mw;pos=fixation_list;neg=all_pixels]": lambda v: kernels.group_mann_whitney(v.fixations, v.everything),
    "auc_judd[trapz;jitter=expected]": lambda v: kernels.group_jittered(v.fixated, v.everything - v.fixated),
    "shuffled_auc[mw;pos=fixated_pixels;neg=other_list]": lambda v: kernels.group_mann_whitney(v.fixated, v.negatives),
    "shuffled_auc[mw;pos=fixation_list;neg=other_list]": lambda v: kernels.group_mann_whitney(v.fixations, v.negatives),
    "shuffled_auc[step=0.1;expected;thr=0..1.0]": lambda v: v.steps(top=True),
    "shuffled_auc[step=0.1;expected;thr=0..0.9]": lambda v: v.steps(top=False),
    "nss[ddof=0;pos=fixated_pixels]": lambda v: v.mean_z(ddof=0, repeated=False),
    "nss[ddof=0;pos=fixated_pixels;constant=nan]": lambda v: v.mean_z(ddof=0, repeated=False),
    "nss[ddof=0;pos=fixation_list]": lambda v: v.mean_z(ddof=0, repeated=True),
    "nss[ddof=1;pos=fixated_pixels]": lambda v: v.mean_z(ddof=1, repeated=False),
    "nss[ddof=1;pos=fixated_pixels;none=1]": lambda v: v.mean_z(ddof=1, repeated=False) if v.truth.n_fixated else 1.0,
    "nss[ddof=1;pos=fixation_list]": lambda v: v.mean_z(ddof=1, repeated=True),
    "cc[pearson]": Visit.correlation,
    "cc[pearson;constant=nan]": Visit.correlation,
    "sim[sum]": lambda v: v.overlap(_lifted(v), 0.0),
    "sim[none]": lambda v: v.overlap(0.0, 0.0),
    "sim[sum;constant=uniform]": lambda v: v.overlap(_lifted(v), 0.0),
    "sim[minmax;sum]": lambda v: v.overlap(v.low, v.truth_map.low),
    "sim[minmax;sum;zero=nan]": lambda v: v.overlap(v.low, v.truth_map.low),
}
"""Scores as formulas on a visit, by the metric's full id; each agrees with its definition on ordinary frames."""

_MIT = "kld[gt||pred;sum;log(eps+q/(p+eps));eps="

DIVERGENCES: dict[str, Callable[[Visit], tuple[float, float]]] = {
    f"{_MIT}2.220446049250313e-16]": lambda v: (_lifted(v), EPS),
    f"{_MIT}2.2204e-16]": lambda v: (_lifted(v), EPS_MIT),
    f"{_MIT}2.220446049250313e-16;zero_sum=undivided]": lambda v: (0.0, EPS),
}
"""What each variant of KLD subtracts from the prediction, and its eps."""

_NON_NEGATIVE = ("sim[none]",)
"""Variants whose formula holds only for predictions without negative values."""


def _divergence(metric_id: str) -> Formula:
    return lambda v: v.divergence(*DIVERGENCES[metric_id](v))


FORMULAS.update({metric_id: _divergence(metric_id) for metric_id in DIVERGENCES})


def holds(metric_id: str, visit: Visit) -> bool:
    """Tell whether a formula that holds on ordinary frames holds on this one."""
    return visit.low >= 0 or metric_id not in _NON_NEGATIVE

"""Areas of one prediction: its pixels in groups that ascend by value, and the formulas on these groups.

Of an 8-bit map the groups are the 256 levels; of a float map the regions below, on and between the fixated values.
No two pixels that an area must tell apart share a group, and a constant map has one group only.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ...metrics.maps import Map
from ...metrics.roc import rounded_area
from ..kernels import pixels as kernels, roc
from ..truth import FrameTruth

Float64Array = npt.NDArray[np.float64]

LEVELS = np.arange(256)
STEPS: Float64Array = np.arange(11.0)[::-1] * 0.1
STEPS32: Float64Array = (np.arange(10)[::-1] * 0.1).astype(np.float32).astype(np.float64)
_IDENTITY = LEVELS.astype(np.float64)


class LevelGroups:
    """Groups of an 8-bit map: its levels.

    Args:
        pixels: uint8, flat.
        counts: pixels of each level.
        truth: the frame's truth.
        values: value that each level stands for, ascending; None = itself.
    """

    def __init__(self, pixels: Map, counts: Map, truth: FrameTruth, values: Map | None = None) -> None:
        self.pixels = pixels
        self.counts = counts
        self.truth = truth
        self.values: Map = _IDENTITY if values is None else values
        self.kin: LevelGroups = self

    @cached_property
    def _ends(self) -> tuple[int, int]:
        present = self.counts.nonzero()[0]
        return present[0], present[-1]

    @property
    def low(self) -> float:
        """Value of the lowest level of the map."""
        return float(self.values[self._ends[0]])

    @property
    def high(self) -> float:
        """Value of the highest level of the map."""
        return float(self.values[self._ends[1]])

    def standing_for(self, values: Map) -> LevelGroups:
        """Return the same groups with other values of the levels; what is counted here is not counted again."""
        groups = LevelGroups(self.pixels, self.counts, self.truth, values)
        groups.kin = self.kin
        return groups

    @cached_property
    def everything(self) -> Float64Array:
        """Pixels of each level."""
        return self.counts.astype(np.float64)

    @cached_property
    def _fixated(self) -> Float64Array:
        groups: Float64Array = kernels.levels_at(self.pixels, self.truth.fixated, self.truth.once)
        return groups

    @cached_property
    def _fixations(self) -> Float64Array:
        groups: Float64Array = kernels.levels_at(self.pixels, self.truth.fixated, self.truth.repeated)
        return groups

    @cached_property
    def _negatives(self) -> Float64Array:
        negatives = self.truth.negatives
        assert negatives is not None
        groups: Float64Array
        if negatives.many:
            groups = kernels.summed_levels(self.pixels, negatives.weights.ravel())[1]
        else:
            groups = kernels.levels_at(self.pixels, *negatives.pixels)
        return groups

    @property
    def fixated(self) -> Float64Array:
        """Distinct fixated pixels of each level."""
        return self.kin._fixated

    @property
    def fixations(self) -> Float64Array:
        """Fixations of each level, duplicates counted."""
        return self.kin._fixations

    @property
    def negatives(self) -> Float64Array:
        """Weight of the negatives of each level."""
        return self.kin._negatives

    @property
    def values32(self) -> npt.NDArray[np.float32]:
        """Value of each level."""
        return self.values.astype(np.float32)

    def step_shares(self, low: float, high: float, steps: Float64Array) -> tuple[Float64Array, Float64Array, float]:
        """Return the shares of the fixated pixels and of the negatives whose (value - low) / (high - low) reaches each
        step, and the weight of the negatives.
        """
        tp = roc.step_hits(self.values, self.fixated, low, high, steps)
        fp = roc.step_hits(self.values, self.negatives, low, high, steps)
        return tp, fp, float(self.negatives.sum())


class RegionGroups:
    """Groups of a float map: the regions below, on and between the fixated values.

    Args:
        pixels: float32 or float64, flat, finite.
        low, high: its lowest and highest value.
        truth: the frame's truth.
    """

    def __init__(self, pixels: Map, low: float, high: float, truth: FrameTruth) -> None:
        self.pixels = pixels
        self.low, self.high = low, high
        self.truth = truth

    @cached_property
    def _places(self) -> tuple[Map, Map]:
        """Distinct fixated values, ascending, and the region of each fixated pixel."""
        values = self.pixels[self.truth.fixated]
        thresholds = np.unique(values)
        return thresholds, 2 * thresholds.searchsorted(values) + 1

    @cached_property
    def _table(self) -> tuple[Any, ...] | None:
        """What the region kernels need; None where the map's range has no bins, or they do not pay."""
        thresholds = self._places[0]
        kind, span = self.pixels.dtype.type, self.high - self.low
        least, most = (1e-30, 1e30) if kind == np.float32 else (1e-150, 1e300)
        if not least < span < most or len(thresholds) > kernels.MOST_THRESHOLDS:
            return None
        low = kind(self.low)
        scale = kind(kernels.BINS / (kind(self.high) - low))
        return thresholds.astype(np.float64), kernels.bin_table(thresholds, low, scale), low, scale

    @cached_property
    def everything(self) -> Float64Array:
        """Pixels of each region."""
        thresholds, n = self._places[0], self.pixels.size
        if self.low == self.high:
            return np.array([0.0, n, 0.0])
        if len(thresholds) <= kernels.FEW:
            few: Float64Array = kernels.count_few_regions(self.pixels, thresholds).astype(np.float64)
            return few
        if self._table is not None:
            counts: Float64Array = kernels.count_regions(self.pixels, *self._table).astype(np.float64)
            return counts
        ranked = np.sort(self.pixels)
        cuts = [np.searchsorted(ranked, thresholds, side) for side in ("left", "right")]
        return np.diff(np.concatenate(([0], np.stack(cuts, 1).ravel(), [n]))).astype(np.float64)

    def _weigh(self, weights: Map) -> Float64Array:
        return np.bincount(self._places[1], weights, 2 * len(self._places[0]) + 1).astype(np.float64)

    @cached_property
    def fixated(self) -> Float64Array:
        """Distinct fixated pixels of each region."""
        return self._weigh(self.truth.once)

    @cached_property
    def fixations(self) -> Float64Array:
        """Fixations of each region, duplicates counted."""
        return self._weigh(self.truth.repeated)

    @cached_property
    def negatives(self) -> Float64Array:
        """Weight of the negatives of each region."""
        negatives, thresholds, table = self.truth.negatives, self._places[0], self._table
        assert negatives is not None
        weighed: Float64Array
        if table is None:
            index, weight = negatives.pixels
            values = self.pixels[index]
            region = np.searchsorted(thresholds, values, "left") + np.searchsorted(thresholds, values, "right")
            weighed = np.bincount(region, weight, 2 * len(thresholds) + 1).astype(np.float64)
        elif negatives.many:
            weighed = kernels.weigh_all_regions(self.pixels, negatives.weights.ravel(), *table)
        else:
            weighed = kernels.weigh_regions(self.pixels, *negatives.pixels, *table)
        return weighed

    @property
    def values32(self) -> npt.NDArray[np.float32]:
        """Value of each region that holds fixated pixels."""
        thresholds = self._places[0]
        values = np.zeros(2 * len(thresholds) + 1, np.float32)
        values[1::2] = thresholds
        return values

    def step_shares(self, low: float, high: float, steps: Float64Array) -> tuple[Float64Array, Float64Array, float]:
        """As `LevelGroups.step_shares`."""
        negatives = self.truth.negatives
        assert negatives is not None
        tp = roc.step_hits(self.pixels[self.truth.fixated], self.truth.once, low, high, steps)
        if not negatives.many:
            index, weight = negatives.pixels
            return tp, roc.step_hits(self.pixels[index], weight, low, high, steps), float(weight.sum())
        sums = kernels.weigh_steps(self.pixels, negatives.weights.ravel(), low, high, steps[::-1])
        reached = sums[::-1].cumsum()
        return tp, reached[:-1] / reached[-1], float(reached[-1])


Groups = LevelGroups | RegionGroups
"""Either kind: pixels, fixated pixels, fixations and negatives in groups that ascend by value."""


# ---------------------------------------------------------------------------------------------------------------------
# The formulas


def mann_whitney(groups: Groups, *, repeated: bool, against: str) -> float:
    """Exact area: fixated pixels or all fixations against `unfixated` or `all` pixels, or the `negatives`."""
    positives = groups.fixations if repeated else groups.fixated
    if against == "negatives":
        others = groups.negatives
    else:
        others = groups.everything - groups.fixated if against == "unfixated" else groups.everything
    return float(roc.group_areas(positives, others)[0])


def jittered(groups: Groups) -> float:
    """Area of the MIT code in expectation over its jitter."""
    return float(roc.group_areas(groups.fixated, groups.everything - groups.fixated)[1])


def steps(groups: Groups, *, top: bool) -> float:
    """Area at steps of 0.1 of the stretched map, fixated pixels against the negatives."""
    if groups.low == groups.high:
        return math.nan
    tp, fp, _ = groups.step_shares(groups.low, groups.high, STEPS if top else STEPS[1:])
    return roc.step_area(tp, fp)


def steps32(groups: Groups | None, *, few: bool) -> float:
    """Area at steps of 0.1 below the maximum of a map that was stretched in float32; None = it is constant.

    With `few`, false positives are divided by the number of fixations even where there are fewer negatives.
    """
    if groups is None:
        return math.nan
    tp, fp, weight = groups.step_shares(0.0, 1.0, STEPS32)
    if few:
        fp = fp * min(1.0, weight / groups.truth.n_fixated)
    return roc.step_area(tp, fp)


def by_levels(groups: Groups | None) -> float:
    """Area through one ROC point for each distinct fixated value, rounded to four decimals; None = a constant map."""
    if groups is None:
        return math.nan
    everything, fixated = groups.everything, groups.fixated
    n, pixels = fixated.sum(), everything.sum()
    if n in (0, pixels):
        return math.nan
    present = np.flatnonzero(fixated)[::-1]
    hits = fixated[present].cumsum()
    reached = everything[::-1].cumsum()[::-1][present]
    return rounded_area((reached - hits) / (pixels - n), hits / n)


def ported(groups: Groups) -> float:
    """Area of the MIT code whose jitter is rounded to float32."""
    n, pixels = groups.truth.n_fixated, float(groups.everything.sum())
    if groups.low == groups.high and roc.jitter_shares(np.float32(groups.low), np.empty(2048)) == 1:
        # The stretched map is NaN, nothing lies above any threshold, fp falls below 0.
        return 1 + n / (2 * (pixels - n)) if 0 < n < pixels else math.nan
    return float(roc.group_ported(groups.values32, groups.fixated, groups.everything))


def untied(groups: Groups, columns: int) -> float:
    """Area of the MIT code without jitter over all fixations; unique columns are counted for unique fixations."""
    row, column = np.divmod(groups.truth.fixated, columns)
    unique = 1 if (row == column).all() else 2
    return float(roc.group_untied(groups.fixations, groups.everything, groups.everything.sum() - unique))

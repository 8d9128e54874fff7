"""Statistics of one frame, from which every score follows.

`FrameStats` holds a prediction and its truth and measures, once and only when asked, what the scores need; each score
is then a short formula (`formulas.py`) on those numbers. The definitions remain the reference.
"""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np

from ...metrics.maps import Map
from ..kernels import blocks, pixels as kernels, roc
from ..truth import CHUNK, FrameTruth, TruthMap
from .groups import LEVELS, Groups, LevelGroups, RegionGroups

_SQUARES = LEVELS**2
_EXACT32 = 1 << 24
"""Up to here float32 sums of integers are exact."""


class FrameStats:
    """A prediction on the truth's grid, with what has been measured of it.

    Attributes:
        ranks: the map that areas rank, flat.
        linear: the map that everything else reads, flat; often the same.
        truth: the frame's truth.
        low, high: range of `linear`.
        rank_low, rank_high: range of `ranks`.
        span: the scores are those of (linear - low) / span where a protocol stretches 8-bit maps; else None.
        cross_terms: (what is subtracted from the prediction, eps) of the frame's KLD; it is measured together with SIM.
    """

    def __init__(
        self,
        ranks: Map,
        linear: Map,
        truth: FrameTruth,
        *,
        value_range: tuple[float, float] | None,
        rank_range: tuple[float, float] | None,
        span: float | None = None,
    ) -> None:
        self.linear = np.ascontiguousarray(linear).ravel()
        self.ranks = self.linear if ranks is linear else np.ascontiguousarray(ranks).ravel()
        self.truth = truth
        self.low, self.high = value_range or self._level_range()
        self.rank_low, self.rank_high = rank_range or (self.low, self.high)
        self.span = span
        self.cross_terms: tuple[float, float] | None = None

    def _level_range(self) -> tuple[float, float]:
        present = self.by_level[0].nonzero()[0]
        return float(present[0]), float(present[-1])

    @property
    def truth_map(self) -> TruthMap:
        """The truth's density; only asked for where there is one."""
        assert self.truth.truth_map is not None
        return self.truth.truth_map

    @property
    def constant(self) -> bool:
        """True if every pixel of `linear` has one value."""
        return self.low == self.high

    @property
    def lifted(self) -> float:
        """What is subtracted so that nothing is negative."""
        return min(self.low, 0.0)

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
        """Sum of the prediction's differences from `origin`; sums of its centred squares and of its centred products
        with the truth.
        """
        n = self.linear.size
        truth_map = self.truth.truth_map
        if self.linear.dtype == np.uint8:
            counts, sums = self.by_level
            total = int(counts @ LEVELS)
            squares = (int(counts @ _SQUARES) * n - total * total) / n
            if sums is None or truth_map is None:
                return float(total), squares, math.nan
            if sums.dtype == np.int64:
                products = (int(sums @ LEVELS) * n - total * int(truth_map.total)) / n
            else:
                products = float(((LEVELS - total / n) * (sums - counts * truth_map.mean)).sum())
            return float(total), squares, products
        other, mean = (self.linear, 0.0) if truth_map is None else (truth_map.values.ravel(), truth_map.mean)
        first, second, mixed = kernels.moments(self.linear, other, self.origin, mean)
        return first, second - first * first / n, mixed

    @cached_property
    def origin(self) -> float:
        """A value from which sums over the prediction are taken: near its mean, so that an offset costs no digits."""
        n = self.linear.size
        return 0.0 if self.linear.dtype == np.uint8 else float(self.linear[:: max(1, n // 16)].mean(dtype=np.float64))

    @property
    def total(self) -> float:
        """Sum of the prediction."""
        return self.mass_above(0.0)

    # Areas ---------------------------------------------------------------------------------------------------------

    @cached_property
    def groups(self) -> Groups:
        """Pixels by value."""
        if self.ranks.dtype == np.uint8:
            return self._level_groups
        return RegionGroups(self.ranks, self.rank_low, self.rank_high, self.truth)

    @cached_property
    def _level_groups(self) -> LevelGroups:
        counts = self.by_level[0] if self.ranks is self.linear else kernels.count_levels(self.ranks)
        return LevelGroups(self.ranks, counts, self.truth)

    def groups32(self, divisor: float) -> Groups:
        """Pixels by value in float32; 8-bit levels are divided by `divisor` first."""
        if self.ranks.dtype == np.uint8:
            return self._level_groups.standing_for(LEVELS.astype(np.float32) / np.float32(divisor))
        if self.ranks.dtype == np.float32:
            return self.groups
        rounded = self.ranks.astype(np.float32)
        return RegionGroups(rounded, float(rounded.min()), float(rounded.max()), self.truth)

    @cached_property
    def stretched(self) -> Groups | None:
        """Pixels by their value stretched to 0..1 in float32 (8-bit maps over 255); None if that is constant."""
        return self._stretched(np.float32(255 if self.ranks.dtype == np.uint8 else 1))

    @cached_property
    def stretched_density(self) -> Groups | None:
        """The same of the map divided by its float32 sum where that gives a density."""
        if self.ranks.dtype == np.uint8 and self.ranks is self.linear and self.total < _EXACT32:
            total = np.float32(self.total)
        else:
            total = self.ranks.astype(np.float32, copy=False).sum()
        return self._stretched(total if self.rank_low >= 0 and total > 0 else np.float32(1))

    def _stretched(self, divisor: np.float32) -> Groups | None:
        low, high = np.float32(self.rank_low) / divisor, np.float32(self.rank_high) / divisor
        if low == high:
            return None
        if self.ranks.dtype == np.uint8:
            levels = (LEVELS.astype(np.float32) / divisor - low) / (high - low)
            return self._level_groups.standing_for(levels)
        return RegionGroups(roc.stretch32(self.ranks, divisor, low, high), 0.0, 1.0, self.truth)

    # Values at fixations -------------------------------------------------------------------------------------------

    def above_mean(self, *, repeated: bool) -> float:
        """Mean difference from the map's mean at the fixated pixels, or at all fixations."""
        mean = self.moments[0] / self.linear.size
        if self.linear.dtype == np.uint8 and self.ranks is self.linear:
            groups = self.groups.fixations if repeated else self.groups.fixated
            return float(groups @ LEVELS) / float(groups.sum()) - mean
        weights = self.truth.repeated if repeated else self.truth.once
        above = self.linear[self.truth.fixated].astype(np.float64) - self.origin - mean
        return float((weights * above).sum() / weights.sum())

    def deviation(self, ddof: int) -> float:
        """Standard deviation of the prediction."""
        return math.sqrt(self.moments[1] / (self.linear.size - ddof))

    # Map against map -----------------------------------------------------------------------------------------------

    def shared(self, p_low: float, p_scale: float, g_low: float, g_scale: float) -> float:
        """Sum of min((p - p_low) p_scale, (g - g_low) g_scale)."""
        if self.linear.dtype == np.uint8 or self.cross_terms is None:
            return float(kernels.overlap(self.linear, p_low, p_scale, self.truth_map.values.ravel(), g_low, g_scale))
        return self._shared_and_cross(p_low, p_scale, g_low, g_scale, *self.cross_terms)

    def _shared_and_cross(
        self, p_low: float, p_scale: float, g_low: float, g_scale: float, q_low: float, eps: float
    ) -> float:
        """Pass over both maps once for SIM and KLD; KLD's part is kept."""
        other, scale = self.truth_map.values.ravel(), self.density_scale(q_low)
        starts = self.truth_map.blocks
        if starts is not None and g_low == 0 and eps > 0 and max(p_low, q_low) <= self.low and min(p_scale, scale) > 0:
            # Where the truth is 0, nothing is shared and a finite logarithm counts for nothing.
            lanes = np.zeros(kernels.LANES)
            logs = blocks.overlap_and_arguments(
                self.linear, p_low, p_scale, other, g_scale, q_low, scale, eps, starts, lanes
            )
            self._cross = (q_low, eps, blocks.weighted_sum(np.log(logs, out=logs), other, starts, CHUNK))
            return float(lanes.sum())
        lanes, buffer, cross = np.zeros(kernels.LANES), np.empty(min(CHUNK, self.linear.size)), 0.0
        with np.errstate(divide="ignore", invalid="ignore"):
            for start in range(0, self.linear.size, CHUNK):
                part, truth = self.linear[start : start + CHUNK], other[start : start + CHUNK]
                logs = buffer[: part.size]
                kernels.overlap_and_arguments(
                    part, p_low, p_scale, truth, g_low, g_scale, q_low, scale, eps, logs, lanes
                )
                cross += kernels.weighted_sum(np.log(logs, out=logs), truth)
        self._cross = (q_low, eps, cross)
        return float(lanes.sum())

    _cross: tuple[float, float, float] | None = None

    def mass_above(self, low: float) -> float:
        """Sum of the prediction after subtracting a number."""
        return self.moments[0] + self.linear.size * (self.origin - low)

    def density_scale(self, q_low: float) -> float:
        """What makes the lifted prediction a density; a map whose sum is 0 stays undivided."""
        total = self.mass_above(q_low)
        if self.low < q_low and abs(total) < 1e-9 * self.linear.size * (self.high - self.low):
            # Positive and negative values cancel, perhaps exactly: the sum as the definition takes it decides.
            total = float((self.linear.astype(np.float64) - q_low).sum())
        return 1 / total if total != 0 else 1.0

    def divergence(self, q_low: float, eps: float) -> float:
        """Sum of q log |q / (p + eps)|, q the truth's density, p the prediction lifted by `q_low` and made a density.

        Without eps: infinite where p is 0 and q is not, NaN where both are 0.
        """
        g = self.truth_map
        return g.negentropy - self._cross_entropy(q_low, eps) / g.total

    def _cross_entropy(self, q_low: float, eps: float) -> float:
        if self.linear.dtype == np.uint8:
            counts, sums = self.by_level
            assert sums is not None
            present = counts.nonzero()[0]
            p = (present - q_low) * self.density_scale(q_low) + eps
            if p[0] == 0:
                hidden = self.truth_map.low == 0 and bool((self.truth_map.values.ravel()[self.linear == 0] == 0).any())
                return math.nan if hidden else -math.inf
            return float((sums[present] * np.log(p)).sum())
        if self._cross is None or self._cross[:2] != (q_low, eps):
            self._shared_and_cross(0.0, 1.0, 0.0, 1.0, q_low, eps)
        assert self._cross is not None
        return self._cross[2]

    def shared_with_uniform(self) -> float:
        """Mass that the prediction's density (lifted) shares with the uniform one."""
        n, low = self.linear.size, self.lifted
        return float(kernels.capped(self.linear, low, self.density_scale(low), 1 / n))

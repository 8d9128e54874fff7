"""The truth of one frame, prepared once: what does not depend on the prediction."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from vidsal.loaders.errors import BadData, WrongUse

from ..metrics.maps import Float64Map, Map, stretch_eps32
from ..protocols import Protocol, protocol as find_protocol
from .inputs import as_map, rescale_extremes, value_range
from .kernels.available import block_kernels, kernels
from .negatives import Negatives, pixel_indices
from .quantize import truth_to_uint8
from .resize import half_uint8

NO_NEGATIVES = "no negatives"
CHUNK = 1 << 14
"""Pixels whose logarithms are taken at a time, so that they stay in the cache."""

_LEVELS = np.arange(256)

MEASURED = ("low", "high", "total", "squares", "negentropy")
"""What is measured of a truth density whatever the prediction is; attributes of `TruthMap`."""


class TruthMap:
    """A truth density as it was given, with the statistics that every prediction is held against.

    Attributes:
        values: uint8, float32 or float64, shape (H, W), C-contiguous, non-negative.
        divisor: the density is values / divisor (255 where it came through an 8-bit map).
    """

    def __init__(self, values: Map, divisor: float = 1.0, value_range: tuple[float, float] | None = None) -> None:
        """Take a map, and its lowest and highest value if they are known."""
        self.values = np.ascontiguousarray(values)
        self.divisor = divisor
        self._known_range = value_range

    @cached_property
    def density(self) -> Float64Map:
        """The density: float64, shape (H, W), any positive scale."""
        density: Float64Map = self.values.astype(np.float64)
        return density if self.divisor == 1.0 else density / self.divisor

    @cached_property
    def levels(self) -> npt.NDArray[np.int64]:
        """How many pixels have each of the 256 values of an 8-bit map."""
        fast = kernels()
        if fast is None:
            return np.bincount(self.values.ravel(), minlength=256)
        counts: npt.NDArray[np.int64] = fast.count_levels(self.values.ravel())
        return counts

    @cached_property
    def _range(self) -> tuple[float, float]:
        if self.values.dtype == np.uint8:
            present = np.flatnonzero(self.levels)
            return float(present[0]), float(present[-1])
        return self._known_range or (float(self.values.min()), float(self.values.max()))

    @cached_property
    def blocks(self) -> npt.NDArray[np.intp] | None:
        """Where the blocks of a float map begin that hold anything but 0, by `kernels/blocks.py`; None = everywhere."""
        fast = block_kernels()
        if fast is None or self.values.dtype == np.uint8 or self.low != 0:
            return None
        starts: npt.NDArray[np.intp] | None = fast.occupied(self.values.ravel())
        return starts

    @property
    def low(self) -> float:
        """Lowest of `values`."""
        return self._range[0]

    @property
    def high(self) -> float:
        """Highest of `values`."""
        return self._range[1]

    @cached_property
    def _moments(self) -> tuple[float, float]:
        n = self.values.size
        if self.values.dtype == np.uint8:
            total, second = int(self.levels @ _LEVELS), int(self.levels @ _LEVELS**2)
            return float(total), (second * n - total * total) / n
        flat, fast = self.values.ravel(), kernels()
        if fast is None:
            mass = float(flat.sum(dtype=np.float64))
            return mass, float(((flat.astype(np.float64) - mass / n) ** 2).sum())
        shift = float(flat[:: max(1, n // 16)].mean(dtype=np.float64))
        some = block_kernels()
        if some is not None and shift == 0 and self.blocks is not None:
            first, second = some.moments(flat, self.blocks)
        else:
            first, second, _ = fast.moments(flat, flat, shift, shift)
        return first + shift * n, second - first * first / n

    @property
    def total(self) -> float:
        """Sum of `values`."""
        return self._moments[0]

    @property
    def mean(self) -> float:
        """Mean of `values`."""
        return self.total / self.values.size

    @cached_property
    def excess(self) -> float:
        """Sum of what `values` have above their lowest."""
        if self.values.dtype == np.uint8:
            return self.total - self.low * self.values.size
        return float((self.values.astype(np.float64) - self.low).sum())

    @property
    def squares(self) -> float:
        """Sum of squared differences from the mean."""
        return self._moments[1]

    @cached_property
    def negentropy(self) -> float:
        """Sum of q log q over the pixels, q = values / total."""
        if self.values.dtype == np.uint8:
            q = _LEVELS[1:] / self.total
            return float((self.levels[1:] * (q * np.log(q))).sum())
        flat, fast = self.values.ravel(), kernels()
        if fast is None:
            q = flat[flat > 0].astype(np.float64) / self.total
            return float((q * np.log(q)).sum())
        some = block_kernels()
        if some is not None and self.blocks is not None:
            logs = np.log(some.shares(flat, 1 / self.total, self.blocks))
            return float(some.weighted_sum(logs, flat, self.blocks, CHUNK)) / self.total
        weighed, buffer = 0.0, np.empty(min(CHUNK, flat.size))
        for start in range(0, flat.size, CHUNK):
            part = flat[start : start + CHUNK]
            logs = buffer[: part.size]
            fast.shares(part, 1 / self.total, logs)
            weighed += fast.weighted_sum(np.log(logs, out=logs), part)
        return weighed / self.total

    @property
    def measured(self) -> tuple[float | None, ...]:
        """What was measured so far of what `MEASURED` names; None where nobody asked."""
        low, high = vars(self).get("_range", (None, None))
        total, squares = vars(self).get("_moments", (None, None))
        return low, high, total, squares, vars(self).get("negentropy")

    def remember(self, measured: tuple[float | None, ...]) -> None:
        """Take what `measured` said of equal values before, so that it is not measured again."""
        low, high, total, squares, negentropy = measured
        known = {"_range": (low, high), "_moments": (total, squares), "negentropy": negentropy}
        vars(self).update({name: value for name, value in known.items() if value not in (None, (None, None))})


@dataclass(frozen=True)
class FrameTruth:
    """Everything of a frame that does not depend on the prediction; made by `prepare_truth`.

    Attributes:
        shape: (H, W) of the grid on which the frame is scored.
        full_shape: (H, W) of the truth's grid: the same, or twice as large where a protocol halves everything.
        fixated: flat indices of the distinct fixated pixels, ascending, int64.
        counts: how many fixations fell on each of them, int64.
        n_out_of_bounds: fixations outside the grid.
        truth_map: the density with its statistics, or None.
        negatives: weights for the shuffled AUC, or None.
        no_negatives_reason: why there are none.
    """

    shape: tuple[int, int]
    full_shape: tuple[int, int]
    fixated: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]
    n_out_of_bounds: int
    truth_map: TruthMap | None
    negatives: Negatives | None
    no_negatives_reason: str = NO_NEGATIVES

    @property
    def n_fixated(self) -> int:
        """Number of distinct fixated pixels."""
        return len(self.fixated)

    @property
    def density(self) -> Float64Map | None:
        """The density: float64 (H, W) on any positive scale, or None."""
        return None if self.truth_map is None else self.truth_map.density

    @cached_property
    def once(self) -> Float64Map:
        """One for each distinct fixated pixel: float64, shape (n,)."""
        return np.ones(len(self.fixated))

    @cached_property
    def repeated(self) -> Float64Map:
        """How many fixations fell on each distinct pixel: float64, shape (n,)."""
        return self.counts.astype(np.float64)

    @cached_property
    def fixation_map(self) -> npt.NDArray[np.int64]:
        """How many fixations fell on each pixel: int64, shape (H, W)."""
        counts = np.zeros(self.shape, np.int64)
        counts.flat[self.fixated] = self.counts
        return counts


def prepare_truth(
    fixations: npt.ArrayLike,
    shape: tuple[int, int],
    density: Any,
    negatives: Negatives | None,
    protocol: Protocol | str,
    *,
    encode: bool,
    no_negatives_reason: str = NO_NEGATIVES,
    where: str = "truth",
) -> FrameTruth:
    """Prepare the truth of one frame.

    Args:
        fixations: (n, 2) x, y in pixels of the grid; those out of bounds are counted and left out.
        shape: (H, W) of the grid.
        density: (H, W), any positive scale; None = no density.
        negatives: weights for the shuffled AUC; None = none.
        protocol: declaration or name.
        encode: True passes the density through the protocol's 8-bit stage, as a run does.
        no_negatives_reason: what a NaN of the shuffled AUC is explained with.
        where: named in errors.

    Raises:
        WrongUse: shapes disagree, or points are no pairs.
        BadData: the density is negative or not finite.
    """
    rules = find_protocol(protocol)
    full = (int(shape[0]), int(shape[1]))
    index, outside = pixel_indices(fixations, full)
    if negatives is not None and negatives.shape != full:
        raise WrongUse(f"negatives have shape {negatives.shape}; the truth's grid is {full}")
    if negatives is not None and negatives.empty:
        negatives = None
    truth_map = None if density is None else _truth_map(density, full, where)
    if truth_map is not None and encode and rules.truth_encoding == "uint8":
        truth_map = TruthMap(truth_to_uint8(truth_map.values), 255.0)
    grid = full
    if encode and rules.halved:
        index, negatives, grid = _halve(index, negatives, full)
        truth_map = None if truth_map is None else TruthMap(half_uint8(truth_map.values), 255.0)
    if truth_map is not None and rules.stretch == "minmax-eps32":
        truth_map = TruthMap(stretch_eps32(truth_map.density))
    fixated, counts = np.unique(index, return_counts=True)
    return FrameTruth(grid, full, fixated, counts.astype(np.int64), outside, truth_map, negatives, no_negatives_reason)


def _truth_map(density: Any, shape: tuple[int, int], where: str) -> TruthMap:
    array = as_map(density, where)
    if array.shape != shape:
        raise WrongUse(f"{where}: the density has shape {array.shape}, the grid of the fixations is {shape}")
    if array.dtype == np.uint8:
        return TruthMap(array)
    low, high = value_range(array, where)
    if low < 0:
        raise BadData(f"{where}: the density has a lowest value of {low}; it cannot be negative")
    array = array.astype(np.float32) if array.dtype == np.float16 else array
    values = rescale_extremes(array, low, high)
    return TruthMap(values, value_range=(low, high) if values is array else None)


def _halve(
    index: npt.NDArray[np.int64], negatives: Negatives | None, full: tuple[int, int]
) -> tuple[npt.NDArray[np.int64], Negatives | None, tuple[int, int]]:
    """Bring points to half the resolution: a small pixel is fixated if one of its four was."""
    seen = np.zeros(full, np.uint8)
    seen.flat[index] = 255
    half = half_uint8(seen)
    if negatives is not None:
        absent = 1 - np.minimum(negatives.weights, 1)
        rows, columns = (np.arange(0, n, 2)[:m] for n, m in zip(full, half.shape, strict=True))
        absent = np.multiply.reduceat(np.multiply.reduceat(absent, rows, 0), columns, 1)
        negatives = Negatives(1 - absent)
    return np.flatnonzero(half), negatives, (half.shape[0], half.shape[1])

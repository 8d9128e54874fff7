"""A map as a small gray picture: averaged over areas, in few levels, on a scale of its own."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from ...metrics.maps import Map
from ...predictor import Kind
from ...scoring.inputs import as_map, rescale_extremes

Cell = npt.NDArray[np.uint8]

LONGEST, SHORTEST = 96, 16
"""Pixels of the longer side of a cell, and the fewest of the shorter one."""

LEVELS = 32
"""Gray levels of a cell: enough for a smooth picture, and half the bytes of 256."""


FLAT = 64
"""Gray of a map of one value."""


def cell_size(width: int, height: int) -> tuple[int, int]:
    """Return the width and height of the cells of a stimulus: of its aspect, whatever the size of a model's maps.

    >>> cell_size(640, 360), cell_size(360, 640), cell_size(1000, 10)
    ((96, 54), (54, 96), (96, 16))
    """
    longest = max(width, height)
    wide, high = (max(SHORTEST, round(LONGEST * side / longest)) for side in (width, height))
    return wide, high


def shrink(values: Any, kind: Kind, size: tuple[int, int]) -> Cell:
    """Make the cell of a map that was scored.

    One scale a frame: the largest average is 255. A density, also one that was given by its logarithm, has its zero at
    0, so a flat one looks flat; a saliency map, whose zero means nothing, has its smallest average there. A map of one
    value, which says that all places are alike, is 64 everywhere: it neither glares nor looks absent.

    Args:
        values: map (h, w), numpy or torch, over the whole frame; finite, or -inf in a log density.
        kind: what it is.
        size: width and height of the cell.

    Returns:
        uint8 (height, width), of at most `LEVELS` values.
    """
    means = _averages(_linear(as_map(values, "preview"), kind), size)
    lowest, highest = float(means.min()), float(means.max())
    low = lowest if kind == "saliency" else 0.0
    span = highest - low
    if highest - lowest <= 1e-6 * abs(highest):  # no more than the rounding of float32
        return np.full(means.shape, FLAT, np.uint8)
    return in_levels((means - low) / span, LEVELS)


def in_levels(values: npt.NDArray[Any], levels: int) -> Cell:
    """Round values of 0 to 1 to so many gray levels, 0 to 255."""
    grays: Cell = np.rint(np.rint(values * (levels - 1)) * (255 / (levels - 1))).astype(np.uint8)
    return grays


def _linear(values: Map, kind: Kind) -> npt.NDArray[np.float32]:
    """Bring any map near 1, a log density to a density, as float32."""
    high = float(values.max())
    if kind == "log_density":
        relative = values - values.dtype.type(high)
        return np.asarray(np.exp(relative.astype(np.float32, copy=False)))
    return np.asarray(rescale_extremes(values, float(values.min()), high), np.float32)


def _averages(values: npt.NDArray[np.float32], size: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Average over the pixels of each area; a map smaller than the cell repeats its pixels."""
    columns, rows = (_bins(total, n) for total, n in zip(values.shape[::-1], size, strict=True))
    sums = np.stack([values[a:b].sum(axis=0) for a, b in rows])  # whole rows first: far fewer values are left
    sums = np.add.reduceat(sums, [a for a, _ in columns], axis=1)
    high, wide = (np.array([b - a for a, b in bins], np.float32) for bins in (rows, columns))
    return np.asarray(sums / high[:, None] / wide, np.float32)


def _bins(total: int, n: int) -> list[tuple[int, int]]:
    """Cut a length of pixels into n parts, none of them empty."""
    edges = [k * total // n for k in range(n + 1)]
    return [(a, max(b, a + 1)) for a, b in pairwise(edges)]

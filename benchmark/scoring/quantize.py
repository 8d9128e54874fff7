"""The 8-bit stage of the official evaluations: maps as they would come back from a PNG file."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .kernels.available import map_kernels


def prediction_to_uint8(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Stretch a map to 0..255 and round: round(255 (p - min) / (max - min)).

    Args:
        values: finite map of any shape; uint8 is returned unchanged, a constant map becomes 0.

    Returns:
        uint8 of the same shape; halves go to the even level.

    >>> prediction_to_uint8(np.array([[0.0, 0.5, 1.0]]))
    array([[  0, 128, 255]], dtype=uint8)
    """
    if values.dtype == np.uint8:
        return values
    low, high = float(values.min()), float(values.max())
    if low == high:
        return np.zeros(values.shape, np.uint8)
    return _levels(values, low, high - low)


def truth_to_uint8(density: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Scale a density to the peak 255 and round; divided by 255 it is what the evaluation reads.

    Args:
        density: non-negative map; an all-zero one stays so.
    """
    peak = float(density.max())
    if peak == 0:
        return np.zeros(density.shape, np.uint8)
    return _levels(density, 0.0, peak)


def _levels(values: npt.NDArray[Any], low: float, span: float) -> npt.NDArray[np.uint8]:
    fast = map_kernels()
    if fast is not None and values.dtype != np.float16:
        levels: npt.NDArray[np.uint8] = fast.to_levels(np.ascontiguousarray(values).ravel(), low, span)
        return levels.reshape(values.shape)
    v = np.asarray(values, dtype=np.float64)
    rounded: npt.NDArray[np.uint8] = np.rint(255 * (v - low) / span).astype(np.uint8)
    return rounded

"""Checking inputs: maps of any library and type become NumPy arrays, or are refused with a reason."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vidsal.loaders.errors import BadData, NonFinite, WrongUse

from ..metrics.maps import Map
from .kernels.available import kernels

SUM_TOLERANCE = 1e-3
"""How far the sum of a `density` may lie from 1."""


def as_map(values: Any, where: str) -> Map:
    """Return a map as a NumPy array of uint8 or a float type; numpy or torch on any device.

    Raises:
        WrongUse: not a two-dimensional array of real numbers with at least one pixel.
    """
    if hasattr(values, "detach"):
        tensor = values.detach()
        tensor = tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor
        values = tensor.cpu().numpy()
    try:
        array = np.asarray(values)
    except (TypeError, ValueError) as fault:
        raise WrongUse(f"{where}: a map is a two-dimensional array of numbers: {fault}") from fault
    if array.ndim != 2 or array.size == 0:
        raise WrongUse(f"{where}: a map has shape (h, w), both at least 1; found {array.shape}")
    if array.dtype.kind not in "fiub":
        raise WrongUse(f"{where}: a map holds real numbers; found dtype {array.dtype}")
    if array.dtype.kind == "b":
        return array.astype(np.uint8)
    if array.dtype == np.uint8 or array.dtype in (np.float16, np.float32, np.float64):
        return array
    return array.astype(np.float64)


def value_range(array: Map, where: str, *, log: bool = False) -> tuple[float, float]:
    """Return the lowest and highest value; the lowest may be -inf in a log density that is finite somewhere.

    Raises:
        NonFinite: the map holds NaN or +inf, or -inf where it may not; the message counts them.
    """
    return extent(array, where, log=log)[:2]


def extent(array: Map, where: str, *, log: bool = False) -> tuple[float, float, float | None]:
    """Return what `value_range` does, and the sum where it came along.

    Raises:
        NonFinite: see there.
    """
    fast = kernels() if array.dtype in (np.float32, np.float64) else None
    if fast is not None:
        low, high, total = fast.extent(np.ascontiguousarray(array).ravel())
        if math.isfinite(total):
            return low, high, total
    low, high = float(array.min()), float(array.max())
    if math.isfinite(high) and (math.isfinite(low) or (log and low == -math.inf)):
        return low, high, None
    nan, above, below = (int(f(array).sum()) for f in (np.isnan, np.isposinf, np.isneginf))
    raise NonFinite(
        f"{where}: the map holds {nan} NaN, {above} +inf and {below} -inf of {array.size} values; "
        "every value must be finite (in a log density, -inf may stand for probability 0, but not everywhere)"
    )


def check_is_density(array: Map, low: float, where: str, total: float | None = None) -> None:
    """Refuse a density that is negative somewhere or does not sum to 1.

    Args:
        array: the map.
        low: its lowest value.
        where: named in the error.
        total: its sum, if that is known.

    Raises:
        BadData: the message says what was found.
    """
    total = float(array.sum(dtype=np.float64)) if total is None else total
    if low < 0 or abs(total - 1) > SUM_TOLERANCE:
        raise BadData(
            f"{where}: a density is non-negative and sums to 1 within {SUM_TOLERANCE}; found a lowest value of "
            f"{low} and a sum of {total:.6g}. Is it a saliency map or a log density? Say so with `kind`"
        )


def rescale_extremes(values: Map, low: float, high: float) -> Map:
    """Bring extreme magnitudes near 1 by a power of two, so that sums and squares neither overflow nor vanish,
    not even in the float32 of published code.

    Args:
        values: finite map.
        low, high: its lowest and highest value.

    Returns:
        The map itself where nothing is extreme, else float64.
    """
    largest = max(abs(low), abs(high))
    if values.dtype == np.uint8 or largest == 0 or 1e-30 < largest < 1e30:
        return values
    scaled: Map = np.ldexp(values.astype(np.float64), -int(np.frexp(largest)[1]))
    return scaled

"""What every metric does to a map first."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Map = npt.NDArray[Any]
Float64Map = npt.NDArray[np.float64]

EPS = 2.220446049250313e-16
"""The constant of the MIT formulas: the spacing of float64 at 1."""

EPS_MIT = 2.2204e-16
"""The constant of the MIT formulas as most Python ports write it."""

EPS32 = 1.1920928955078125e-07
"""The spacing of float32 at 1."""


def float64(values: Map) -> Float64Map:
    """Return the values as float64."""
    return np.asarray(values, dtype=np.float64)


def centered(values: Map) -> Float64Map:
    """Subtract the mean; the minimum before it, so that an offset far above the range costs no digits."""
    s = float64(values)
    s = s - s.min()
    difference: Float64Map = s - s.mean()
    return difference


def is_constant(values: Map) -> bool:
    """Tell whether all pixels have exactly one value; a range of one rounding step is a range."""
    return bool(values.min() == values.max())


def min_max(values: Map) -> Float64Map:
    """Stretch to 0..1; NaN for a constant map."""
    s = float64(values)
    low, high = s.min(), s.max()
    stretched: Float64Map = (s - low) / (high - low) if high > low else np.full(s.shape, np.nan)
    return stretched


def as_density(saliency: Map) -> Float64Map:
    """Divide a map by its sum, after subtracting its minimum if any value is negative; constant -> uniform."""
    s = float64(saliency)
    if is_constant(s):
        return np.full(s.shape, 1.0 / s.size)
    if s.min() < 0:
        s = s - s.min()
    p: Float64Map = s / s.sum()
    return p


def stretch_eps32(values: Map) -> Float64Map:
    """Stretch to 0..1 with an epsilon below the fraction: how the challenges read a map, before they resize it."""
    s = float64(values)
    stretched: Float64Map = (s - s.min()) / (s.max() - s.min() + EPS32)
    return stretched

"""The 8-bit maps that TASED-Net's and HD2S's scripts write: cut off, blurred, stretched to the maximum, cut off."""

from __future__ import annotations

from typing import Any

import numpy as np

from vidsal.loaders.records import UInt8Image

from ..runtime import on_host

SIGMA_PX = 7.0


def blurred_map(values: Any) -> UInt8Image:
    """Return a map cut off to steps of 1/255, blurred, then as `stretched_map`.

    Args:
        values: numpy or torch, shape (h, w), 0..1.
    """
    from scipy.ndimage import gaussian_filter

    steps = np.floor(on_host(values) * np.float32(255)).astype(np.float64) / 255
    return stretched_map(gaussian_filter(steps, SIGMA_PX))


def stretched_map(values: Any) -> UInt8Image:
    """Return a map divided by its maximum, times 255, cut off, as uint8; zeros stay zeros.

    Args:
        values: numpy or torch, shape (h, w), not negative.
    """
    array = on_host(values)
    most = array.max()
    stretched: UInt8Image = (array / most * 255 if most > 0 else array).astype(np.uint8)
    return stretched

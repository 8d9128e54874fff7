"""The center prior: the Gaussian of the reference predictor `center_prior`, which nothing is fitted to."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

CENTER_SD = (0.15, 0.194)
"""Standard deviations in frame widths and frame heights."""


def gaussian(
    height: int, width: int, mean: tuple[float, float] = (0.5, 0.5), sd: tuple[float, float] = CENTER_SD
) -> npt.NDArray[np.float64]:
    """Return a Gaussian with peak 1, shape (height, width).

    Args:
        height, width: pixels.
        mean, sd: (x, y) in frame widths and frame heights.
    """
    x = ((np.arange(width) + 0.5) / width - mean[0]) / sd[0]
    y = ((np.arange(height) + 0.5) / height - mean[1]) / sd[1]
    return np.asarray(np.exp(-(y[:, None] ** 2 + x[None, :] ** 2) / 2))


@lru_cache(maxsize=4)
def center_prior_density(height: int, width: int) -> npt.NDArray[np.float32]:
    """Return the density: float32, shape (height, width), sum 1; read-only, because it is kept."""
    values = gaussian(height, width)
    density: npt.NDArray[np.float32] = (values / values.sum()).astype(np.float32)
    density.flags.writeable = False
    return density

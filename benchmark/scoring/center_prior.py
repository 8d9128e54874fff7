"""The center prior: the Gaussian of the reference predictor `center_prior`, which nothing is fitted to."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

CENTER_SD = (0.15, 0.194)
"""Standard deviations in frame widths and frame heights."""


@lru_cache(maxsize=4)
def center_prior_density(height: int, width: int) -> npt.NDArray[np.float32]:
    """Return the density: float32, shape (height, width), sum 1; read-only, because it is kept."""
    x = ((np.arange(width) + 0.5) / width - 0.5) / CENTER_SD[0]
    y = ((np.arange(height) + 0.5) / height - 0.5) / CENTER_SD[1]
    values = np.exp(-(y[:, None] ** 2 + x[None, :] ** 2) / 2)
    density: npt.NDArray[np.float32] = (values / values.sum()).astype(np.float32)
    density.flags.writeable = False
    return density

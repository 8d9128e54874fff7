"""Densities of the predictors that have no network: made from any map, and given to every frame."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from vidsal.benchmark.predictor import Prediction
from vidsal.loaders.records import Float32Array, Frame


def normalized(values: npt.NDArray[Any]) -> Float32Array:
    """Return a non-negative map as a density; an empty map becomes the uniform density.

    Args:
        values: finite, non-negative, shape (height, width).
    """
    wide = np.asarray(values, np.float64)
    total = wide.sum()
    if not total > 0:
        return np.full(wide.shape, 1.0 / wide.size, np.float32)
    return np.asarray((wide / total).astype(np.float32))


def same_for_all(frames: Iterator[Frame], density: Float32Array) -> Iterator[Prediction]:
    """Yield the same density for each frame."""
    for frame in frames:
        yield Prediction(frame.index, density, "density")

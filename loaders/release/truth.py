"""Truth recipes: from the points of a frame to its density.

Every recipe is separable, so a density is one matrix product: (rows x points) @ (points x columns).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import BadData, WrongUse
from ..records import Float32Array, Float64Array, Truth

SIGMA = "sigma="
"""A recipe of this name and a number of pixels is a Gaussian of that width."""


def density(
    points: Float32Array, shape: tuple[int, int], truth: Truth, weights: Float64Array | None = None
) -> Float32Array:
    """Make the density of one frame.

    Args:
        points: float, shape (n, 2), x and y in pixels of the frame; those outside the frame are the caller's to
            leave out.
        shape: height and width.
        truth: the recipe.
        weights: of the points, shape (n,); None = 1. Ignored by recipes that set pixels.

    Returns:
        float32, shape (height, width), sum 1 (computed in float64); all zero without points.
    """
    height, width = shape
    xy = np.asarray(points, np.float64).reshape(-1, 2)
    mass = np.ones(len(xy)) if weights is None else np.asarray(weights, np.float64)
    if truth.per == "pixel":
        xy = np.unique(np.floor(xy), axis=0) + 0.5
        mass = np.ones(len(xy))
    if not len(xy):
        return np.zeros(shape, np.float32)
    down = kernels(xy[:, 1], height, max(shape), truth) * mass
    across = kernels(xy[:, 0], width, max(shape), truth)
    if truth.kernel == "fourier":  # the low-pass ripples below zero on small canvases
        values = np.maximum(down @ across.T, 0.0)
        scaled: Float32Array = (values / values.sum()).astype(np.float32)
        return scaled
    total = float(down.sum(axis=0) @ across.sum(axis=0))  # the sum of the product, without a visit to its pixels
    if not total > 0:
        return np.zeros(shape, np.float32)
    normalized: Float64Array = (down / total) @ across.T
    return normalized.astype(np.float32)


def kernels(position: Float64Array, size: int, longest: int, truth: Truth) -> Float64Array:
    """Return the kernel of each point along one axis.

    Args:
        position: pixels, shape (n,).
        size: pixels of the axis.
        longest: of the frame's two sides, which sets the canvas of `fourier`.
        truth: the recipe.

    Returns:
        float64, shape (size, n); the density is the product of both axes, summed over the points.
    """
    if truth.kernel == "gaussian":
        offset = np.arange(size)[:, None] + 0.5 - (position + truth.shift_px)[None, :]
        values = np.exp(-(offset**2) / (2 * truth.sigma_px**2))
        if truth.radius_px is not None:
            values[np.abs(offset) > truth.radius_px] = 0.0
        return values
    if truth.kernel == "window":
        return _window(np.floor(position).astype(np.int64), size, truth)
    if truth.kernel == "fourier":
        return _fourier(np.floor(position).astype(np.int64), size, longest, truth)
    raise WrongUse(f"unknown kernel {truth.kernel!r}; known: gaussian, window, fourier")


def _window(index: np.ndarray[tuple[int], np.dtype[np.int64]], size: int, truth: Truth) -> Float64Array:
    """Correlation with a finite window; the frame's first and last pixel are repeated outwards."""
    taps, anchor = truth.size_px or 0, truth.anchor_px or 0
    t = np.arange(taps)
    kernel = np.exp(-((t - (taps - 1) / 2) ** 2) / (2 * truth.sigma_px**2))
    source = np.clip(np.arange(size)[:, None] + t[None, :] - anchor, 0, size - 1)
    matrix = np.zeros((size, size))
    np.add.at(matrix, (np.arange(size)[:, None], source), np.broadcast_to(kernel, source.shape))
    return matrix[:, index]


def _fourier(index: np.ndarray[tuple[int], np.dtype[np.int64]], size: int, longest: int, truth: Truth) -> Float64Array:
    """Low-pass with gain 1/2 at the cut-off, on a canvas of a power of two that wraps around."""
    canvas = 1 << int(np.ceil(np.log2(max(longest, 2))))
    frequency = np.fft.fftfreq(canvas, 1 / canvas)
    gain = np.exp(-(frequency**2) * np.log(2) / (truth.cycles or 8.0) ** 2)
    kernel = np.fft.ifft(gain).real
    return np.asarray(kernel[(np.arange(size)[:, None] - index[None, :]) % canvas])


def of_sigma(name: str) -> Truth:
    """Return the recipe that a name states, `sigma=PX`.

    Raises:
        WrongUse: it is no number above 0.

    >>> of_sigma("sigma=57.6").sigma_px
    57.6
    """
    try:
        sigma = float(name.removeprefix(SIGMA))
    except ValueError:
        sigma = math.nan
    if not 0 < sigma < math.inf:
        raise WrongUse(f"truth recipe {name!r}: expected {SIGMA} and a number of pixels above 0, as {SIGMA}57.6")
    return Truth(sigma_px=sigma, note="stated by the user")


def from_json(value: Mapping[str, Any]) -> Truth:
    """Read a truth recipe as release.json holds it."""
    fields = {k: v for k, v in value.items() if k in Truth.__dataclass_fields__}
    if len(fields) != len(value):
        raise BadData(
            f"unknown settings of a truth recipe: {sorted(set(value) - set(fields))}; was it made by a later version?"
        )
    if fields.get("orders") is not None:
        fields["orders"] = tuple(fields["orders"])
    return Truth(**fields)

"""Truth recipes: from the points of a frame to its density.

Every recipe is separable, so a density is one matrix product: (rows x points) @ (points x columns). It is taken block
by block of the frame, from the points that reach the block.
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
    return _product(down / total, across)


_FAINT = 1e-100
"""Of a kernel's peak: what is less is 0."""
_UNSEEN = 1e-64
"""Of a density: what is less moves no bit of a float32, whose least step is 1e-45."""
_BLOCK = (128, 256)
_SMALL = 1 << 17  # pixels that are multiplied sooner than cut
_MOST_TERMS = 96
"""Of a sum that a BLAS takes in one go, so that leaving out what is 0 leaves its order as it is."""


def _product(down: Float64Array, across: Float64Array) -> Float32Array:
    """Multiply the kernels, in float64, to a density in float32: to the last bit `(down @ across.T).astype(float32)`.

    Args:
        down: of the rows, shape (height, n), divided by the density's sum.
        across: of the columns, shape (width, n).
    """
    height, width = len(down), len(across)
    if down.shape[1] > _MOST_TERMS or height * width < _SMALL:
        whole: Float64Array = down @ across.T
        return whole.astype(np.float32)
    rows, columns = (_cuts(size, block) for size, block in zip((height, width), _BLOCK, strict=True))
    highest, widest = np.maximum.reduceat(down, rows[:-1]), np.maximum.reduceat(across, columns[:-1])
    down, across = np.ascontiguousarray(down.T), np.ascontiguousarray(across.T)
    values = np.zeros((height, width), np.float32)
    for top, bottom, high in zip(rows[:-1], rows[1:], highest, strict=True):
        reaching = high * widest > _UNSEEN
        for i in np.flatnonzero(reaching.any(axis=1)):
            some, left, right = reaching[i], columns[i], columns[i + 1]
            values[top:bottom, left:right] = down[some, top:bottom].T @ across[some, left:right]
    return values


def _cuts(size: int, block: int) -> list[int]:
    """Where blocks begin and end; none is smaller than asked for, since a BLAS sums thin ones in another order."""
    count = max(1, size // block)
    return [size * i // count for i in range(count + 1)]


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
        return _gaussian(position + truth.shift_px, size, truth)
    if truth.kernel == "window":
        return _window(np.floor(position).astype(np.int64), size, truth)
    if truth.kernel == "fourier":
        return _fourier(np.floor(position).astype(np.int64), size, longest, truth)
    raise WrongUse(f"unknown kernel {truth.kernel!r}; known: gaussian, window, fourier")


def _gaussian(center: Float64Array, size: int, truth: Truth) -> Float64Array:
    """The kernel where it is not faint; a narrow one is taken everywhere, for all of a density may be faint."""
    reach = int(np.ceil(truth.sigma_px * np.sqrt(-2 * np.log(_FAINT))))
    wide = truth.sigma_px >= 1 and abs(truth.shift_px) <= 2 * truth.sigma_px
    near = wide and 2 * reach + 1 < size and len(center) <= _MOST_TERMS
    first = np.floor(center).astype(np.int64) - reach if near else np.zeros(len(center), np.int64)
    rows = first + np.arange(2 * reach + 1 if near else size)[:, None]
    offset = rows + 0.5 - center
    values: Float64Array = np.exp(-(offset**2) / (2 * truth.sigma_px**2))
    if truth.radius_px is not None:
        values[np.abs(offset) > truth.radius_px] = 0.0
    if not near:
        return values
    placed = np.zeros((size, len(center)))
    for i, begin in enumerate(first.tolist()):
        low, high = max(begin, 0), min(begin + len(rows), size)
        placed[low:high, i] = values[low - begin : high - begin, i]
    return placed


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

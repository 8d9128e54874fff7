"""Bringing a prediction to the grid of the truth, each protocol's way."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from vidsal.loaders.errors import UnknownName
from vidsal.loaders.io.extras import optional_packages

from ..metrics.maps import Float64Map
from .kernels.available import map_kernels

Taps = tuple[int, npt.NDArray[np.uintp], npt.NDArray[np.float64]]
"""An axis; for each output along it the inputs that it is made of, and their weights (sum 1), both (taps, outputs).

The output is the first of these inputs plus the others' weighed differences from it.
"""


def bilinear_half_pixel(values: npt.NDArray[Any], shape: tuple[int, int]) -> Float64Map:
    """Interpolate linearly between pixel centres; edges clamped, no antialiasing (OpenCV's INTER_LINEAR).

    Args:
        values: map, shape (h, w), finite.
        shape: (H, W) of the result.

    Returns:
        float64, shape (H, W); equal neighbours give exactly their value.

    >>> bilinear_half_pixel(np.array([[0.0, 1.0]]), (1, 4))
    array([[0.  , 0.25, 0.75, 1.  ]])
    """
    out = np.ascontiguousarray(values, dtype=np.float64)
    fast = map_kernels()
    if fast is not None:
        (low, high, w), (left, right, v) = (_neighbors(out.shape[axis], shape[axis]) for axis in (0, 1))
        rows, columns = (np.stack(pair).astype(np.uintp) for pair in ((low, high), (left, right)))
        resized: Float64Map = fast.interpolate(out, rows, w, columns, v)
        return resized
    for axis in (0, 1):
        lower, upper, weight = _neighbors(out.shape[axis], shape[axis])
        a, b = np.take(out, lower, axis), np.take(out, upper, axis)
        out = a + (b - a) * (weight[:, None] if axis == 0 else weight)
    return out


def _neighbors(n: int, m: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """For each of m outputs the two of n inputs around its centre, and the weight of the upper one."""
    position = np.clip((np.arange(m) + 0.5) * (n / m) - 0.5, 0, n - 1)
    lower = np.floor(position).astype(np.int64)
    return lower, np.minimum(lower + 1, n - 1), position - lower


def bicubic_antialias(values: npt.NDArray[Any], shape: tuple[int, int]) -> Float64Map:
    """Cubic convolution (a = -0.5) between pixel centres, as MATLAB's imresize does on doubles.

    The kernel is widened when an axis shrinks; the border is mirrored with its edge pixel repeated; results may leave
    the range of the input. What is weighed are differences from the nearest pixel, so flat areas stay exactly flat.

    Args:
        values: map, shape (h, w), finite.
        shape: (H, W) of the result.

    Returns:
        float64, shape (H, W); equal neighbours give exactly their value.
    """
    out = np.ascontiguousarray(values, dtype=np.float64)
    fast = map_kernels()
    for axis, source, weight in cubic_taps(out.shape, shape):
        if fast is not None:
            out = (fast.mix_rows, fast.mix_columns)[axis](out, source, weight)
            continue
        nearest = np.take(out, source[0], axis)
        total = nearest.copy()
        for at, w in zip(source[1:], weight[1:], strict=True):
            total += (np.take(out, at, axis) - nearest) * (w[:, None] if axis == 0 else w)
        out = total
    return out


def _cubic(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Keys' cubic convolution kernel with a = -1/2 (IEEE Trans. ASSP 29, 1981)."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def linear_taps(old: tuple[int, ...], new: tuple[int, int]) -> list[Taps]:
    """The two neighbours of `bilinear_half_pixel`, axis by axis in its order; see `Taps`."""
    taps = []
    for axis in (0, 1):
        lower, upper, weight = _neighbors(old[axis], new[axis])
        taps.append((axis, np.stack((lower, upper)).astype(np.uintp), np.stack((1 - weight, weight))))
    return taps


def cubic_taps(old: tuple[int, ...], new: tuple[int, int]) -> list[Taps]:
    """The neighbours of `bicubic_antialias`, axis by axis in its order; see `Taps`."""
    # MATLAB works first on the axis that shrinks most; the order only moves the last bits.
    axes = sorted((0, 1), key=lambda axis: new[axis] / old[axis])
    return [(axis, *_cubic_taps(old[axis], new[axis])) for axis in axes]


@lru_cache(maxsize=64)
def _cubic_taps(n: int, m: int) -> tuple[npt.NDArray[np.uintp], npt.NDArray[np.float64]]:
    """For each of m outputs the inputs it is made of, the one of most weight first, and their weights: (taps, m)."""
    scale = m / n
    stretch = min(scale, 1.0)
    width = 4 / stretch
    center = (np.arange(m) + 0.5) / scale - 0.5
    first = np.floor(center - width / 2).astype(np.int64)
    index = first[:, None] + np.arange(int(np.ceil(width)) + 2)
    weight = stretch * _cubic(stretch * (center[:, None] - index))
    weight /= weight.sum(1, keepdims=True)
    used = (weight != 0).any(0)
    mirrored = np.concatenate((np.arange(n), np.arange(n)[::-1]))
    source, weight = mirrored[index[:, used].T % (2 * n)].astype(np.uintp), weight[:, used].T
    most = weight.argmax(0)[None]
    for taps in (source, weight):
        heaviest = np.take_along_axis(taps, most, 0)
        np.put_along_axis(taps, most, taps[:1].copy(), 0)
        taps[:1] = heaviest
    return source, np.ascontiguousarray(weight)


def bilinear_uint8(values: npt.NDArray[Any], shape: tuple[int, int]) -> npt.NDArray[Any]:
    """Interpolate 8-bit maps linearly in fixed point, to the bit as OpenCV does; other maps as `bilinear_half_pixel`.

    Args:
        values: map, shape (h, w).
        shape: (H, W) of the result.

    Returns:
        uint8 for uint8, else float64.
    """
    if values.dtype != np.uint8:
        return bilinear_half_pixel(values, shape)
    levels = values.astype(np.int64)
    lower, upper, a, b = _fixed_taps(values.shape[1], shape[1], clamp=True)
    rows = levels[:, lower] * a + levels[:, upper] * b
    lower, upper, a, b = _fixed_taps(values.shape[0], shape[0], clamp=False)
    above, below = (a[:, None] * (rows[lower] >> 4)) >> 16, (b[:, None] * (rows[upper] >> 4)) >> 16
    return ((above + below + 2) >> 2).astype(np.uint8)


def _fixed_taps(n: int, m: int, *, clamp: bool) -> tuple[npt.NDArray[np.int64], ...]:
    """Neighbours of each output and their weights of 1/2048; beyond the border only columns lose their upper one."""
    position = ((np.arange(m) + 0.5) * (n / m) - 0.5).astype(np.float32)
    lower = np.floor(position).astype(np.int64)
    weight = position - lower.astype(np.float32)
    if clamp:
        weight[(lower < 0) | (lower >= n - 1)] = 0
        lower = np.clip(lower, 0, n - 1)
    parts = (np.float32(1) - weight, weight)
    a, b = (np.rint(part * np.float32(2048)).astype(np.int64) for part in parts)
    return np.clip(lower, 0, n - 1), np.clip(lower + 1, 0, n - 1), a, b


def half_uint8(values: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Halve an 8-bit map as OpenCV's linear interpolation does: blocks of four averaged, halves up.

    A last block that the border cuts is averaged over what is left of it, halves to even; sizes are rounded to even.
    """
    fast = map_kernels()
    if fast is not None and values.shape[0] % 2 == values.shape[1] % 2 == 0:
        halved: npt.NDArray[np.uint8] = fast.halve(np.ascontiguousarray(values))
        return halved
    height, width = (max(int(np.rint(n * 0.5)), 1) for n in values.shape)
    total, count = np.zeros((height, width), np.int64), np.zeros((height, width), np.int64)
    for row in (0, 1):
        for column in (0, 1):
            part = values[row : 2 * height : 2, column : 2 * width : 2]
            total[: part.shape[0], : part.shape[1]] += part
            count[: part.shape[0], : part.shape[1]] += 1
    return np.where(count == 4, (total + 2) >> 2, np.rint(total / count)).astype(np.uint8)


@optional_packages()
def linear_skimage(values: npt.NDArray[Any], shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Interpolate linearly as scikit-image's `resize` does by default: mirrored border, smoothed when shrinking."""
    from skimage.transform import resize as skimage_resize

    resized: npt.NDArray[np.float32] = skimage_resize(np.asarray(values, np.float32), shape)  # type: ignore[no-untyped-call]
    return resized


RESIZES: dict[str, Callable[[npt.NDArray[Any], tuple[int, int]], npt.NDArray[Any]]] = {
    "bilinear-halfpixel": bilinear_half_pixel,
    "bicubic-antialias": bicubic_antialias,
    "bilinear-uint8": bilinear_uint8,
    "linear-skimage": linear_skimage,
}
"""Every way to resize, by the name that protocols use."""


def resize(values: npt.NDArray[Any], shape: tuple[int, int], method: str) -> npt.NDArray[Any]:
    """Resize by the method's name; a map of the right size is returned as it is.

    Raises:
        UnknownName: no such method.
    """
    if method not in RESIZES:
        raise UnknownName("resize method", method, RESIZES)
    if values.shape == tuple(shape):
        return values
    return RESIZES[method](values, shape)

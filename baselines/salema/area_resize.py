"""OpenCV's INTER_AREA for 8-bit images, to the pixel, without OpenCV.

Shrinking averages the source pixels that each target pixel covers: in float32, rounded half to even. Whole factors
sum integers first; a factor of 2 on both axes rounds half up. If either axis is enlarged OpenCV falls back on a
bilinear form with 11-bit weights, which is repeated here too.

Source: the algorithm of `cv2.resize(..., interpolation=cv2.INTER_AREA)`, OpenCV 4 and 5; compared with both.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from vidsal.loaders.errors import WrongUse
from vidsal.loaders.records import Float32Array, UInt8Image

#: Parts of a pixel narrower than this are left out.
SLIVER = 1e-3
#: Fixed-point one of the bilinear form.
ONE = 2048

Index = npt.NDArray[np.intp]


def resize_area(image: UInt8Image, width: int, height: int) -> UInt8Image:
    """Resize an 8-bit image.

    Args:
        image: uint8, shape (h, w, channels).
        width, height: of the result, in pixels.

    Returns:
        uint8, shape (height, width, channels).

    Raises:
        WrongUse: not such an image, or an empty one.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or 0 in image.shape or min(width, height) < 1:
        raise WrongUse(
            f"resize_area takes uint8 (height, width, channels) and a size > 0, found {image.dtype} "
            f"{image.shape} and {width} x {height}"
        )
    rows, columns = image.shape[:2]
    if (rows, columns) == (height, width):
        return image.copy()
    if rows < height or columns < width:
        return _bilinear(image, width, height)
    if rows % height == 0 and columns % width == 0:
        return _whole_factors(image, rows // height, columns // width)
    return _cover(image, width, height)


def _whole_factors(image: UInt8Image, down: int, across: int) -> UInt8Image:
    rows, columns, channels = image.shape
    blocks = image.reshape(rows // down, down, columns // across, across, channels)
    sums = blocks.sum(axis=(1, 3), dtype=np.int32)
    if (down, across) == (2, 2):
        return _uint8((sums + 2) >> 2)
    share = np.float32(1) / np.float32(down * across)
    return _uint8(np.rint(sums.astype(np.float32) * share))


def _cover(image: UInt8Image, width: int, height: int) -> UInt8Image:
    source = image.astype(np.float32)
    narrow = _accumulate(source, *_shares(image.shape[1], width), axis=1)
    return _uint8(np.rint(_accumulate(narrow, *_shares(image.shape[0], height), axis=0)))


def _accumulate(source: Float32Array, index: Index, share: Float32Array, axis: int) -> Float32Array:
    """Sum shares of the source along an axis, first pixel first, in float32 as OpenCV does."""
    shape = [1] * source.ndim
    shape[axis] = -1
    total = np.zeros((), np.float32)
    for taken, weight in zip(index, share, strict=True):
        total = total + source.take(taken, axis=axis) * weight.reshape(shape)
    return np.asarray(total, dtype=np.float32)


@lru_cache(maxsize=32)
def _shares(source: int, target: int) -> tuple[Index, Float32Array]:
    """Return which source pixels each target pixel covers and how much of it each of them makes up.

    Returns:
        Pixel numbers and shares, both (most pixels covered, target); unused places have share 0.
    """
    scale = 1.0 / (target / source)  # as OpenCV computes it: the last bit decides some floors
    cells = []
    for cell in range(target):
        left, right = cell * scale, cell * scale + scale
        size = min(scale, source - left)
        last = min(int(np.floor(right)), source - 1)
        first = min(int(np.ceil(left)), last)
        parts = [(pixel, 1.0 / size) for pixel in range(first, last)]
        if first - left > SLIVER:
            parts.insert(0, (first - 1, (first - left) / size))
        if right - last > SLIVER:
            parts.append((last, min(min(right - last, 1.0), size) / size))
        cells.append(parts)
    most = max(len(parts) for parts in cells)
    index, share = np.zeros((most, target), np.intp), np.zeros((most, target), np.float32)
    for cell, parts in enumerate(cells):
        for place, (pixel, part) in enumerate(parts):
            index[place, cell], share[place, cell] = pixel, part
    return index, share


def _bilinear(image: UInt8Image, width: int, height: int) -> UInt8Image:
    x, x_weight = _neighbors(image.shape[1], width)
    y, y_weight = _neighbors(image.shape[0], height)
    source = image.astype(np.int32)
    beside = np.minimum(x + 1, image.shape[1] - 1)
    wide = source[:, x] * (ONE - x_weight)[:, None] + source[:, beside] * x_weight[:, None]
    below = np.minimum(y + 1, image.shape[0] - 1)
    upper = ((wide[y] >> 4) * (ONE - y_weight)[:, None, None]) >> 16
    lower = ((wide[below] >> 4) * y_weight[:, None, None]) >> 16
    return _uint8((upper + lower + 2) >> 2)


def _neighbors(source: int, target: int) -> tuple[Index, npt.NDArray[np.int32]]:
    """Return the first of the two neighbours of each target pixel and the other's weight in 1/2048."""
    enlargement = target / source
    places = np.arange(target)
    first = np.floor(places * (1.0 / enlargement)).astype(np.intp)
    part = ((places + 1) - (first + 1) * enlargement).astype(np.float32)
    part = np.where(part <= 0, np.float32(0), part - np.floor(part)).astype(np.float32)
    outside = first >= source - 1
    part[outside], first[outside] = 0, source - 1
    return first, np.rint(part * np.float32(ONE)).astype(np.int32)


def _uint8(values: npt.NDArray[Any]) -> UInt8Image:
    clipped: UInt8Image = np.clip(values, 0, 255).astype(np.uint8)
    return clipped

"""Undoing the filters of a PNG, compiled by numba.

A filter predicts a byte from its left, upper and upper left neighbours, so a row can not be undone in parallel. But
sixteen rows can be, each one pixel behind the row above it: then all that a step needs was made one step earlier.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Array = npt.NDArray[Any]

ROWS = 16
_SUB, _UP, _AVERAGE, _PAETH = 1, 2, 3, 4


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    try:
        compiled: Callable[..., Any] = njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # no folder to cache in
        compiled = njit(nogil=True, error_model="numpy")(function)
    return compiled


@_compiled
def _one_row(kind: int, coded: Array, above: Array, out: Array, step: int) -> None:
    """Undo one row of pixels of `step` bytes."""
    for i in range(out.size):
        left = np.int32(out[i - step]) if i >= step else np.int32(0)
        corner = np.int32(above[i - step]) if i >= step else np.int32(0)
        up = np.int32(above[i])
        predicted = np.int32(0)
        if kind == _SUB:
            predicted = left
        elif kind == _UP:
            predicted = up
        elif kind == _AVERAGE:
            predicted = (left + up) >> 1
        elif kind == _PAETH:
            to_left, to_up = abs(up - corner), abs(left - corner)
            to_corner = abs(left + up - 2 * corner)
            if to_left <= to_up and to_left <= to_corner:
                predicted = left
            else:
                predicted = up if to_up <= to_corner else corner
        out[i] = np.uint8(np.int32(coded[i]) + predicted)


@_compiled
def _sixteen_rows(raw: Array, above: Array, out: Array) -> None:
    """Undo sixteen rows of 8-bit pixels together.

    Args:
        raw: the filter and the coded bytes of each row, shape (16, 1 + width).
        above: the row before them, shape (width,).
        out: written, shape (16, width), width at least 16.
    """
    width = out.shape[1]
    # All bits set in the row whose filter it is: a choice without a branch.
    sub, up_, average, paeth = (
        np.zeros(ROWS, np.int16),
        np.zeros(ROWS, np.int16),
        np.zeros(ROWS, np.int16),
        np.zeros(ROWS, np.int16),
    )
    for k in range(ROWS):
        kind = raw[k, 0]
        sub[k] = -1 if kind == _SUB else 0
        up_[k] = -1 if kind == _UP else 0
        average[k] = -1 if kind == _AVERAGE else 0
        paeth[k] = -1 if kind == _PAETH else 0
    last = np.zeros(ROWS + 1, np.int16)  # last[k + 1]: the newest pixel of row k; last[0]: of the row above all
    up, corner, coded = np.zeros(ROWS, np.int16), np.zeros(ROWS, np.int16), np.zeros(ROWS, np.int16)
    for i in range(width + ROWS - 1):
        inside = i >= ROWS - 1 and i < width
        last[0] = above[i] if i < width else 0
        for k in range(ROWS):
            up[k] = last[k]
        if inside:
            for k in range(ROWS):
                coded[k] = raw[k, i - k + 1]
        else:
            for k in range(ROWS):
                coded[k] = raw[k, i - k + 1] if 0 <= i - k < width else 0
        for k in range(ROWS):
            a, b, c = last[k + 1], up[k], corner[k]
            to_left, to_up = np.int16(b - c), np.int16(a - c)
            to_corner = abs(np.int16(to_left + to_up))
            to_left, to_up = abs(to_left), abs(to_up)
            nearest = b if to_up <= to_corner else c
            nearest = a if (to_left <= to_up) & (to_left <= to_corner) else nearest
            mean = np.int16((a + b) >> 1)
            predicted = (a & sub[k]) | (b & up_[k]) | (mean & average[k]) | (nearest & paeth[k])
            coded[k] = np.int16((coded[k] + predicted) & 255)
            corner[k] = b
        if inside:
            for k in range(ROWS):
                last[k + 1] = coded[k]
                out[k, i - k] = coded[k]
        else:
            for k in range(ROWS):
                # A row that has not begun, or is over, has zeros for neighbours.
                within = 0 <= i - k < width
                last[k + 1] = coded[k] if within else 0
                if within:
                    out[k, i - k] = coded[k]
                else:
                    corner[k] = 0


@_compiled
def undo(raw: Array, out: Array, step: int) -> bool:
    """Undo the filters of all rows.

    Args:
        raw: uint8, a filter byte before each row's bytes, height * (1 + bytes of a row).
        out: uint8, shape (height, bytes of a row); written.
        step: bytes of a pixel, 1 or 2.

    Returns:
        False if a filter does not exist.
    """
    height, width = out.shape
    coded = raw.reshape(height, width + 1)
    for y in range(height):
        if coded[y, 0] > _PAETH:
            return False
    zero = np.zeros(width, np.uint8)
    if step == 1 and height >= ROWS and width >= ROWS:
        for start in range(0, height, ROWS):
            # The last block reaches back over rows that are done, and makes them again.
            y = min(start, height - ROWS)
            _sixteen_rows(coded[y : y + ROWS], out[y - 1] if y else zero, out[y : y + ROWS])
    else:
        for y in range(height):
            _one_row(coded[y, 0], coded[y, 1:], out[y - 1] if y else zero, out[y], step)
    return True

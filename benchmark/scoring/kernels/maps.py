"""Compiled loops that make maps: resizing and the 8-bit stage, operation for operation as `resize` and `quantize`.

The order of the operations is that of the NumPy bodies, so the results are the same to the last bit.
"""

# Inside compiled functions numba's own types rule, which mypy cannot follow.
# mypy: disable-error-code="no-any-return,arg-type,assignment"

from __future__ import annotations

import numpy as np

from vidsal.loaders.io.compiled import compiled

from .pixels import Array


def interpolate(values: Array, rows: Array, row_weight: Array, columns: Array, column_weight: Array) -> Array:
    """Linear interpolation between two rows, then between two columns.

    Args:
        values: float64 (h, w).
        rows, columns: the lower and the upper neighbour of each output, unsigned (2, H) and (2, W).
        row_weight, column_weight: weight of the upper one, float64.
    """
    out = np.empty((row_weight.size, column_weight.size))
    _interpolate(values, rows, row_weight, columns, column_weight, out, np.empty(values.shape[1]))
    return out


@compiled
def _interpolate(
    values: Array, rows: Array, row_weight: Array, columns: Array, column_weight: Array, out: Array, between: Array
) -> None:
    height, width = out.shape
    for i in range(height):
        a, b, w = values[rows[0, i]], values[rows[1, i]], row_weight[i]
        for j in range(between.size):
            between[j] = a[j] + (b[j] - a[j]) * w
        left, right, total = columns[0], columns[1], out[i]
        for j in range(width):
            low = between[left[j]]
            total[j] = low + (between[right[j]] - low) * column_weight[j]


def mix_rows(values: Array, source: Array, weight: Array) -> Array:
    """Each output row made of some rows of a float64 map; source (unsigned) and weight (taps, H) as `resize.Taps`."""
    out = np.empty((source.shape[1], values.shape[1]))
    _mix_rows(values, source, weight, out)
    return out


@compiled
def _mix_rows(values: Array, source: Array, weight: Array, out: Array) -> None:
    taps, height = source.shape
    for i in range(height):
        total, nearest = out[i], values[source[0, i]]
        total[:] = nearest
        for tap in range(1, taps - 1, 2):
            above, below = values[source[tap, i]], values[source[tap + 1, i]]
            v, w = weight[tap, i], weight[tap + 1, i]
            for j in range(total.size):
                total[j] = (total[j] + (above[j] - nearest[j]) * v) + (below[j] - nearest[j]) * w
        if taps % 2 == 0:
            row, w = values[source[taps - 1, i]], weight[taps - 1, i]
            for j in range(total.size):
                total[j] += (row[j] - nearest[j]) * w


def mix_columns(values: Array, source: Array, weight: Array) -> Array:
    """Each output column made of some columns of a float64 map; source (unsigned) and weight (taps, W)."""
    width = source.shape[1]
    out = np.empty((values.shape[0], width))
    _mix_columns(values, source, weight, out, np.empty(width))
    return out


@compiled
def _mix_columns(values: Array, source: Array, weight: Array, out: Array, nearest: Array) -> None:
    taps, width = source.shape
    first = source[0]
    for i in range(values.shape[0]):
        row, total = values[i], out[i]
        for j in range(width):
            total[j] = nearest[j] = row[first[j]]
        for tap in range(1, taps - 1, 2):
            left, right, v, w = source[tap], source[tap + 1], weight[tap], weight[tap + 1]
            for j in range(width):
                total[j] = (total[j] + (row[left[j]] - nearest[j]) * v[j]) + (row[right[j]] - nearest[j]) * w[j]
        if taps % 2 == 0:
            at, w = source[taps - 1], weight[taps - 1]
            for j in range(width):
                total[j] += (row[at[j]] - nearest[j]) * w[j]


def to_levels(values: Array, low: float, span: float) -> Array:
    """round(255 (v - low) / span), halves to even; flat."""
    out = np.empty(values.size, np.uint8)
    _to_levels(values, low, span, out)
    return out


@compiled
def _to_levels(values: Array, low: float, span: float, out: Array) -> None:
    for i in range(values.size):
        out[i] = np.uint8(np.rint(255 * (np.float64(values[i]) - low) / span))


def halve(values: Array) -> Array:
    """Means of the whole blocks of 2 x 2 of an 8-bit map of even sizes, halves up."""
    out = np.empty((values.shape[0] // 2, values.shape[1] // 2), np.uint8)
    _halve(values, out)
    return out


@compiled
def _halve(values: Array, out: Array) -> None:
    height, width = out.shape
    for i in range(height):
        upper, lower, total = values[2 * i], values[2 * i + 1], out[i]
        for j in range(width):
            a = np.uint32(upper[2 * j]) + np.uint32(upper[2 * j + 1])
            b = np.uint32(lower[2 * j]) + np.uint32(lower[2 * j + 1])
            total[j] = np.uint8((a + b + np.uint32(2)) >> np.uint32(2))

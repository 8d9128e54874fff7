"""Sums over the blocks of a map that hold anything but 0, to the bit those of `pixels` over the whole map.

The density of one fixation covers a small part of its frame, and what is 0 adds nothing to a sum. Blocks are those by
which `pixels` fills its lanes, so every lane takes the same numbers in the same order.
"""

# Inside compiled functions numba's own types rule, which mypy cannot follow.
# mypy: disable-error-code="no-any-return,arg-type,assignment"

from __future__ import annotations

import numpy as np

from vidsal.loaders.io.compiled import compiled

from .pixels import LANES, Array

_WORTHWHILE = 0.5
"""Share of the blocks up to which it is cheaper to visit them by their number."""


def occupied(g: Array) -> Array | None:
    """Return where the blocks of a flat map begin that hold anything but 0; None where most of them do."""
    starts = np.empty(-(-g.size // LANES), np.intp)
    count = _occupied(g, starts)
    return starts[:count] if count <= _WORTHWHILE * starts.size else None


@compiled
def _occupied(g: Array, starts: Array) -> int:
    count = 0
    for start in range(0, g.size, LANES):
        end, found = min(start + LANES, g.size), np.uint32(0)
        for i in range(start, end):
            found |= np.uint32(g[i] != 0)
        if found:
            starts[count] = start
            count += 1
    return count


def _room(size: int, starts: Array) -> Array:
    """Room for the pixels of some blocks of a map of a size; the last one may be cut off by the map's end."""
    return np.empty(LANES * starts.size - max(0, int(starts[-1]) + LANES - size) if starts.size else 0)


def moments(g: Array, starts: Array) -> tuple[float, float]:
    """Sums of g and of its squares, as `pixels.moments` has them without a shift."""
    sums: tuple[float, float] = _moments(g, starts, np.zeros((2, LANES)))
    return sums


@compiled
def _moments(g: Array, starts: Array, lanes: Array) -> tuple[float, float]:
    for k in range(starts.size):
        start = starts[k]
        if start + LANES <= g.size:
            for lane in range(LANES):
                x = np.float64(g[start + lane])
                lanes[0, lane] += x
                lanes[1, lane] += x * x
        else:
            for i in range(start, g.size):
                x = np.float64(g[i])
                lanes[0, 0] += x
                lanes[1, 0] += x * x
    first = second = 0.0
    for lane in range(LANES):
        first += lanes[0, lane]
        second += lanes[1, lane]
    return first, second


def overlap_and_arguments(
    p: Array, p_low: float, p_scale: float, g: Array, g_scale: float, q_low: float, q_scale: float, eps: float,
    starts: Array, shared: Array,
) -> Array:  # fmt: skip
    """Do what `pixels.overlap_and_arguments` does, in the blocks of g, whose lowest value is 0; return arguments."""
    out = _room(p.size, starts)
    _overlap_and_arguments(p, p_low, p_scale, g, g_scale, q_low, q_scale, eps, starts, out, shared)
    return out


@compiled
def _overlap_and_arguments(
    p: Array, p_low: float, p_scale: float, g: Array, g_scale: float, q_low: float, q_scale: float, eps: float,
    starts: Array, out: Array, shared: Array,
) -> None:  # fmt: skip
    for k in range(starts.size):
        start, at = starts[k], k * LANES
        whole = start + LANES <= p.size
        size = LANES if whole else p.size - start
        if whole:
            for lane in range(LANES):
                x = np.float64(p[start + lane])
                a = (x - p_low) * p_scale
                b = np.float64(g[start + lane]) * g_scale
                shared[lane] += a if a < b else b
                out[at + lane] = abs((x - q_low) * q_scale + eps)
        else:
            for i in range(size):
                x = np.float64(p[start + i])
                a = (x - p_low) * p_scale
                b = np.float64(g[start + i]) * g_scale
                shared[0] += a if a < b else b
                out[at + i] = abs((x - q_low) * q_scale + eps)


def shares(g: Array, scale: float, starts: Array) -> Array:
    """Return g scale in the blocks where it is positive, else 1."""
    out = _room(g.size, starts)
    _shares(g, scale, starts, out)
    return out


@compiled
def _shares(g: Array, scale: float, starts: Array, out: Array) -> None:
    for k in range(starts.size):
        start = starts[k]
        for i in range(start, min(start + LANES, g.size)):
            x = np.float64(g[i]) * scale
            out[k * LANES + i - start] = x if x > 0 else 1.0


def weighted_sum(values: Array, g: Array, starts: Array, chunk: int) -> float:
    """Sum of values (of the blocks) times g, chunk by chunk, as `pixels.weighted_sum` of each chunk adds up.

    Args:
        chunk: pixels, a multiple of LANES.
    """
    return float(_weighted_sum(values, g, starts, chunk, np.zeros(LANES)))


@compiled
def _weighted_sum(values: Array, g: Array, starts: Array, chunk: int, sums: Array) -> float:
    added = 0.0
    for k in range(starts.size):
        start, at = starts[k], k * LANES
        if start + LANES <= g.size:
            for lane in range(LANES):
                sums[lane] += values[at + lane] * np.float64(g[start + lane])
        else:
            for i in range(g.size - start):
                sums[0] += values[at + i] * np.float64(g[start + i])
        if k + 1 == starts.size or starts[k + 1] // chunk != start // chunk:
            total = 0.0
            for lane in range(LANES):
                total += sums[lane]
                sums[lane] = 0.0
            added += total
    return added

"""The same numbers as the definitions, much faster: fused loops over the pixels, compiled by numba.

8-bit maps: one pass packs, for each level of the prediction, how many pixels have it and the truth's sum over them;
every score but SIM follows from these 256 pairs, in integers. Float maps: one pass for the moments; one that counts
pixels between the fixated values (a table of monotone bins identifies nearly all of them without a comparison, and
without a sort); one for SIM and the arguments of KLD's logarithms.

Sums run in fixed lanes, so they do not depend on a machine's vector width or threads.

What numba compiles are bare loops: NumPy allocates what they write to, and lanes are summed one by one, because numba's
own bodies of `np.zeros` or `sum` take far longer to compile than the loops around them. Compiled code is cached beside
the module or in numba's own folder.
"""

# Inside compiled functions numba's own types rule (unsigned words, typed scalars), which mypy cannot follow.
# mypy: disable-error-code="no-any-return,arg-type,assignment"

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from vidsal.loaders.io.compiled import compiled

Array = npt.NDArray[Any]

LANES = 256
BLOCK = 2048
BINS = 16384
MOST_THRESHOLDS = 1024
"""With more fixated values than this a sort of the map is cheaper."""

_PACKED = 1 << 23
"""Pixels that are packed at a time, so that a count stays below 2**24."""


@compiled
def probe() -> None:
    """Nothing: the least by which numba shows that it works."""


class _Scratch(threading.local):
    """The lanes of one thread, on a cache line: loops over lanes are up to 40 % slower off the vectors' boundaries."""

    def __init__(self) -> None:
        line = 8  # float64 in 64 bytes
        room = np.empty(4 * LANES + line)
        first = -(room.ctypes.data // 8) % line
        self.rows: Array = room[first : first + 4 * LANES].reshape(4, LANES)


_SCRATCH = _Scratch()


def _lanes() -> Array:
    """Four rows of lanes, zero; this thread's only ones."""
    rows = _SCRATCH.rows
    rows.fill(0)
    return rows


def _lane_row() -> Array:
    """One row of lanes, zero; this thread's only one."""
    row: Array = _SCRATCH.rows[0]
    row.fill(0)
    return row


def _rows_added(sums: Array) -> Array:
    """Sum the rows of four, in their order."""
    added: Array = sums[0] + sums[1] + sums[2] + sums[3]
    return added


# ---------------------------------------------------------------------------------------------------------------------
# 8-bit predictions: levels


def packed_levels(p: Array, g: Array) -> tuple[Array, Array]:
    """Count the pixels of each level of p and sum g over them; both uint8, flat."""
    counts, sums = np.zeros((2, 256), np.int64)
    for start in range(0, p.size, _PACKED):
        table = np.zeros((4, 256), np.uint64)
        _pack(p[start : start + _PACKED], g[start : start + _PACKED], table, counts, sums)
    return counts, sums


@compiled
def _pack(p: Array, g: Array, table: Array, counts: Array, sums: Array) -> None:
    """Add count << 40 | g to the counter of each pixel's level; four tables in turn, added up at the end.

    Neighbouring pixels often have one level, and a counter that was just written cannot be read at once.
    """
    one, low = np.uint64(1 << 40), np.uint64((1 << 40) - 1)
    n = p.size
    i = 0
    while i + 4 <= n:
        table[0, p[i]] += one | np.uint64(g[i])
        table[1, p[i + 1]] += one | np.uint64(g[i + 1])
        table[2, p[i + 2]] += one | np.uint64(g[i + 2])
        table[3, p[i + 3]] += one | np.uint64(g[i + 3])
        i += 4
    while i < n:
        table[0, p[i]] += one | np.uint64(g[i])
        i += 1
    for t in range(4):
        for level in range(256):
            counts[level] += np.int64(table[t, level] >> np.uint64(40))
            sums[level] += np.int64(table[t, level] & low)


def summed_levels(p: Array, g: Array) -> tuple[Array, Array]:
    """Count the pixels of each level of p (uint8) and sum g (floats) over them."""
    counts, sums = np.zeros((4, 256), np.int64), np.zeros((4, 256))
    _sum_levels(p, g, counts, sums)
    return counts[0], sums[0]


@compiled
def _sum_levels(p: Array, g: Array, counts: Array, sums: Array) -> None:
    n = p.size
    i = 0
    while i + 4 <= n:
        for t in range(4):
            level = p[i + t]
            counts[t, level] += 1
            sums[t, level] += g[i + t]
        i += 4
    while i < n:
        counts[0, p[i]] += 1
        sums[0, p[i]] += g[i]
        i += 1
    for t in range(1, 4):
        for level in range(256):
            counts[0, level] += counts[t, level]
            sums[0, level] += sums[t, level]


def count_levels(p: Array) -> Array:
    """Count the pixels of each level of p (uint8)."""
    counts = np.zeros((4, 256), np.int64)
    _count_levels(p, counts)
    return counts[0]


@compiled
def _count_levels(p: Array, counts: Array) -> None:
    n = p.size
    i = 0
    while i + 4 <= n:
        for t in range(4):
            counts[t, p[i + t]] += 1
        i += 4
    while i < n:
        counts[0, p[i]] += 1
        i += 1
    for t in range(1, 4):
        for level in range(256):
            counts[0, level] += counts[t, level]


def levels_at(p: Array, index: Array, weight: Array) -> Array:
    """Sum the weights of some pixels by their level."""
    sums = np.zeros(256)
    _levels_at(p, index, weight, sums)
    return sums


@compiled
def _levels_at(p: Array, index: Array, weight: Array, sums: Array) -> None:
    for i in range(index.size):
        sums[p[index[i]]] += weight[i]


# ---------------------------------------------------------------------------------------------------------------------
# Float predictions: moments, counts between thresholds


def moments(p: Array, g: Array, shift: float, g_shift: float) -> tuple[float, float, float]:
    """Sums of x = p - shift, of x squared, and of x times y = g - g_shift minus the product of their means."""
    sums: tuple[float, float, float] = _moments(p, g, shift, g_shift, _lanes())
    return sums


@compiled
def _moments(p: Array, g: Array, shift: float, g_shift: float, lanes: Array) -> tuple[float, float, float]:
    n = p.size
    whole = n // LANES * LANES
    for start in range(0, whole, LANES):
        for lane in range(LANES):
            x = np.float64(p[start + lane]) - shift
            lanes[0, lane] += x
            lanes[1, lane] += x * x
            y = np.float64(g[start + lane]) - g_shift
            lanes[2, lane] += x * y
            lanes[3, lane] += y
    for i in range(whole, n):
        x = np.float64(p[i]) - shift
        lanes[0, 0] += x
        lanes[1, 0] += x * x
        y = np.float64(g[i]) - g_shift
        lanes[2, 0] += x * y
        lanes[3, 0] += y
    first = second = mixed = other = 0.0
    for lane in range(LANES):
        first += lanes[0, lane]
        second += lanes[1, lane]
        mixed += lanes[2, lane]
        other += lanes[3, lane]
    return first, second, mixed - first * other / n


def extent(p: Array) -> tuple[float, float, float]:
    """Lowest value, highest value and sum of a float map; where the sum is not finite, the other two are no answer."""
    ends = np.full((2, LANES), p[0])
    total = _extent(p, ends, _lane_row())
    return float(ends[0].min()), float(ends[1].max()), float(total)


@compiled
def _extent(p: Array, ends: Array, sums: Array) -> float:
    n = p.size
    whole, start = n // LANES * LANES, 0
    while start < n:
        size = LANES if start < whole else 1
        for lane in range(size):
            x = p[start + lane]
            ends[0, lane] = x if x < ends[0, lane] else ends[0, lane]
            ends[1, lane] = x if x > ends[1, lane] else ends[1, lane]
            sums[lane] += np.float64(x)
        start += size
    total = 0.0
    for lane in range(LANES):
        total += sums[lane]
    return total


FEW = 4
"""Up to so many thresholds pixels are compared with each, which costs less than a table."""


def count_few_regions(p: Array, thresholds: Array) -> Array:
    """Do what `count_regions` does with few thresholds, of the map's type."""
    below, upto = np.zeros((2, thresholds.size), np.int64)
    for i, threshold in enumerate(thresholds):
        below[i], upto[i] = _count_around(p, threshold)
    ends = np.stack((below, upto), 1).ravel()
    return np.diff(ends, prepend=0, append=p.size)


@compiled
def _count_around(p: Array, threshold: float) -> tuple[int, int]:
    """Count the pixels below a value, and those below or on it."""
    below = upto = np.int64(0)
    for start in range(0, p.size, BLOCK):
        block = p[start : start + BLOCK]
        under, on = np.uint32(0), np.uint32(0)
        for i in range(block.size):
            under += np.uint32(block[i] < threshold)
            on += np.uint32(block[i] <= threshold)
        below += np.int64(under)
        upto += np.int64(on)
    return below, upto  # type: ignore[return-value]


def bin_table(thresholds: Array, low: float, scale: float) -> Array:
    """For each bin 2 i where i thresholds lie in lower bins, + 1 where one lies in this bin.

    Args:
        thresholds: ascending, of the map's type, as are low and scale.
    """
    own = ((thresholds - low) * scale).astype(np.int32)
    new = np.ones(own.size, np.bool_)
    np.not_equal(own[1:], own[:-1], out=new[1:])
    first = new.nonzero()[0]
    bins = own[first]
    # Runs of equal codes: what lies below an occupied bin, the bin itself; at last what lies above them all.
    code, length = np.empty(2 * first.size + 1, np.uint16), np.ones(2 * first.size + 1, np.intp)
    code[:-1:2], code[1::2], code[-1] = 2 * first, 2 * first + 1, 2 * own.size
    length[0], length[2:-1:2], length[-1] = bins[0], bins[1:] - bins[:-1] - 1, BINS + 1 - bins[-1]
    return np.repeat(code, length)


def regions_of(values: Array, thresholds: Array, code: Array, low: float, scale: float) -> Array:
    """Region of each value: 2 i between two thresholds, 2 i + 1 on the i-th."""
    region = code[((values - low) * scale).astype(np.int32)].astype(np.intp)
    unsure = (region & 1).nonzero()[0]
    values = values[unsure]
    region[unsure] = thresholds.searchsorted(values, "left") + thresholds.searchsorted(values, "right")
    return region


def count_regions(p: Array, thresholds: Array, code: Array, low: float, scale: float) -> Array:
    """Count the pixels below, on and between ascending distinct thresholds: 2 k + 1 regions."""
    counts, fours = np.zeros((4, 2 * thresholds.size + 1), np.uint32), p.size // 4 * 4
    _count_regions(p[:fours], thresholds, code, low, scale, counts.ravel(), np.empty(BLOCK, np.uint32))
    total: Array = counts.sum(0, dtype=np.int64)
    if fours < p.size:
        np.add.at(total, regions_of(p[fours:], thresholds, code, low, scale), 1)
    return total


@compiled
def _count_regions(
    p: Array, thresholds: Array, code: Array, low: float, scale: float, counts: Array, bins: Array
) -> None:
    regions = np.uintp(2 * thresholds.size + 1)
    one, odd = np.uint32(1), np.uintp(1)
    for start in range(0, p.size, BLOCK):
        block = p[start : start + BLOCK]
        size = block.size
        for i in range(size):
            bins[i] = np.uint32(np.int32((block[i] - low) * scale))
        for i in range(0, size, 4):
            a, b = np.uintp(code[bins[i]]), np.uintp(code[bins[i + 1]])
            c, d = np.uintp(code[bins[i + 2]]), np.uintp(code[bins[i + 3]])
            if (a | b | c | d) & odd:
                for j in range(i, i + 4):
                    r = np.uintp(code[bins[j]])
                    if r & odd:
                        r = _region(block[j], r, np.uintp(code[bins[j] + one]), thresholds)
                    counts[regions * np.uintp(j - i) + r] += one
            else:
                counts[a] += one
                counts[regions + b] += one
                counts[regions * np.uintp(2) + c] += one
                counts[regions * np.uintp(3) + d] += one


@compiled
def _region(value: float, code: int, following: int, thresholds: Array) -> int:
    """Region of a value whose bin holds thresholds, by the codes of this bin and of the next; all unsigned."""
    one = np.uintp(1)
    low, high = code >> one, following >> one
    while low < high:
        middle = (low + high) >> one
        if thresholds[middle] < value:
            low = middle + one
        else:
            high = middle
    code = low + low
    if low < np.uintp(thresholds.size) and thresholds[low] == value:
        code += one
    return code


def weigh_regions(
    p: Array, index: Array, weight: Array, thresholds: Array, code: Array, low: float, scale: float
) -> Array:
    """Sum the weights of some pixels over the regions of `count_regions`."""
    return np.bincount(regions_of(p[index], thresholds, code, low, scale), weight, 2 * thresholds.size + 1)


def weigh_all_regions(p: Array, weight: Array, thresholds: Array, code: Array, low: float, scale: float) -> Array:
    """Sum the weights of all pixels over the regions of `count_regions`."""
    sums = np.zeros((4, 2 * thresholds.size + 1))
    _weigh_all_regions(p, weight, thresholds, code, low, scale, sums)
    return _rows_added(sums)


@compiled
def _weigh_all_regions(
    p: Array, weight: Array, thresholds: Array, code: Array, low: float, scale: float, sums: Array
) -> None:
    for i in range(p.size):
        b = np.uint32(np.int32((p[i] - low) * scale))
        r = np.uintp(code[b])
        if r & np.uintp(1):
            r = _region(p[i], r, np.uintp(code[b + np.uint32(1)]), thresholds)
        sums[i & 3, r] += weight[i]


def weigh_steps(p: Array, weight: Array, low: float, high: float, steps: Array) -> Array:
    """Sum the weights of all pixels by the steps of 0.1 that their stretched value (v - low) / (high - low) reaches.

    Args:
        p, weight: flat.
        low, high: range of p.
        steps: about 0.0, 0.1, ...; ascending.

    Returns:
        One sum more than there are steps: of the pixels that reach none, the first only, ... all of them.
    """
    sums = np.zeros((4, steps.size + 1))
    _weigh_steps(p, weight, low, high, np.ascontiguousarray(steps), sums, np.empty(BLOCK), np.empty(BLOCK, np.int32))
    return _rows_added(sums)


@compiled
def _weigh_steps(
    p: Array, weight: Array, low: float, high: float, steps: Array, sums: Array, stretched: Array, guesses: Array
) -> None:
    last = steps.size - 1
    span, n = high - low, p.size
    for start in range(0, n, BLOCK):
        size = min(BLOCK, n - start)
        for i in range(size):
            x = (np.float64(p[start + i]) - low) / span
            stretched[i] = x
            guesses[i] = np.int32(x * 10)
        for i in range(size):
            x, j = stretched[i], min(guesses[i], last)
            # The guess is at most one off.
            j += np.int32(j < last and x >= steps[min(j + 1, last)]) - np.int32(x < steps[j])
            sums[i & 3, j + 1] += weight[start + i]


# ---------------------------------------------------------------------------------------------------------------------
# SIM and KLD


def overlap(p: Array, p_low: float, p_scale: float, g: Array, g_low: float, g_scale: float) -> float:
    """Sum of min((p - p_low) p_scale, (g - g_low) g_scale)."""
    if p_low == 0 and g_low == 0:
        return float(_overlap_unshifted(p, p_scale, g, g_scale, _lane_row()))
    return float(_overlap(p, p_low, p_scale, g, g_low, g_scale, _lane_row()))


@compiled
def _overlap_unshifted(p: Array, p_scale: float, g: Array, g_scale: float, shared: Array) -> float:
    n = p.size
    whole, start = n // LANES * LANES, 0
    while start < n:
        size = LANES if start < whole else 1  # what is left over goes to the first lane
        for lane in range(size):
            a, b = np.float64(p[start + lane]) * p_scale, np.float64(g[start + lane]) * g_scale
            shared[lane] += a if a < b else b
        start += size
    total = 0.0
    for lane in range(LANES):
        total += shared[lane]
    return total


@compiled
def _overlap(p: Array, p_low: float, p_scale: float, g: Array, g_low: float, g_scale: float, shared: Array) -> float:
    n = p.size
    whole, start = n // LANES * LANES, 0
    while start < n:
        size = LANES if start < whole else 1
        for lane in range(size):
            a = (np.float64(p[start + lane]) - p_low) * p_scale
            b = (np.float64(g[start + lane]) - g_low) * g_scale
            shared[lane] += a if a < b else b
        start += size
    total = 0.0
    for lane in range(LANES):
        total += shared[lane]
    return total


@compiled
def overlap_and_arguments(
    p: Array, p_low: float, p_scale: float, g: Array, g_low: float, g_scale: float, q_low: float, q_scale: float,
    eps: float, out: Array, shared: Array,
) -> None:  # fmt: skip
    """Add min((p - p_low) p_scale, (g - g_low) g_scale) to the lanes of `shared`; write |(p - q_low) q_scale + eps|."""
    n = p.size
    whole, start = n // LANES * LANES, 0
    while start < n:
        size = LANES if start < whole else 1
        for lane in range(size):
            x = np.float64(p[start + lane])
            a = (x - p_low) * p_scale
            b = (np.float64(g[start + lane]) - g_low) * g_scale
            shared[lane] += a if a < b else b
            out[start + lane] = abs((x - q_low) * q_scale + eps)
        start += size


@compiled
def shares(g: Array, scale: float, out: Array) -> None:
    """Write g scale where it is positive, else 1, whose logarithm counts for nothing."""
    for i in range(g.size):
        x = np.float64(g[i]) * scale
        out[i] = x if x > 0 else 1.0


def weighted_sum(values: Array, weights: Array) -> float:
    """Sum of values times weights."""
    return float(_weighted_sum(values, weights, _lane_row()))


@compiled
def _weighted_sum(values: Array, weights: Array, sums: Array) -> float:
    n = values.size
    whole, start = n // LANES * LANES, 0
    while start < n:
        size = LANES if start < whole else 1
        for lane in range(size):
            sums[lane] += values[start + lane] * np.float64(weights[start + lane])
        start += size
    total = 0.0
    for lane in range(LANES):
        total += sums[lane]
    return total


def capped(p: Array, p_low: float, p_scale: float, cap: float) -> float:
    """Sum of min((p - p_low) p_scale, cap)."""
    return float(_capped(p, p_low, p_scale, cap, _lane_row()))


@compiled
def _capped(p: Array, p_low: float, p_scale: float, cap: float, shared: Array) -> float:
    n = p.size
    whole, start = n // LANES * LANES, 0
    while start < n:
        size = LANES if start < whole else 1
        for lane in range(size):
            a = (np.float64(p[start + lane]) - p_low) * p_scale
            shared[lane] += a if a < cap else cap
        start += size
    total = 0.0
    for lane in range(LANES):
        total += shared[lane]
    return total

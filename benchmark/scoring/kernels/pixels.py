"""The same numbers as the definitions, much faster: fused loops over the pixels, compiled by numba.

8-bit maps: one pass packs, for each level of the prediction, how many pixels have it and the truth's sum over them;
every score but SIM follows from these 256 pairs, in integers. Float maps: one pass for the moments; one that counts
pixels between the fixated values (a table of monotone bins tells nearly all of them without a comparison, and without
a sort); one for SIM and the arguments of KLD's logarithms.

Sums run in fixed lanes, so they do not depend on a machine's vector width or threads. Compiled code is cached beside
the module or in numba's own folder.
"""

# Inside compiled functions numba's own types rule (unsigned words, typed scalars), which mypy can not follow.
# mypy: disable-error-code="no-any-return,arg-type,assignment"

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Array = npt.NDArray[Any]

LANES = 256
BLOCK = 2048
BINS = 16384
MOST_THRESHOLDS = 1024
"""With more fixated values than this a sort of the map is cheaper."""


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile at the first call; without the global lock, and cached where there is a folder to cache in."""
    try:
        made: Callable[..., Any] = njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # no such folder
        made = njit(nogil=True, error_model="numpy")(function)
    return made


# ---------------------------------------------------------------------------------------------------------------------
# 8-bit predictions: levels


@compiled
def _pack(p: Array, g: Array, table: Array) -> None:
    """Add count << 40 | g to the counter of each pixel's level; four tables in turn.

    Neighbouring pixels often have one level, and a counter that was just written can not be read at once.
    """
    one = np.uint64(1 << 40)
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


@compiled
def packed_levels(p: Array, g: Array) -> tuple[Array, Array]:
    """Count the pixels of each level of p and sum g over them; both uint8, flat."""
    counts, sums = np.zeros(256, np.int64), np.zeros(256, np.int64)
    low = np.uint64((1 << 40) - 1)
    # In chunks, so that a count stays below 2**24.
    for start in range(0, p.size, 1 << 23):
        table = np.zeros((4, 256), np.uint64)
        _pack(p[start : start + (1 << 23)], g[start : start + (1 << 23)], table)
        for t in range(4):
            for level in range(256):
                counts[level] += np.int64(table[t, level] >> np.uint64(40))
                sums[level] += np.int64(table[t, level] & low)
    return counts, sums


@compiled
def summed_levels(p: Array, g: Array) -> tuple[Array, Array]:
    """Count the pixels of each level of p (uint8) and sum g (floats) over them."""
    counts, sums = np.zeros((4, 256), np.int64), np.zeros((4, 256))
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
    return counts.sum(0), sums.sum(0)


@compiled
def count_levels(p: Array) -> Array:
    """Count the pixels of each level of p (uint8)."""
    counts = np.zeros((4, 256), np.int64)
    n = p.size
    i = 0
    while i + 4 <= n:
        for t in range(4):
            counts[t, p[i + t]] += 1
        i += 4
    while i < n:
        counts[0, p[i]] += 1
        i += 1
    return counts.sum(0)


@compiled
def levels_at(p: Array, index: Array, weight: Array) -> Array:
    """Sum the weights of some pixels by their level."""
    sums = np.zeros(256)
    for i in range(index.size):
        sums[p[index[i]]] += weight[i]
    return sums


# ---------------------------------------------------------------------------------------------------------------------
# Float predictions: moments, counts between thresholds


@compiled
def moments(p: Array, g: Array, shift: float, g_shift: float) -> tuple[float, float, float]:
    """Sums of x = p - shift, of x squared, and of x times y = g - g_shift minus the product of their means."""
    first, second, mixed, other = np.zeros(LANES), np.zeros(LANES), np.zeros(LANES), np.zeros(LANES)
    n = p.size
    whole = n // LANES * LANES
    for start in range(0, whole, LANES):
        for lane in range(LANES):
            x = np.float64(p[start + lane]) - shift
            first[lane] += x
            second[lane] += x * x
            y = np.float64(g[start + lane]) - g_shift
            mixed[lane] += x * y
            other[lane] += y
    for i in range(whole, n):
        x = np.float64(p[i]) - shift
        first[0] += x
        second[0] += x * x
        y = np.float64(g[i]) - g_shift
        mixed[0] += x * y
        other[0] += y
    return first.sum(), second.sum(), mixed.sum() - first.sum() * other.sum() / n


@compiled
def bin_table(thresholds: Array, low: float, scale: float) -> tuple[Array, Array]:
    """For each bin 2 i where i thresholds lie in lower bins, + 1 where one lies in this bin; and each one's bin."""
    k = thresholds.size
    own = np.empty(k, np.uint32)
    for i in range(k):
        own[i] = np.uint32(np.int32((thresholds[i] - low) * scale))
    code = np.empty(BINS + 2, np.uint16)
    i = 0
    for b in range(BINS + 2):
        while i < k and own[i] < b:
            i += 1
        code[b] = 2 * i + 1 if i < k and own[i] == b else 2 * i
    return code, own


@compiled
def _region(value: float, b: int, c: int, thresholds: Array, own: Array) -> int:
    """Region of a value whose bin holds thresholds: 2 i between two of them, 2 i + 1 on the i-th."""
    first, last = c >> 1, own.size
    # The thresholds of this bin: own is ascending.
    low, high = first, last
    while low < high:
        middle = (low + high) >> 1
        if own[middle] == b and thresholds[middle] < value:
            low = middle + 1
        else:
            high = middle
    if low < last and thresholds[low] == value:
        return 2 * low + 1
    return 2 * low


@compiled
def count_regions(p: Array, thresholds: Array, code: Array, own: Array, low: float, scale: float) -> Array:
    """Count the pixels below, on and between ascending distinct thresholds: 2 k + 1 regions."""
    regions = np.uintp(2 * thresholds.size + 1)
    counts = np.zeros(4 * regions, np.uint32)
    bins = np.empty(BLOCK, np.uint32)
    one, odd = np.uint32(1), np.uintp(1)
    n = p.size
    for start in range(0, n, BLOCK):
        block = p[start : min(start + BLOCK, n)]
        size = block.size
        for i in range(size):
            bins[i] = np.uint32(np.int32((block[i] - low) * scale))
        for i in range(0, size // 4 * 4, 4):
            a, b = np.uintp(code[bins[i]]), np.uintp(code[bins[i + 1]])
            c, d = np.uintp(code[bins[i + 2]]), np.uintp(code[bins[i + 3]])
            if (a | b | c | d) & odd:
                for j in range(i, i + 4):
                    r = np.uintp(code[bins[j]])
                    if r & odd:
                        r = np.uintp(_region(block[j], bins[j], np.intp(r), thresholds, own))
                    counts[regions * np.uintp(j - i) + r] += one
            else:
                counts[a] += one
                counts[regions + b] += one
                counts[regions * np.uintp(2) + c] += one
                counts[regions * np.uintp(3) + d] += one
        for i in range(size // 4 * 4, size):
            r = np.uintp(code[bins[i]])
            if r & odd:
                r = np.uintp(_region(block[i], bins[i], np.intp(r), thresholds, own))
            counts[r] += one
    total = np.zeros(regions, np.int64)
    for j in range(4):
        for r in range(regions):
            total[r] += counts[np.uintp(j) * regions + np.uintp(r)]
    return total


@compiled
def weigh_regions(
    p: Array, index: Array, weight: Array, thresholds: Array, code: Array, own: Array, low: float, scale: float
) -> Array:
    """Sum the weights of some pixels over the regions of `count_regions`."""
    sums = np.zeros(2 * thresholds.size + 1)
    for i in range(index.size):
        value = p[index[i]]
        b = np.uint32(np.int32((value - low) * scale))
        r = np.intp(code[b])
        if r & 1:
            r = _region(value, b, r, thresholds, own)
        sums[r] += weight[i]
    return sums


@compiled
def weigh_all_regions(
    p: Array, weight: Array, thresholds: Array, code: Array, own: Array, low: float, scale: float
) -> Array:
    """Sum the weights of all pixels over the regions of `count_regions`."""
    sums = np.zeros((4, 2 * thresholds.size + 1))
    for i in range(p.size):
        value = p[i]
        b = np.uint32(np.int32((value - low) * scale))
        r = np.intp(code[b])
        if r & 1:
            r = _region(value, b, r, thresholds, own)
        sums[i & 3, r] += weight[i]
    return sums.sum(0)


@compiled
def weigh_steps(p: Array, weight: Array, low: float, high: float, steps: Array) -> Array:
    """Sum the weights of all pixels by the steps of 0.1 that their stretched value (v - low) / (high - low) reaches.

    Args:
        p, weight: flat.
        low, high: range of p.
        steps: about 0.0, 0.1, ...; ascending.

    Returns:
        One sum more than there are steps: of the pixels that reach none, the first only, ... all of them.
    """
    last = steps.size - 1
    sums = np.zeros((4, steps.size + 1))
    stretched, guesses = np.empty(BLOCK), np.empty(BLOCK, np.int32)
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
    return sums.sum(0)


# ---------------------------------------------------------------------------------------------------------------------
# SIM and KLD


@compiled
def overlap(p: Array, p_low: float, p_scale: float, g: Array, g_low: float, g_scale: float) -> float:
    """Sum of min((p - p_low) p_scale, (g - g_low) g_scale)."""
    shared = np.zeros(LANES)
    n = p.size
    whole = n // LANES * LANES
    if p_low == 0 and g_low == 0:
        for start in range(0, whole, LANES):
            x, y = p[start : start + LANES], g[start : start + LANES]
            for lane in range(LANES):
                a, b = np.float64(x[lane]) * p_scale, np.float64(y[lane]) * g_scale
                shared[lane] += a if a < b else b
    else:
        for start in range(0, whole, LANES):
            x, y = p[start : start + LANES], g[start : start + LANES]
            for lane in range(LANES):
                a, b = (np.float64(x[lane]) - p_low) * p_scale, (np.float64(y[lane]) - g_low) * g_scale
                shared[lane] += a if a < b else b
    for i in range(whole, n):
        a, b = (np.float64(p[i]) - p_low) * p_scale, (np.float64(g[i]) - g_low) * g_scale
        shared[0] += a if a < b else b
    return shared.sum()


@compiled
def overlap_and_arguments(
    p: Array, p_low: float, p_scale: float, g: Array, g_low: float, g_scale: float, q_low: float, q_scale: float,
    eps: float, out: Array, shared: Array,
) -> None:  # fmt: skip
    """Add min((p - p_low) p_scale, (g - g_low) g_scale) to the lanes of `shared`; write |(p - q_low) q_scale + eps|."""
    n = p.size
    whole = n // LANES * LANES
    for start in range(0, whole, LANES):
        for lane in range(LANES):
            x = np.float64(p[start + lane])
            a = (x - p_low) * p_scale
            b = (np.float64(g[start + lane]) - g_low) * g_scale
            shared[lane] += a if a < b else b
            out[start + lane] = abs((x - q_low) * q_scale + eps)
    for i in range(whole, n):
        x = np.float64(p[i])
        a = (x - p_low) * p_scale
        b = (np.float64(g[i]) - g_low) * g_scale
        shared[0] += a if a < b else b
        out[i] = abs((x - q_low) * q_scale + eps)


@compiled
def shares(g: Array, scale: float, out: Array) -> None:
    """Write g scale where it is positive, else 1, whose logarithm counts for nothing."""
    for i in range(g.size):
        x = np.float64(g[i]) * scale
        out[i] = x if x > 0 else 1.0


@compiled
def weighted_sum(values: Array, weights: Array) -> float:
    """Sum of values times weights."""
    sums = np.zeros(LANES)
    n = values.size
    whole = n // LANES * LANES
    for start in range(0, whole, LANES):
        for lane in range(LANES):
            sums[lane] += values[start + lane] * np.float64(weights[start + lane])
    for i in range(whole, n):
        sums[0] += values[i] * np.float64(weights[i])
    return sums.sum()


@compiled
def capped(p: Array, p_low: float, p_scale: float, cap: float) -> float:
    """Sum of min((p - p_low) p_scale, cap)."""
    shared = np.zeros(LANES)
    n = p.size
    whole = n // LANES * LANES
    for start in range(0, whole, LANES):
        for lane in range(LANES):
            a = (np.float64(p[start + lane]) - p_low) * p_scale
            shared[lane] += a if a < cap else cap
    for i in range(whole, n):
        a = (np.float64(p[i]) - p_low) * p_scale
        shared[0] += a if a < cap else cap
    return shared.sum()

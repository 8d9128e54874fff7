"""How the published codes divide data sets and compose epochs, quirks included: pure functions of numbers."""

from __future__ import annotations

import random as plain_random
from collections.abc import Mapping, Sequence

import numpy as np

from vidsal.loaders.clips.plan import legal_starts

MIT1003_IMAGES = 1003


def unisal_validation_starts(n_frames: int, span: int, clips: int) -> list[int]:
    """Return the first frames (0-based) of UNISAL's validation clips: one in the middle, or two off the ends.

    The published code counts from 1 and for a video of exactly one span asks for frame 0, which is not there; here that
    is frame 1 too.

    >>> unisal_validation_starts(540, 60, 2), unisal_validation_starts(96, 48, 1), unisal_validation_starts(40, 60, 2)
    ([104, 434], [23], [])
    """
    if not legal_starts(n_frames, span):
        return []
    if clips == 1:
        return [max(1, n_frames // 2 - span // 2) - 1]
    margin = n_frames // 4 - span // 2
    starts = np.linspace(max(1, margin), min(n_frames - span, n_frames - margin), clips)
    return [max(1, int(start)) - 1 for start in starts]


def unisal_validation_numbers(of: int, n: int, seed: int) -> list[int]:
    """Return which of the numbers 1..`of` are held out: `n` of them after a shuffle (none for seed 0).

    >>> unisal_validation_numbers(700, 100, 0)[::99]
    [601, 700]
    """
    numbers = np.arange(1, of + 1)
    if seed > 0:
        np.random.RandomState(seed).shuffle(numbers)
    first = (of - n) // 2 * 2
    return [int(number) for number in numbers[first : first + n]]


def folds(n: int, fold: int | None, *, n_folds: int = 10, seed: int = 27) -> tuple[list[int], list[int]]:
    """Return the positions (0-based, in the order of sorted names) of training and validation of one fold.

    Args:
        n: how many images.
        fold: 0-based; None = all train, in order, and none validates.
        n_folds: how many folds.
        seed: of NumPy's legacy shuffle.
    """
    if fold is None:
        return list(range(n)), []
    order = np.arange(n)
    np.random.RandomState(seed).shuffle(order)
    everything = [int(i) for i in order]
    low, high = int(n / n_folds * fold), int(n / n_folds * (fold + 1))
    return everything[:low] + everything[high:], everything[low:high]


def nearest_cells(height: int, width: int, cells: Sequence[tuple[int, int]], side: int = 32) -> tuple[int, int]:
    """Return the size of the cells (rows, columns) whose aspect is nearest to an image's; of equals the first.

    >>> nearest_cells(768, 1024, [(8, 13), (9, 12), (12, 9)])
    (288, 384)
    """
    aspect = height / width
    rows, columns = max(cells, key=lambda c: min(aspect, c[0] / c[1]) / max(aspect, c[0] / c[1]))
    return rows * side, columns * side


def alternate(counts: Mapping[str, int]) -> list[str]:
    """Return the domain of each batch before the shuffle: one of each in turn, those that ran out are passed over.

    >>> alternate({"a": 1, "b": 3})
    ['a', 'b', 'b', 'b']
    """
    rounds = range(max(counts.values(), default=0))
    return [name for number in rounds for name, count in counts.items() if number < count]


def shuffled(names: Sequence[str], seed: int) -> list[str]:
    """Return the names in the order that Python's `random.seed(seed)` and one `random.shuffle` give."""
    order = list(names)
    plain_random.Random(seed).shuffle(order)
    return order

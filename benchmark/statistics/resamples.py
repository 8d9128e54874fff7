"""Random draws that everybody can repeat: from a seed, through the raw stream of PCG64.

NumPy keeps that stream equal from version to version, which it does not promise of its distributions. Who has the same
seed and the same number of groups draws the same resamples, so models of one board share them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from vidsal.loaders.errors import WrongUse

from .inputs import Floats, check_count

_CELLS = 1 << 19
"""Numbers that a part of the draws may hold: 4 MiB."""

_KEPT_CELLS = 1 << 24
"""Numbers that draws may hold to be kept for the next run: 32 MiB."""

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def seed_of(digest: str) -> int:
    """Return the seed of a set of frames: the first 64 bits of their digest.

    Args:
        digest: hexadecimal, as `coverage.frames_digest` of a run.

    Raises:
        WrongUse: it is no digest.
    """
    if not re.fullmatch(r"[0-9a-fA-F]{16,}", digest):
        raise WrongUse(f"{digest!r} is no digest; expected hexadecimal digits, at least 16")
    return int(digest[:16], 16)


def _stream(seed: int) -> np.random.PCG64:
    return np.random.PCG64(check_count("seed", seed, 0))


def resample_counts(seed: int, groups: int, resamples: int) -> Iterator[Floats]:
    """Draw groups with replacement.

    Yields:
        How often each resample has each group, parts of the rows of (resamples, groups). The mean of a resample is
        the sum of the sums of its groups by the sum of their numbers of stimuli.
    """
    check_count("seed", seed, 0)
    kept = resamples * groups <= _KEPT_CELLS
    for counts in _kept_counts(seed, groups, resamples) if kept else _draw_counts(seed, groups, resamples):
        yield counts.astype(np.float64)


@lru_cache(maxsize=4)
def _kept_counts(seed: int, groups: int, resamples: int) -> tuple[npt.NDArray[np.unsignedinteger], ...]:
    """Runs of one board share their draws, and are read one after another: the last few draws stay in memory."""
    return tuple(_draw_counts(seed, groups, resamples))


def _draw_counts(seed: int, groups: int, resamples: int) -> Iterator[npt.NDArray[np.unsignedinteger]]:
    stream = _stream(seed)
    words, small = (
        (groups + 1) // 2,
        np.min_scalar_type(groups),
    )  # a group is drawn as often as there are groups, at most
    for begin in range(0, resamples, step := max(1, _CELLS // groups)):
        rows = min(step, resamples - begin)
        raw = np.asarray(stream.random_raw(rows * words))
        halves = np.stack([raw >> _HALF, raw & _LOW], axis=1).reshape(rows, 2 * words)[:, :groups]
        drawn = (halves * np.uint64(groups) >> _HALF).astype(np.int64)
        drawn += groups * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * groups).reshape(rows, groups).astype(small)


def random_bits(seed: int, width: int, draws: int) -> Iterator[Floats]:
    """Toss coins.

    Yields:
        0 and 1, each with a chance of one half, parts of the rows of (draws, width).
    """
    stream = _stream(seed)
    words = (width + 63) // 64
    for begin in range(0, draws, step := max(1, _CELLS // width)):
        rows = min(step, draws - begin)
        raw = np.asarray(stream.random_raw(rows * words)).astype("<u8").reshape(rows, words)
        yield np.unpackbits(raw.view(np.uint8), axis=1, count=width, bitorder="little").astype(np.float64)

"""Which frames an epoch shows: pure functions of numbers; every random choice is drawn here, from one seed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from ..errors import WrongUse

Start = Literal["random", "spread", "consecutive"]
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Clip:
    """One clip to be read.

    Attributes:
        stimulus: id.
        frames: 0-based numbers, in order; a stimulus that is too short repeats its last frame.
        observer: whose gaze is the target; None = everybody's.
        flip: whether everything is mirrored left to right.
    """

    stimulus: str
    frames: tuple[int, ...]
    observer: str | None = None
    flip: bool = False


def legal_starts(n_frames: int, span: int, *, last: bool = True) -> int:
    """Return how many first frames a clip can have: 0, 1, ... below that number.

    Args:
        n_frames: of the stimulus.
        span: frames from the first of the clip to the first after it, step included.
        last: False = the last one is not drawn unless it is the only one (as UNISAL's published code draws).

    >>> legal_starts(100, 60), legal_starts(100, 60, last=False), legal_starts(60, 60, last=False), legal_starts(59, 60)
    (41, 40, 1, 0)
    """
    free = n_frames - span + 1
    return max(0, free if last or free == 1 else free - 1)


def spread_starts(n_frames: int, span: int, n: int) -> list[int]:
    """Return n first frames at even distances, the first 0 and the last the last legal one; one alone is in the middle.

    >>> spread_starts(25, 16, 5), spread_starts(3, 1, 5), spread_starts(90, 16, 1), spread_starts(9, 16, 2)
    ([0, 2, 4, 6, 9], [0, 0, 1, 1, 2], [37], [])
    """
    free = legal_starts(n_frames, span)
    if not free:
        return []
    return [(free - 1) // 2] if n == 1 else [int(start) for start in np.linspace(0, free - 1, n)]


def draw_starts(n_frames: int, span: int, n: int, random: np.random.Generator, *, last: bool = True) -> list[int]:
    """Draw n first frames, each once where there are enough of them; fewer where there are not."""
    free = legal_starts(n_frames, span, last=last)
    return [int(start) for start in random.permutation(free)[:n]] if free else []


def consecutive_starts(n_frames: int, span: int) -> list[int]:
    """Return the first frames of clips that follow one another; the last one may be shorter.

    >>> consecutive_starts(27, 10), consecutive_starts(10, 10)
    ([0, 10, 20], [0])
    """
    return list(range(0, n_frames, span))


def batches(
    sizes: Sequence[Key], batch: int, *, drop_last: bool = False, random: np.random.Generator | None = None
) -> list[list[int]]:
    """Group items of one size into batches.

    Args:
        sizes: of each item; those of a batch are equal.
        batch: most items in a batch.
        drop_last: leave out what does not fill a batch, size by size.
        random: shuffles items and batches; None = in order, size after size.

    Returns:
        For each batch the indices of its items.

    >>> batches(["a", "b", "a", "a", "b"], 2)
    [[0, 2], [3], [1, 4]]
    >>> batches(["a", "b", "a", "a", "b"], 2, drop_last=True)
    [[0, 2], [1, 4]]
    """
    if batch < 1:
        raise WrongUse(f"batch={batch}; at least 1 was expected")
    order = range(len(sizes)) if random is None else random.permutation(len(sizes)).tolist()
    groups: dict[Key, list[int]] = defaultdict(list)
    for index in order:
        groups[sizes[index]].append(index)
    found = [group[i : i + batch] for group in groups.values() for i in range(0, len(group), batch)]
    if drop_last:
        found = [one for one in found if len(one) == batch]
    return found if random is None else [found[i] for i in random.permutation(len(found))]

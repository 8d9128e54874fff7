"""Names as people sort and list them: natural order, and the first few of many."""

from __future__ import annotations

import re
from collections.abc import Iterable


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key that reads runs of digits as numbers.

    >>> sorted(["i10", "i9", "a"], key=natural_key)
    ['a', 'i9', 'i10']
    """
    parts = re.split(r"([0-9]+)", name)
    return tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in parts if p)


def shortlist(items: Iterable[object], most: int = 5, *, between: str = ", ", counted: bool = True) -> str:
    """Return the first items as text, then how many more there are, or only that there are more.

    >>> shortlist([1, 2, 3], most=2), shortlist([1, 2, 3], most=2, counted=False)
    ('1, 2 and 1 more', '1, 2 ...')
    """
    listed = [str(item) for item in items]
    more = len(listed) - most
    end = "" if more <= 0 else f" and {more} more" if counted else " ..."
    return between.join(listed[:most]) + end

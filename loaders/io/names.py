"""Names as people sort and list them: natural order, the first few of many, and what file managers leave behind."""

from __future__ import annotations

import re
from collections.abc import Iterable

_LEFT_BEHIND = frozenset({"__macosx", "thumbs.db", "desktop.ini", "@eadir"})


def is_left_behind(name: str) -> bool:
    """Return whether a file or folder of this name is what systems and file managers leave: never data.

    Hidden entries (`.DS_Store`, `._0001.png`, `.svn`), `__MACOSX`, `Thumbs.db`, `desktop.ini`, `@eaDir`. Every scan
    of a folder or an archive asks this one function.

    >>> is_left_behind("._0001.png"), is_left_behind("Thumbs.db"), is_left_behind("0001.png")
    (True, True, False)
    """
    return name.startswith(".") or name.lower() in _LEFT_BEHIND


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

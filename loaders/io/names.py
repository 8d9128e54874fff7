"""Names as people sort, list and see them: natural order, the first few of many, what file managers leave behind, and
what cannot be seen or takes hold of a terminal; sizes of files."""

from __future__ import annotations

import json
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


_ADDRESS = re.compile("([A-Za-z][A-Za-z0-9+.-]+):/")


def address_scheme(path: str) -> str | None:
    """Return the scheme of what looks like the address of a remote place, `s3` of `s3://bucket/x`; None of a path.

    One slash is enough: file libraries read `s3:/bucket`, what a path object makes of it, as an address too.

    >>> address_scheme("s3://bucket/x"), address_scheme("file:/x"), address_scheme("C:/x"), address_scheme("a/b:/c")
    ('s3', 'file', None, None)
    """
    found = _ADDRESS.match(path)
    return found[1].lower() if found else None


_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and newline; escape sequences begin with one
    "\xad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180e\u3164\uffa0"  # soft hyphen, joiners and fillers
    "\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb"  # zero width, turned writing
    "\U000e0000-\U000e0fff"  # tags
    "\ud800-\udfff]"
)


def visible(text: str) -> str:
    """Replace every character that cannot be seen, that reorders others or that commands a terminal, by U+FFFD.

    Every text that may come from others goes through this before it is printed or put on a page.

    >>> visible("a\\x00b"), visible("\\x1b[2J")
    ('a\\ufffdb', '\\ufffd[2J')
    """
    return text if text.isascii() and text.isprintable() else _UNSEEN.sub("\ufffd", text)


def escaped(text: str) -> str:
    """Return JSON text with such characters as `\\u` escapes: the same value, harmless to a terminal.

    >>> escaped('"\\x9b2J"')
    '"\\\\u009b2J"'
    """
    return _UNSEEN.sub(lambda found: json.dumps(found[0])[1:-1], text)


def size(number: int) -> str:
    """Return a number of bytes.

    >>> size(812), size(15_300), size(2_400_000), size(3_100_000_000)
    ('812 B', '15 kB', '2.4 MB', '3.1 GB')
    """
    if number < 1000:
        return f"{number} B"
    if number < 1_000_000:
        return f"{number / 1000:.0f} kB"
    return f"{number / 1_000_000:.1f} MB" if number < 1_000_000_000 else f"{number / 1_000_000_000:.1f} GB"

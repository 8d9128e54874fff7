"""How large what may be: the one table of budgets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

MODELS = 50
"""Rows of a board page up to which its budget holds; a page with more may be larger in proportion."""

BUDGETS: tuple[tuple[str, int], ...] = (
    ("site.js", 30_000),
    ("site.css", 60_000),
    ("index.html", 150_000),
    ("boards/*.html", 150_000),
    ("compare/*.html", 5_000_000),
    ("*.html", 500_000),
    ("feed.xml", 200_000),
    ("*.svg", 100_000),
    ("*.png", 150_000),
    ("*.webp", 150_000),
    ("*.jpg", 150_000),
    ("*.js", 1_000_000),
)
"""Bytes before compression, by a pattern of the file's place; the first that fits counts. Other files (downloads) have
no budget of their own. A page on which any two models are compared holds the means of all on every stimulus, two bytes
each: 200 models, 1,000 stimuli, six metrics are 3.2 MB."""

WHOLE = 1_000_000_000
"""Bytes of all files together."""

_BY_ROWS = frozenset({"index.html", "boards/*.html"})


def size_faults(sizes: Mapping[str, int], rows: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Yield (what, where) of what is too large.

    Args:
        sizes: bytes by file, relative to the site.
        rows: how many rows of sortable tables a page has.
    """
    for file, size in sizes.items():
        pattern, budget = next(((p, b) for p, b in BUDGETS if fnmatchcase(file, p)), ("", None))
        if budget is None:
            continue
        of = rows.get(file, 0)
        allowed = budget * max(of, MODELS) // MODELS if pattern in _BY_ROWS else budget
        if size > allowed:
            rule = f"{budget:,} bytes" + (f" at {MODELS} rows" if pattern in _BY_ROWS else "")
            models = f" with {of} rows" if pattern in _BY_ROWS else ""
            yield f"over the budget of {pattern}, {rule}", f"{file} ({size:,} bytes{models})"
    total = sum(sizes.values())
    if total > WHOLE:
        yield f"over the budget of the whole site, {WHOLE:,} bytes", f". ({total:,} bytes)"

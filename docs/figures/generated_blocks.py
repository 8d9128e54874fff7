"""Parts of a page that a script writes, between two comments that a reader of the page does not see."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path


def put(page: Path, blocks: Mapping[str, str]) -> bool:
    """Write blocks into a page; return whether it changed.

    Args:
        page: a Markdown file with `<!-- begin NAME -->` and `<!-- end NAME -->` for every block.
        blocks: their text by name.
    """
    before = page.read_text(encoding="utf-8")
    after = filled(before, blocks)
    if after != before:
        page.write_text(after, encoding="utf-8")
    return after != before


def filled(text: str, blocks: Mapping[str, str]) -> str:
    """Return the text of a page with its blocks replaced.

    Raises:
        ValueError: a block has no place in the page, or the page has a place for another one.
    """
    places = re.findall(r"<!-- begin (\w+) -->", text)
    if sorted(places) != sorted(blocks):
        raise ValueError(f"the page has places for {sorted(places)}, there are blocks for {sorted(blocks)}")
    for name, block in blocks.items():
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        before, _, rest = text.partition(begin)
        _, found, after = rest.partition(end)
        if not found:
            raise ValueError(f"block {name} begins and does not end")
        text = f"{before}{begin}\n\n{block.strip()}\n\n{end}{after}"
    return text


def table(header: Sequence[str], rows: Iterable[Sequence[object]], right: str = "") -> str:
    """Return a Markdown table.

    Args:
        header: titles of the columns.
        rows: cells; anything is turned into text.
        right: a letter for each column, `r` = to the right; short = the others to the left.
    """
    marks = ["--:" if right[k : k + 1] == "r" else ":--" for k in range(len(header))]
    lines = [header, marks, *rows]
    return "\n".join("| " + " | ".join(cell(c) for c in line) + " |" for line in lines)


def cell(value: object) -> str:
    """Return a value as the text of a table's cell."""
    return plain(value).replace("|", "\\|")


def plain(value: object) -> str:
    """Return a value as text that Markdown shows as it is."""
    return " ".join(str(value).split()).replace("<", "&lt;")

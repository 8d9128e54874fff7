"""One file of a site: read once, to what the rules of the whole site need of it, and what is wrong with it alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from .addresses import FOREIGN, addresses
from .faults import Fault
from .files import content_faults
from .markup import Element, Page, Tag, read_page
from .page_rules import ids_of, page_faults, tag_faults


@dataclass
class Known:
    """What is kept of a file.

    Attributes:
        file: its place, relative to the site.
        page: whether it is one.
        ids: of a page.
        links: its addresses that must lie in the site, each once, in order.
        rows: how many rows its sortable tables have.
        styles: texts of style sheets, in it or itself.
        faults: what is wrong with it alone.
    """

    file: str
    page: bool = False
    ids: frozenset[str] = frozenset()
    links: tuple[str, ...] = ()
    rows: int = 0
    styles: tuple[str, ...] = ()
    faults: list[Fault] = field(default_factory=list)


def read_files(folder: Path, files: Sequence[str]) -> list[Known]:
    """Read some files of a site."""
    return [_read(folder, file) for file in files]


def _read(folder: Path, file: str) -> Known:
    if file.endswith(".html"):
        return _read_html(folder, file)
    if file.endswith(".css"):
        return Known(file, styles=((folder / file).read_text(encoding="utf-8", errors="replace"),))
    return Known(file, faults=list(content_faults(folder, file)))


@lru_cache(maxsize=1 << 15)
def _of_tag(tag: Tag) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Return the addresses of a tag that must lie in the site, and its faults."""
    leads = addresses(tag)
    return leads.inside, (*leads.faults, *tag_faults(tag))


def _read_html(folder: Path, file: str) -> Known:
    content = (folder / file).read_bytes()
    text = content.decode("utf-8", errors="replace")
    page, links = read_page(text), dict[str, None]()
    faults = [Fault("page.markup", what, f"{file}:{line}") for line, what in page.faults]
    if "\ufffd" in text and b"\xef\xbf\xbd" not in content:
        faults.append(Fault("page.markup", "it is not UTF-8", file))
    for element in page.elements:
        if not element.tag.attributes and element.name not in FOREIGN:
            continue
        inside, wrong = _of_tag(element.tag)
        if inside:
            links.update(dict.fromkeys(inside))
        faults += [Fault(rule, what, f"{file}:{page.line(element)}") for rule, what in wrong]
    ids = ids_of(page)
    faults += [
        Fault(rule, what, file if where is None else f"{file}:{page.line(where)}")
        for rule, what, where in page_faults(page, text, ids)
    ]
    rows = sum(_board_rows(page, table) for table in page.all("table") if "sortable" in table.get("class").split())
    styles = tuple(page.text(style) for style in page.all("style"))
    return Known(file, True, frozenset(ids), tuple(links), rows, styles, faults)


def _board_rows(page: Page, table: Element) -> int:
    return sum(head.get("scope") == "row" for head in page.inside(table, "th"))

"""A strict and quick reading of our own pages: what is not written strictly is a fault, so nothing is guessed.

Browsers mend what is broken, each reader in its own way. Pages of this site are written so that there is nothing to
mend; a reader of this small language is a few lines, and five times as quick as one that mends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from html import unescape

_VOID = frozenset(["area", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"])
_OF_SVG = frozenset({"clipPath", "linearGradient", "radialGradient", "textPath"})
_NAME = r"[A-Za-z][A-Za-z0-9:._-]*"
_TAG = re.compile(rf"<(/?)({_NAME})((?:\s+{_NAME}(?:=\"[^\"<>]*\")?)*)\s*(/?)>")
_ATTRIBUTE = re.compile(rf"({_NAME})(?:=\"([^\"]*)\")?")
_SPLIT = re.compile(r"(<[^<>]*>)")
_DOCTYPE = re.compile(r"\s*<!DOCTYPE html>", re.IGNORECASE)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_RAW = re.compile(r"(<(script|style)\b[^<>]*>)(.*?)(?=</\2>)", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True, eq=False)
class Tag:
    """A tag as it is written; tags that are written alike are mostly one object.

    Attributes:
        name: in lower case, but for those of SVG.
        attributes: by name in lower case, entities resolved; an attribute without a value is empty.
        closes: `</name>`.
        empty: has no content: `<br>`, `<path .../>`.
        doubled: an attribute that stands twice.
    """

    name: str
    attributes: Mapping[str, str]
    closes: bool
    empty: bool
    doubled: str | None


def _read_tag(raw: str) -> Tag | None:
    found = _TAG.fullmatch(raw)
    if found is None or (found[1] and (found[3] or found[4])):
        return None
    name = found[2]
    if name != name.lower() and name not in _OF_SVG and not name.startswith("fe"):
        return None
    pairs = [(key.lower(), unescape(value)) for key, value in _ATTRIBUTE.findall(found[3])] if found[3] else []
    names = [key for key, _ in pairs]
    doubled = next((n for n in names if names.count(n) > 1), None) if len(set(names)) < len(names) else None
    return Tag(name, dict(pairs), bool(found[1]), bool(found[4]) or name in _VOID, doubled)


_read_known_tag = lru_cache(maxsize=1 << 15)(_read_tag)
_SHORT = 160
"""Tags up to this length are often equal, and read once."""


@dataclass(slots=True)
class Element:
    """An element of a page.

    Attributes:
        tag: its start.
        parent: the element around it; None of the outermost.
        begin, end: numbers of the pieces of its page between which its content lies.
    """

    tag: Tag
    parent: Element | None
    begin: int
    end: int = 0

    @property
    def name(self) -> str:
        """Name of the tag."""
        return self.tag.name

    def get(self, name: str) -> str:
        """An attribute, or nothing."""
        return self.tag.attributes.get(name, "")

    def has(self, name: str) -> bool:
        """Whether an attribute is there."""
        return name in self.tag.attributes

    @property
    def above(self) -> Iterator[Element]:
        """The elements around it, from inside."""
        at = self.parent
        while at is not None:
            yield at
            at = at.parent


@dataclass
class Page:
    """A page that was read.

    Attributes:
        elements: in order.
        raw: content of script and style elements, by the number of their first piece.
        faults: (line, what) where it is not written strictly.
    """

    elements: list[Element] = field(default_factory=list)
    raw: dict[int, str] = field(default_factory=dict)
    faults: list[tuple[int, str]] = field(default_factory=list)
    _pieces: list[str] = field(default_factory=list)
    _by_name: dict[str, list[Element]] = field(default_factory=dict)

    def all(self, *names: str) -> list[Element]:
        """The elements of some names, in order."""
        if len(names) == 1:
            return self._by_name.get(names[0], [])
        return sorted((e for name in names for e in self._by_name.get(name, ())), key=lambda e: e.begin)

    def inside(self, element: Element, *names: str) -> list[Element]:
        """The elements of some names inside of one."""
        return [e for e in self.all(*names) if element.begin < e.begin <= element.end]

    def text(self, element: Element) -> str:
        """All text inside, spaces collapsed; of a script or style element its content."""
        if element.begin in self.raw:
            return self.raw[element.begin]
        return " ".join(unescape("".join(self._pieces[element.begin + 1 : element.end : 2])).split())

    def line(self, element: Element) -> int:
        """The line on which it begins, from 1."""
        return self._line(element.begin)

    def _line(self, piece: int) -> int:
        return 1 + sum(p.count("\n") for p in self._pieces[:piece])


def read_page(text: str) -> Page:
    """Read a page; what is not written strictly is told in its `faults`, and the rest is read as well as may be."""
    page = Page()
    start = _DOCTYPE.match(text)
    if start is None:
        page.faults.append((1, "it does not begin with <!DOCTYPE html>"))
    body = _COMMENT.sub(lambda m: "\n" * m[0].count("\n"), text[start.end() if start else 0 :])
    contents: list[str] = []

    def taken(found: re.Match[str]) -> str:
        contents.append(found[3])
        return found[1] + "\n" * found[3].count("\n")

    pieces = page._pieces = _SPLIT.split(_RAW.sub(taken, body) if "<s" in body else body)
    _build(page, pieces, iter(contents))
    for number in range(0, len(pieces), 2):
        if "<" in pieces[number] or ">" in pieces[number]:
            page.faults.append((page._line(number), "a bare < or > in the text"))
    return page


def _build(page: Page, pieces: list[str], contents: Iterator[str]) -> None:
    """Make the elements of the tags, which are the odd pieces."""
    elements, by_name = page.elements, page._by_name
    at: Element | None = None
    for number in range(1, len(pieces), 2):
        raw = pieces[number]
        tag = _read_known_tag(raw) if len(raw) <= _SHORT else _read_tag(raw)
        if tag is None:
            page.faults.append((page._line(number), f"not a tag in strict form: {raw[:60]}"))
        elif tag.closes:
            if at is None or at.tag.name != tag.name:
                page.faults.append((page._line(number), f"</{tag.name}> closes {f'<{at.name}>' if at else 'nothing'}"))
                at = _closed(at, tag.name, number)
            else:
                at.end, at = number, at.parent
        else:
            element = Element(tag, at, number, number)
            elements.append(element)
            by_name.setdefault(tag.name, []).append(element)
            if tag.doubled:
                page.faults.append((page._line(number), f"<{tag.name}> has {tag.doubled} twice"))
            if tag.name in ("script", "style"):
                page.raw[number] = next(contents, "")
            if not tag.empty:
                at = element
    for left in [at, *at.above] if at is not None else []:
        left.end = len(pieces)
        page.faults.append((page.line(left), f"<{left.name}> is never closed"))


def _closed(at: Element | None, name: str, number: int) -> Element | None:
    """Close up to the next element of this name, if there is one."""
    around = [at, *at.above] if at is not None else []
    if all(e.name != name for e in around):
        return at
    for element in around:
        element.end = number
        if element.name == name:
            return element.parent
    return None

"""What one page must be by itself: its frame, policy, headings, tables, names, ids. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from .markup import Element, Page, Tag
from .policy import allows_inline, policy_faults
from .scripts import is_json, script_faults

Found = Iterator[tuple[str, str, Element | None]]
"""(rule, what, element)"""

_LABELS = frozenset(
    [
        "aria-activedescendant",
        "aria-controls",
        "aria-describedby",
        "aria-details",
        "aria-errormessage",
        "aria-flowto",
        "aria-labelledby",
        "aria-owns",
        "for",
        "form",
        "headers",
        "list",
    ]
)
_SCOPES = frozenset({"col", "row", "colgroup", "rowgroup"})
_ORDERS = frozenset({"ascending", "descending"})
_UNLABELED = frozenset({"hidden", "submit", "reset", "button", "image"})
_ZOOM = re.compile(r"user-scalable\s*=\s*(no|0)|maximum-scale\s*=\s*([0-4](\.\d+)?)(?!\d)")
_BUILT = re.compile(r"20\d\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d\.\d")
_DATE = re.compile(r"\d{4}-\d\d-\d\d|\b(January|February|March|April|May|June|July|August|September|October|November"
                   r"|December) \d{1,2}, \d{4}\b")  # fmt: skip


def tag_faults(tag: Tag) -> list[tuple[str, str]]:
    """Return (rule, what) of what a start tag alone tells."""
    found = []
    for name, value in tag.attributes.items():
        if name == "style":
            found.append(("page.inline", f"<{tag.name}> has a style attribute"))
        elif name.startswith("on"):
            found.append(("page.inline", f"<{tag.name}> has a handler, {name}"))
        elif name == "tabindex" and value.lstrip("-").isdigit() and int(value) > 0:
            found.append(("page.order", f"<{tag.name}> has tabindex {value}"))
    return found


def ids_of(page: Page) -> dict[str, int]:
    """Return each id of a page, and how often it stands there."""
    found: dict[str, int] = {}
    for element in page.elements:
        if "id" in element.tag.attributes:
            key = element.tag.attributes["id"]
            found[key] = found.get(key, 0) + 1
    return found


def page_faults(page: Page, text: str, ids: dict[str, int]) -> Found:
    """Yield what is wrong with a page by itself.

    Args:
        page: as it was read.
        text: of its file.
        ids: of its elements, as `ids_of` gives them.
    """
    for rule in _RULES:
        yield from rule(page)
    yield from _ids(page, ids)
    if found := _BUILT.search(text):
        yield "clock", f"a time to parts of a second: {found[0]}...", None
    for foot in page.all("footer"):
        if found := _DATE.search(page.text(foot)):
            yield "clock", f"the foot of a page tells a date: {found[0]}", foot


def _frame(page: Page) -> Found:
    html = page.all("html")
    if not html or not html[0].get("lang").strip():
        yield "page.frame", "<html> has no lang", None
    if not any(m.get("charset").lower() == "utf-8" for m in page.all("meta")):
        yield "page.frame", "no <meta charset=utf-8>", None
    titles = [t for t in page.all("title") if not any(e.name == "svg" for e in t.above)]
    if len(titles) != 1 or not page.text(titles[0]):
        yield "page.frame", f"{len(titles)} titles" if len(titles) != 1 else "its title is empty", None
    if len(page.all("main")) != 1:
        yield "page.frame", f"{len(page.all('main'))} main parts", None
    views = [m.get("content") for m in page.all("meta") if m.get("name").lower() == "viewport"]
    if len(views) != 1 or "width=device-width" not in views[0].replace(" ", ""):
        yield "page.viewport", "no viewport of the width of the device", None
    elif found := _ZOOM.search(views[0]):
        yield "page.viewport", f"zoom is limited: {found[0]}", None
    if any(m.get("http-equiv").lower() in ("last-modified", "date") or m.get("name").lower() in ("date", "build-date")
           for m in page.all("meta")):  # fmt: skip
        yield "clock", "a <meta> tells a date", None


def _skip(page: Page) -> Found:
    links, mains = page.all("a"), page.all("main")
    if not links:
        return
    target = links[0].get("href").removeprefix("#")
    if not links[0].get("href").startswith("#") or not any(target and m.get("id") == target for m in mains):
        yield "page.skip", "the first link does not lead to the main part", links[0]


def _policy(page: Page) -> Found:
    metas = [m for m in page.all("meta") if m.get("http-equiv").lower() == "content-security-policy"]
    if len(metas) != 1:
        yield "page.policy", f"{len(metas)} content-security policies", None
    for meta in metas:
        for fault in policy_faults(meta.get("content")):
            yield "page.policy", fault, meta
    governed = page.all("script", "style", "link", "img", "svg")
    if metas and governed and governed[0].begin < metas[0].begin:
        yield "page.policy", f"it comes after <{governed[0].name}>, which it does not govern then", governed[0]
    policy = metas[0].get("content") if metas else ""
    for element in page.all("script", "style"):
        content = page.text(element)
        if element.has("src"):
            if content.strip():
                yield "script", "a <script src> with content, which no browser runs", element
        elif element.get("type") in ("application/json", "application/ld+json"):
            if not is_json(content):
                yield "script", "an inline script that claims to be JSON is none", element
        elif not allows_inline(policy, element.name, content):
            yield "page.inline", f"<{element.name}> inside a page, which its policy does not name by digest", element
        elif element.name == "script":
            for fault in script_faults(content):
                yield "script", fault, element
        if element.get("type") == "module":
            yield "script", "a module, which no browser loads from disk", element


def _headings(page: Page) -> Found:
    found = page.all("h1", "h2", "h3", "h4", "h5", "h6")
    ones = [h for h in found if h.name == "h1"]
    if len(ones) != 1:
        yield "page.heading", f"{len(ones)} h1", ones[1] if ones else None
    elif found[0] is not ones[0]:
        yield "page.heading", f"an {found[0].name} comes before the h1", found[0]
    for before, after in zip(found, found[1:], strict=False):
        if int(after.name[1]) > int(before.name[1]) + 1:
            yield "page.heading", f"an {after.name} follows an {before.name}", after
    for heading in found:
        if not _named(page, heading):
            yield "page.heading", f"an {heading.name} without a text", heading


def _tables(page: Page) -> Found:
    tables = page.all("table")
    if not tables:
        return
    owner: dict[int, Element] = {}
    heads: dict[int, list[Element]] = {t.begin: [] for t in tables}
    rows: dict[int, list[int]] = {t.begin: [] for t in tables}
    captioned = {c.parent.begin for c in page.all("caption") if c.parent is not None and page.text(c)}
    spanning: set[int] = set()
    for row in page.all("tr"):
        table = next((e for e in row.above if e.name == "table"), None)
        if table is not None:
            owner[row.begin] = table
            rows[table.begin].append(0)
    last: dict[int, int] = {}
    for cell in page.all("th", "td"):
        table = owner.get(cell.parent.begin) if cell.parent is not None else None
        if table is None or cell.parent is None:
            yield "page.table", f"a <{cell.name}> outside of a row of a table", cell
            continue
        span = cell.get("colspan")
        last[cell.parent.begin] = last.get(cell.parent.begin, 0) + (int(span) if span.isdigit() else 1)
        if cell.has("rowspan"):
            spanning.add(table.begin)
        if cell.name == "th":
            heads[table.begin].append(cell)
    widths: dict[int, set[int]] = {}
    for begin, width in last.items():
        widths.setdefault(owner[begin].begin, set()).add(width)
    for table in tables:
        if table.get("role") in ("presentation", "none"):
            yield "page.table", "a table for layout", table
        if table.begin not in captioned:
            yield "page.table", "a table without a caption", table
        if not heads[table.begin]:
            yield "page.table", "a table without head cells", table
        if table.begin not in spanning and len(widths.get(table.begin, ())) > 1:
            yield "page.table", "rows of different lengths", table
        if any(h.get("scope") not in _SCOPES for h in heads[table.begin]):
            yield "page.table", "a th without a scope", table
        orders = [h.get("aria-sort") for h in heads[table.begin] if h.get("aria-sort") not in ("", "none")]
        if len(orders) > 1 or not set(orders) <= _ORDERS:
            yield "page.table", f"aria-sort on {len(orders)} columns: {', '.join(orders)[:60]}", table


def _named(page: Page, element: Element) -> bool:
    """Whether an element has a text: its own, a label, or that of a picture in it."""
    if element.get("aria-label").strip() or element.has("aria-labelledby") or page.text(element):
        return True
    pictures = page.inside(element, "img", "svg")
    return any(p.get("alt").strip() or p.get("aria-label").strip() for p in pictures)


def _names(page: Page) -> Found:
    for link in page.all("a", "button", "summary"):
        if not _named(page, link):
            yield "page.name", f"<{link.name}> without a text", link
    for image in page.all("img"):
        if not image.has("alt"):
            yield "page.name", "<img> without alt", image
    for picture in (*page.all("svg"), *page.all("canvas", "video", "audio")):
        if any(e.name == "svg" or e.get("aria-hidden") == "true" for e in picture.above):
            continue
        hidden = picture.get("aria-hidden") == "true"
        named = picture.get("aria-label").strip() or picture.has("aria-labelledby")
        titled = picture.name == "svg" and any(
            t.parent is picture and page.text(t) for t in page.inside(picture, "title")
        )
        if not hidden and not (
            (named or titled) and picture.get("role") in ("img", "graphics-document", "application")
        ):
            yield "page.name", f"<{picture.name}> is neither hidden nor an image with a text", picture
    labeled = {e.get("for") for e in page.all("label")}
    for field in page.all("input", "select", "textarea"):
        if field.get("type") in _UNLABELED:
            continue
        wrapped = any(e.name == "label" for e in field.above)
        named = field.get("aria-label").strip() or field.has("aria-labelledby")
        if not (wrapped or named or (field.get("id") and field.get("id") in labeled)):
            yield "page.name", f"<{field.name}> without a label", field


def _ids(page: Page, ids: dict[str, int]) -> Found:
    for key, count in ids.items():
        if count > 1 or not key or re.search(r"\s", key):
            yield (
                "id.unique",
                f"the id {key[:60]!r} stands {count} times" if count > 1 else "an id that is no word",
                None,
            )
    for element in page.elements:
        for name in element.tag.attributes.keys() & _LABELS if element.tag.attributes else ():
            for wanted in element.get(name).split():
                if wanted not in ids:
                    yield (
                        "id.label",
                        f"{name} of <{element.name}> names an id that is not there: {wanted[:60]}",
                        element,
                    )


_RULES: tuple[Callable[[Page], Found], ...] = (_frame, _skip, _policy, _headings, _tables, _names)

"""What can be wrong with a site, under a name; equal faults as one, with a count and the first places."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

RULES = {
    "page.markup": "pages are written strictly: tags in double quotes, closed in their place, no attribute twice",
    "page.frame": "a page declares its language, its encoding, one title and one main part",
    "page.viewport": "a page fits the screen, and its zoom is not disabled",
    "page.skip": "the first link of a page leads past its head, to the main part",
    "page.policy": "a strict content-security policy stands before everything that it governs",
    "page.inline": "styles, handlers and scripts inside a page are only those that its policy names by digest",
    "page.heading": "one h1, which comes first, and no level of headings skipped",
    "page.table": "a table has a caption, head cells with a scope, rows of one length, and one sorted column at most",
    "page.name": "pictures, links, buttons and fields have a text",
    "page.order": "no tabindex above 0: the order of the keyboard is that of the page",
    "id.unique": "an id stands once in a page",
    "id.label": "what names an id (aria-labelledby, for, headers, ...) finds it in its page",
    "link.target": "a link leads to a file of the site, in exactly its spelling",
    "link.anchor": "an anchor leads to an id of its page",
    "link.outward": "links to elsewhere are https, with rel noopener or noreferrer",
    "offline": "nothing is requested from outside of the site's folder",
    "script": "one script of our own; any other file of scripts is data: NAME = JSON",
    "style.contrast": "text stands out from its ground by 4.5:1, graphics by 3:1, in every theme",
    "style.pairs": "every color of the style sheet is in the table of pairs, and every pair in the style sheet",
    "clock": "nothing in the site tells when it was built",
    "size": "budgets of bytes",
    "file.name": "names of files are plain, tell apart without regard to case, and are no links",
    "file.kind": "only forms of files that a browser or a reader knows, readable as what they are called",
    "file.unlinked": "every page can be reached from index.html",
    "file.nojekyll": ".nojekyll is there, so that GitHub Pages serves the files as they are",
}
"""Each rule, and what it demands."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        rule: of `RULES`.
        what: in words; equal for equal faults.
        where: file of the site, with the line where there is one.
    """

    rule: str
    what: str
    where: str


@dataclass(frozen=True)
class Folded:
    """Equal faults.

    Attributes:
        rule, what: theirs.
        count: how many.
        places: where the first ones are, each place once.
    """

    rule: str
    what: str
    count: int
    places: tuple[str, ...]


def folded(faults: Iterable[Fault], most: int = 3) -> list[Folded]:
    """Join equal faults, in the order of the rules, then of the faults.

    Args:
        faults: in any order that is the same each time.
        most: how many places to name.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for fault in faults:
        found.setdefault((fault.rule, fault.what), []).append(fault.where)
    order = list(RULES)
    joined = [Folded(r, w, len(p), tuple(dict.fromkeys(p))[:most]) for (r, w), p in found.items()]
    return sorted(joined, key=lambda f: order.index(f.rule))

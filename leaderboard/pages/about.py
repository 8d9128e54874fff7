"""What a site says of itself: about, changes, the feed, and the page for what is not there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from .. import links
from ..boards import Board, Entry
from ..content import Content
from ..downloads.write import Download
from .environment import asset, own_policy, page


@dataclass(frozen=True)
class Change:
    """Something that happened: a run was scored, withdrawn or superseded.

    Attributes:
        time: when, in UTC.
        what: `scored`, `withdrawn` or `superseded`.
        reason: why, where it was said.
    """

    time: str
    what: str
    board: Board
    entry: Entry
    reason: str = ""

    @property
    def day(self) -> str:
        """The day of it."""
        return self.time[:10]


def changes(content: Content) -> list[Change]:
    """Return all changes, the newest first."""
    found = []
    for board in content.boards:
        for runs in board.history.values():
            for entry in runs:
                found.append(Change(entry.record.time, "scored", board, entry))
                found += [Change(n.time, n.kind, board, entry, n.reason) for n in entry.notices]
    return sorted(found, key=lambda c: (c.time, c.what, c.entry.page), reverse=True)


def about_page(content: Content, downloads: Sequence[Download]) -> str:
    """Return what the site is, how to read it, what it cannot say, and what can be taken along."""
    return page("about.html", links.ABOUT, content.config, boards=content.boards, downloads=downloads)


def changes_page(content: Content) -> str:
    """Return what changed, by day."""
    return page("changes.html", links.CHANGES, content.config, changes=changes(content)[:MOST])


MOST = 500
"""Changes that a page or a feed lists."""


def feed(content: Content) -> str:
    """Return the newest changes as an Atom feed."""
    found = changes(content)[:50]
    return page("feed.xml", links.FEED, content.config, changes=found, newest=found[0].time)


def not_found_page(content: Content) -> str:
    """Return the page that a server shows for an address that leads nowhere: it holds its own style, and its link is
    whole where the site knows its address, since nobody knows where it will be shown."""
    style = asset("film_page.css")
    shown = {"style": Markup(style), "policy": own_policy(style)}  # noqa: S704 - our own
    return page("404.html", links.NOT_FOUND, content.config, root=content.config.address, **shown)

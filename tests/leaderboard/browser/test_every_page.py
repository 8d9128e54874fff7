"""What must hold on every page of whatever type: no message, no request, nothing for axe-core, never too wide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

import vidsal
from vidsal.leaderboard.pages.preview import film_page

from ...benchmark.runs import Brightness, small_release
from .browser import PHONE, SCHEMES, Scenario, Step, Visit, as_text, drive, page_types


def pages_of(site: Path) -> list[str]:
    """The largest and the smallest page of each type."""
    return [page for pages in page_types(site).values() for page in dict.fromkeys([pages[0], pages[-1]])]


def largest_of(site: Path) -> list[str]:
    """The largest page of each type."""
    return [pages[0] for pages in page_types(site).values()]


def one_after_the_other(pages: Sequence[str], steps: Sequence[Step], *how: Any, **more: Any) -> Scenario:
    """One visit to all pages."""
    return Scenario([step for page in pages for step in (("go", page), *steps)], *how, **more)


UNFOLD = "document.querySelectorAll('details').forEach((d) => { d.open = true; })"
ON_ALL: dict[str, Step] = {
    "ids": ("ask", "Array.from(document.querySelectorAll('[id]'), (e) => e.id)"),
    "links": ("links", None),
}
ON_SOME: dict[str, Step] = {"unfold": ("ask", UNFOLD), "wide": ("overflow", None), "light": ("axe", None)}
ON_LARGEST: dict[str, Step] = {
    "dusk": ("scheme", "dark"),
    "dark": ("axe", ["color-contrast"]),
    "dawn": ("scheme", "light"),
}
"""In the dark only the colors are others."""


@dataclass(frozen=True)
class Look:
    """A visit to every page on a screen, and what each page answered, by the names above."""

    visit: Visit
    found: dict[str, dict[str, Any]]

    def of(self, name: str) -> dict[str, Any]:
        return {page: answers[name] for page, answers in self.found.items() if name in answers}


@pytest.fixture(scope="module")
def look(site: Path) -> Look:
    """Once for all tests: to load a page takes longer than most questions."""
    some, largest = pages_of(site), largest_of(site)
    plan = {
        page: {
            "go": ("go", page),
            **ON_ALL,
            **(ON_SOME if page in some else {}),
            **(ON_LARGEST if page in largest else {}),
        }
        for pages in page_types(site).values()
        for page in pages
    }
    (visit,) = drive(site, [Scenario([step for steps in plan.values() for step in steps.values()])])
    assert visit.error is None, as_text([visit])
    answers = iter(visit.answers)
    return Look(visit, {page: {name: next(answers) for name in steps} for page, steps in plan.items()})


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_finds_nothing(site: Path, look: Look, scheme: str) -> None:
    pages = {"light": pages_of, "dark": largest_of}[scheme](site)
    assert look.of(scheme) == {page: [] for page in pages}


def test_axe_finds_nothing_in_a_preview_of_ones_own(site: Path, tmp_path: Path) -> None:
    """Film strips of several stimuli in one file."""
    ds = vidsal.load(small_release(tmp_path, frames=4))
    assert len(ds.ids) > 1
    (tmp_path / "mine.html").write_text(film_page(vidsal.evaluate(Brightness(), ds)), encoding="utf-8")
    (visit,) = drive(tmp_path, [Scenario([("go", "mine.html"), ("axe", None), ("overflow", None)], PHONE, "dark")])
    assert (visit.answers[1:], visit.messages, visit.requests, visit.error) == ([[], None], [], [], None)


def test_no_message_no_request_and_never_wider_than_the_screen(look: Look) -> None:
    assert (look.visit.messages, look.visit.requests) == ([], []), as_text([look.visit])
    assert {page: how for page, how in look.of("wide").items() if how} == {}


def test_no_message_no_request_and_never_wider_than_a_phone(site: Path) -> None:
    pages = pages_of(site)
    (visit,) = drive(site, [one_after_the_other(pages, [("ask", UNFOLD), ("overflow", None)], PHONE)])
    assert (visit.messages, visit.requests, visit.error) == ([], [], None), as_text([visit])
    assert {page: how for page, how in zip(pages, visit.answers[2::3], strict=True) if how} == {}


def test_pages_are_whole_without_scripts(site: Path) -> None:
    pages = largest_of(site)
    words = "document.querySelector('main').innerText.trim().length"
    visits = drive(site, [one_after_the_other(pages, [("ask", words), ("overflow", None)], PHONE, scripts=False)])
    assert (visits[0].messages, visits[0].requests, visits[0].error) == ([], [], None), as_text(visits)
    for page, length, overflow in zip(pages, visits[0].answers[1::3], visits[0].answers[2::3], strict=True):
        assert length > 100, page
        assert overflow is None, page


def test_every_link_leads_on(site: Path, look: Look) -> None:
    """From the index to all pages, as the browser has them; what a link points at within a page is there."""
    start = site.resolve().as_uri() + "/"
    there, links = look.of("ids"), look.of("links")
    wanted, reached, waiting = set[tuple[str, str]](), set[str](), {"index.html"}
    while waiting:
        reached |= waiting
        found = {link for page in waiting for link in links[page]}
        assert not {link for link in found if not link.startswith(start)}
        places = {(unquote(urlsplit(link).path), unquote(urlsplit(link).fragment)) for link in found}
        leads = {(path.removeprefix(unquote(urlsplit(start).path)), fragment) for path, fragment in places}
        assert all((site / file).is_file() for file, _ in leads)
        wanted |= {(file, fragment) for file, fragment in leads if fragment and "=" not in fragment}
        waiting = {file for file, _ in leads if file.endswith(".html")} - reached
    assert wanted, "links that lead into a page are among them"
    assert [(file, fragment) for file, fragment in sorted(wanted) if fragment not in there[file]] == []
    assert links.keys() - {"404.html"} <= reached


def test_the_harness_sees_what_is_wrong(site: Path, tmp_path: Path) -> None:
    """`site` is asked for only where there is a browser."""
    (tmp_path / "bad.html").write_text(
        "<!DOCTYPE html><html><head><title>x</title></head><body><img src='https://example.invalid/x.png'>"
        "<p style='width:2000px;color:#aaa'>wide</p><a href='#none'>x</a><script>console.log('said'); missing();</script></body></html>"
    )
    steps = [
        ("go", "bad.html#none"),
        ("overflow", None),
        ("found", None),
        ("axe", None),
        ("axe", ["color-contrast"]),
        ("click", "#gone"),
    ]
    (visit,) = drive(tmp_path, [Scenario(steps, PHONE)])
    assert "log: said" in visit.messages
    assert any("missing is not defined" in m for m in visit.messages)
    assert visit.requests == ["https://example.invalid/x.png"]
    assert visit.answers[1].startswith("2")
    assert visit.answers[2] is False
    assert {"html-has-lang", "image-alt"} <= {v["rule"] for v in visit.answers[3]}
    assert [v["rule"] for v in visit.answers[4]] == ["color-contrast"]
    assert visit.error is not None
    assert visit.error.startswith("step 6")

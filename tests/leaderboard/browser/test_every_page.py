"""What must hold on every page of whatever type: no message, no request, nothing for axe-core, never too wide."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

import vidsal
from vidsal.leaderboard.pages.preview import film_page

from ...benchmark.runs import Brightness, small_release
from .browser import PHONE, SCHEMES, SCREEN, Scenario, Step, as_text, drive, page_types


def pages_of(site: Path) -> list[str]:
    """The largest and the smallest page of each type."""
    return [page for pages in page_types(site).values() for page in dict.fromkeys([pages[0], pages[-1]])]


def largest_of(site: Path) -> list[str]:
    """The largest page of each type."""
    return [pages[0] for pages in page_types(site).values()]


def one_after_the_other(pages: Sequence[str], steps: Sequence[Step], *how: Any, **more: Any) -> Scenario:
    """One visit to all pages: a profile for each takes longer than the pages."""
    return Scenario([step for page in pages for step in (("go", page), *steps)], *how, **more)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_finds_nothing(site: Path, scheme: str) -> None:
    """In the dark only the colors are others."""
    pages, rules = (pages_of(site), None) if scheme == "light" else (largest_of(site), ["color-contrast"])
    visits = drive(site, [one_after_the_other(pages, [("axe", rules)], SCREEN, scheme)])
    found = visits[0].answers[1::2]
    assert found == [[]] * len(pages), as_text(visits)


def test_axe_finds_nothing_in_a_preview_of_ones_own(site: Path, tmp_path: Path) -> None:
    """Film strips of several stimuli in one file."""
    ds = vidsal.load(small_release(tmp_path, frames=4))
    assert len(ds.ids) > 1
    (tmp_path / "mine.html").write_text(film_page(vidsal.evaluate(Brightness(), ds)), encoding="utf-8")
    (visit,) = drive(tmp_path, [Scenario([("go", "mine.html"), ("axe", None), ("overflow", None)], PHONE, "dark")])
    assert (visit.answers[1:], visit.messages, visit.requests, visit.error) == ([[], None], [], [], None)


@pytest.mark.parametrize("size", [PHONE, SCREEN])
def test_no_message_no_request_and_never_wider_than_the_screen(site: Path, size: tuple[int, int]) -> None:
    pages = pages_of(site)
    unfolded = "document.querySelectorAll('details').forEach((d) => { d.open = true; })"
    visits = drive(site, [one_after_the_other(pages, [("ask", unfolded), ("overflow", None)], size)])
    assert (visits[0].messages, visits[0].requests, visits[0].error) == ([], [], None), as_text(visits)
    wide = dict(zip(pages, visits[0].answers[2::3], strict=True))
    assert {page: how for page, how in wide.items() if how} == {}


def test_pages_are_whole_without_scripts(site: Path) -> None:
    pages = largest_of(site)
    words = "document.querySelector('main').innerText.trim().length"
    visits = drive(site, [one_after_the_other(pages, [("ask", words), ("overflow", None)], PHONE, scripts=False)])
    assert (visits[0].messages, visits[0].requests, visits[0].error) == ([], [], None), as_text(visits)
    for page, length, overflow in zip(pages, visits[0].answers[1::3], visits[0].answers[2::3], strict=True):
        assert length > 100, page
        assert overflow is None, page


def test_every_link_leads_on(site: Path) -> None:
    """From the index over all pages, each page once, in the browser; what a link points at within it is there."""
    start = site.resolve().as_uri() + "/"
    ids = "Array.from(document.querySelectorAll('[id]'), (e) => e.id)"
    there: dict[str, set[str]] = {}
    wanted, waiting = set[tuple[str, str]](), ["index.html"]
    while waiting:
        (visit,) = drive(site, [one_after_the_other(waiting, [("ask", ids), ("links", None)])])
        assert (visit.messages, visit.requests, visit.error) == ([], [], None), as_text([visit])
        there |= {page: set(found) for page, found in zip(waiting, visit.answers[1::3], strict=True)}
        links = {link for found in visit.answers[2::3] for link in found}
        assert not {link for link in links if not link.startswith(start)}
        places = {(unquote(urlsplit(link).path), unquote(urlsplit(link).fragment)) for link in links}
        reached = {(path.removeprefix(unquote(urlsplit(start).path)), fragment) for path, fragment in places}
        assert all((site / file).is_file() for file, _ in reached)
        wanted |= {(file, fragment) for file, fragment in reached if fragment and "=" not in fragment}
        waiting = sorted({file for file, _ in reached if file.endswith(".html")} - there.keys())
    assert wanted, "links that lead into a page are among them"
    assert [(file, fragment) for file, fragment in sorted(wanted) if fragment not in there[file]] == []
    assert {p.relative_to(site).as_posix() for p in site.rglob("*.html")} - {"404.html"} <= there.keys()


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

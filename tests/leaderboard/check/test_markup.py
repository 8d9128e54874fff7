"""The strict reading of pages: it sees what html.parser sees, and mends nothing."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from vidsal.leaderboard.check.markup import read_page
from vidsal.leaderboard.site import build


class _Other(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.starts: list[tuple[str, dict[str, str]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.starts.append((tag, {k: v or "" for k, v in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_it_sees_what_another_parser_sees(kept_results: Path, tmp_path: Path) -> None:
    build(kept_results, tmp_path / "site")
    files = sorted((tmp_path / "site").rglob("*.html"))
    assert len(files) > 3
    for file in files:
        text = file.read_text(encoding="utf-8")
        other = _Other()
        other.feed(text)
        other.close()
        page = read_page(text)
        assert not page.faults
        assert [(e.name.lower(), dict(e.tag.attributes)) for e in page.elements] == other.starts
        bare = other.text
        for raw in (*page.all("style"), *page.all("script")):
            bare = bare.replace(page.text(raw), "") if page.text(raw) else bare
        assert page.text(page.all("html")[0]) == " ".join(bare.split())


@pytest.mark.parametrize(
    ("body", "line", "what"),
    [
        ("<p>\n<b>x</p>", 2, "</p> closes <b>"),
        ("<p>x", 1, "<p> is never closed"),
        ("x</p>", 1, "</p> closes nothing"),
        ("<p class=x>y</p>", 1, "not a tag in strict form: <p class=x>"),
        ("<p class='x'>y</p>", 1, "not a tag in strict form: <p class='x'>"),
        ('<p class="a>b">y</p>', 1, 'not a tag in strict form: <p class="a>'),
        ("a < b", 1, "a bare < or > in the text"),
        ("a > b", 1, "a bare < or > in the text"),
        ('<p id="a" ID="b">x</p>', 1, "<p> has id twice"),
        ("<SCRIPT>x</SCRIPT>", 1, "not a tag in strict form: <SCRIPT>"),
        ("<p/onclick=x>y</p>", 1, "not a tag in strict form: <p/onclick=x>"),
    ],
)
def test_what_is_not_strict_is_told_with_its_line(body: str, line: int, what: str) -> None:
    assert (line, what) in read_page(f"<!DOCTYPE html>{body}").faults


def test_scripts_comments_and_entities() -> None:
    page = read_page(
        '<!DOCTYPE html>\n<!-- <p> -->\n<script>if (a < b) { x = "</p>"; }\n</script>\n<p title="&lt;&amp;">a &lt; b <b>c</b></p>'
    )
    assert not page.faults
    assert page.text(page.all("script")[0]) == 'if (a < b) { x = "</p>"; }\n'
    (p,) = page.all("p")
    assert p.get("title") == "<&"
    assert page.text(p) == "a < b c"
    assert page.line(p) == 5
    assert [e.name for e in page.inside(p, "b")] == ["b"]


def test_a_page_without_a_doctype() -> None:
    assert read_page("<p>x</p>").faults == [(1, "it does not begin with <!DOCTYPE html>")]

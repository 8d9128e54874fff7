"""A small site without a fault, and one break for each rule."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from vidsal.leaderboard.check import budgets, site as check_site
from vidsal.leaderboard.check.colors import DECORATION, PAIRS
from vidsal.leaderboard.check.faults import RULES, Fault, folded
from vidsal.leaderboard.check.site import check
from vidsal.leaderboard.site import build
from vidsal.loaders.errors import MissingData, WrongUse

POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:"
GROUNDS = {name for _, _, grounds in PAIRS for name in grounds}
FRONTS = ({name for _, fronts, _ in PAIRS for name in fronts} | DECORATION) - GROUNDS
LIGHT = dict.fromkeys(GROUNDS, "#f8f8f8") | dict.fromkeys(FRONTS, "#0a539b")
LIGHT |= {"page": "#fff", "ink": "#1b1c1e", "soft": "#54585d", "mark": "rgb(10, 83, 155)", "warn": "#8a3b00"}
DARK = dict.fromkeys(GROUNDS, "#15181b") | dict.fromkeys(FRONTS, "#8fc5ff")
DARK |= {"ink": "#e9e8e5", "mark": "var(--link)", "warn": "#ffb066"}


def declared(theme: dict[str, str]) -> str:
    return " ".join(f"--{name}: {theme[name]};" for name in sorted(theme))


STYLE = f"""
:root {{ color-scheme: light dark; --gap: 1rem; {declared(LIGHT)} }}
@media (prefers-color-scheme: dark) {{ :root {{ {declared(DARK)} }} }}
.logo {{ background: url("data:image/png;base64,AA=="); }}
"""
SCRIPT = '"use strict";\n(function () { document.body.dataset.on = "1"; })(); // no fetch() here\n'


def page(main: str, *, up: str = "", head: str = "", title: str = "A page", skip: str = "#main") -> str:
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="{up}site.css">
<script src="{up}site.js" defer></script>{head}
</head>
<body>
<a class="skip" href="{skip}">Skip to the content</a>
<header><h1>A page</h1></header>
<main id="main" tabindex="-1">
{main}
</main>
<footer><p>Built by vidsal.</p></footer>
</body>
</html>
"""


TABLE = """<table class="sortable"><caption>Scores</caption>
<thead><tr><th scope="col" aria-sort="descending"><button type="button">NSS</button></th><th scope="col">n</th></tr></thead>
<tbody><tr><th scope="row">a</th><td>1</td></tr></tbody></table>"""
INDEX = f"""<h2 id="all">All</h2>
<p><a href="runs/a.html">a</a> <a href="runs/a.html#scores">scores</a> <a href="#all">here</a>
<a href="runs/a.html#sort=NSS&amp;dir=ascending">sorted</a>
<a href="https://example.org/" rel="noopener">paper</a> <a href="downloads/t.csv" download>table</a></p>
{TABLE}
<svg role="img" aria-label="A line" viewBox="0 0 1 1"><path d="M0 0"/></svg>
<img src="dot.png" alt="" width="1" height="1">
<img src="data:image/png;base64,AA==" alt="A map">"""
RUN = '<h2 id="scores">Scores</h2><h3>NSS</h3><p><a href="../index.html#all">back</a></p>'


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A site of two pages that keeps every rule."""
    root = tmp_path / "small"
    (root / "runs").mkdir(parents=True)
    (root / "downloads").mkdir()
    for name, text in {
        "index.html": page(INDEX), "runs/a.html": page(RUN, up="../"), "404.html": page("<p>Not here.</p>"),
        "site.css": STYLE, "site.js": SCRIPT, "data.js": 'window.runs = {"a": [1, 2]};\n', ".nojekyll": "",
        "downloads/t.csv": "a\n1\n", ".vidsal-site.json": "{}",
        "feed.xml": '<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title>x</title></feed>',
    }.items():  # fmt: skip
        (root / name).write_text(text, encoding="utf-8")
    (root / "dot.png").write_bytes(b"\x89PNG\r\n\x1a\nrest")
    with zipfile.ZipFile(root / "downloads" / "all.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo("t.csv"), "a\n1\n")
    return root


def test_a_site_that_keeps_every_rule(small: Path) -> None:
    report = check(small)
    assert report.faults == ()
    assert (report.pages, report.files) == (3, 12)
    assert report.size == sum(p.stat().st_size for p in small.rglob("*") if p.is_file())


def edit(file: str, old: str, new: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        text = (root / file).read_text(encoding="utf-8")
        assert old in text
        (root / file).write_text(text.replace(old, new, 1), encoding="utf-8")

    return change


def in_index(html: str) -> Callable[[Path], None]:
    return edit("index.html", "</main>", html + "</main>")


def put(file: str, content: str | bytes) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        (root / file).parent.mkdir(exist_ok=True)
        (root / file).write_bytes(content if isinstance(content, bytes) else content.encode())

    return change


def archived(name: str, *when: int) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        with zipfile.ZipFile(root / "downloads" / "all.zip", "w") as archive:
            archive.writestr(zipfile.ZipInfo(name, when or (1980, 1, 1, 0, 0, 0)), "x")  # type: ignore[arg-type]

    return change


BREAKS: list[tuple[str, str, Callable[[Path], None]]] = [
    ("page.markup", "closes <b>", in_index("<p><b>x</p>")),
    ("page.markup", "not UTF-8", lambda root: put("404.html", page("<p>\xe9</p>").encode("latin-1"))(root)),
    ("page.frame", "no lang", edit("index.html", ' lang="en"', "")),
    ("page.frame", "charset", edit("index.html", '<meta charset="utf-8">', "")),
    ("page.frame", "title is empty", edit("index.html", "<title>A page</title>", "<title> </title>")),
    ("page.frame", "2 titles", edit("index.html", "</head>", "<title>x</title></head>")),
    ("page.frame", "2 main parts", edit("index.html", "<footer>", "<main>x</main><footer>")),
    ("page.viewport", "no viewport", edit("index.html", "width=device-width", "width=1024")),
    ("page.viewport", "user-scalable=no", edit("index.html", "initial-scale=1", "user-scalable=no")),
    ("page.viewport", "maximum-scale=1", edit("index.html", "initial-scale=1", "maximum-scale=1")),
    ("page.skip", "first link", edit("index.html", 'href="#main"', 'href="#all"')),
    ("page.policy", "0 content-security", edit("index.html", "Content-Security-Policy", "Content-Policy")),
    ("page.policy", "default-src", edit("index.html", "default-src 'none'; ", "")),
    ("page.policy", "'unsafe-inline'", edit("index.html", "style-src 'self'", "style-src 'self' 'unsafe-inline'")),
    ("page.policy", "https:", edit("index.html", "img-src 'self'", "img-src https:")),
    ("page.policy", "script-src allows data:", edit("index.html", "script-src 'self'", "script-src data:")),
    ("page.policy", "comes after", edit("index.html", "<head>", '<head><link rel="stylesheet" href="site.css">')),
    ("page.inline", "style attribute", in_index('<p style="color:red">x</p>')),
    ("page.inline", "handler, onclick", in_index('<p onClick="x()">x</p>')),
    ("page.inline", "<script>", in_index("<script>x = 1;</script>")),
    ("page.inline", "<style>", in_index("<style>p { color: red; }</style>")),
    ("page.inline", "picture with a script", put("x.svg", '<svg xmlns="http://www.w3.org/2000/svg" onload="x()"/>')),
    ("page.heading", "2 h1", in_index("<h1>Again</h1>")),
    ("page.heading", "h4 follows an h2", in_index("<h4>Deep</h4>")),
    ("page.heading", "h2 comes before", edit("index.html", "<header>", "<header><h2>First</h2>")),
    ("page.heading", "without a text", in_index("<h2></h2>")),
    ("page.table", "without a caption", edit("index.html", "<caption>Scores</caption>", "")),
    ("page.table", "without head cells", in_index("<table><caption>x</caption><tr><td>1</td></tr></table>")),
    ("page.table", "without a scope", edit("index.html", '<th scope="row">', "<th>")),
    ("page.table", "different lengths", edit("index.html", "<td>1</td>", "<td>1</td><td>2</td>")),
    ("page.table", "aria-sort on 2", edit("index.html", '<th scope="col">', '<th scope="col" aria-sort="ascending">')),
    ("page.table", "aria-sort on 1", edit("index.html", 'aria-sort="descending"', 'aria-sort="down"')),
    ("page.name", "<a> without", in_index('<p><a href="#all"></a></p>')),
    ("page.name", "<button> without", in_index('<button type="button"> </button>')),
    ("page.name", "<img> without alt", edit("index.html", ' alt=""', "")),
    ("page.name", "<svg> is neither", edit("index.html", ' aria-label="A line"', "")),
    ("page.name", "<input> without a label", in_index('<input type="search" id="q">')),
    ("page.order", "tabindex 3", in_index('<p tabindex="3">x</p>')),
    ("id.unique", "'all' stands 2 times", in_index('<p id="all">x</p>')),
    ("id.label", "aria-labelledby of <section>", in_index('<section aria-labelledby="none">x</section>')),
    ("link.target", "runs/b.html is not there", in_index('<p><a href="runs/b.html">x</a></p>')),
    ("link.target", "runs/A.html is spelled runs/a.html", in_index('<p><a href="runs/A.html">x</a></p>')),
    ("link.target", "runs/ is not there", in_index('<p><a href="runs/">x</a></p>')),
    ("link.target", "none.css", edit("index.html", 'href="site.css"', 'href="none.css"')),
    ("link.anchor", "'nowhere'", in_index('<p><a href="runs/a.html#nowhere">x</a></p>')),
    ("link.outward", "is not https", in_index('<p><a href="http://example.org" rel="noopener">x</a></p>')),
    ("link.outward", "is not https", in_index('<p><a href="javascript:x()" rel="noopener">x</a></p>')),
    ("link.outward", "neither rel", edit("index.html", ' rel="noopener"', "")),
    ("offline", "leads out of the site", in_index('<p><a href="../x.html">x</a></p>')),
    ("offline", "leads out of the site", in_index('<p><a href="/x.html">x</a></p>')),
    ("offline", "<img src> requests https", edit("index.html", 'src="dot.png"', 'src="https://example.org/x.png"')),
    ("offline", "<img src> requests //", edit("index.html", 'src="dot.png"', 'src="//example.org/x.png"')),
    ("offline", "srcset", edit("index.html", 'src="dot.png"', 'src="dot.png" srcset="dot.png 1x, https://e.org/y 2x"')),
    ("offline", "<script src> requests", edit("index.html", 'src="site.js"', 'src="https://example.org/x.js"')),
    ("offline", "<use xlink:href>", edit("index.html", '<path d="M0 0"/>', '<use xlink:href="https://e.org/x#y"/>')),
    ("offline", "<image href>", edit("index.html", '<path d="M0 0"/>', '<image href="https://e.org/x.png"/>')),
    ("offline", "<link href> requests", edit("index.html", "</head>", '<link rel="preconnect" href="https://e.org"></head>')),
    ("offline", "refresh", edit("index.html", "</head>", '<meta http-equiv="refresh" content="1"></head>')),
    ("offline", "<iframe>", in_index("<iframe></iframe>")),
    ("offline", "<base>", edit("index.html", "</head>", '<base href="runs/"></head>')),
    ("offline", "<form action>", in_index('<form action="x"></form>')),
    ("offline", "a style sheet requests https", edit("site.css", ".logo", "@import 'https://e.org/x.css'; .logo")),
    ("offline", "a style sheet requests //e.org", edit("site.css", '"data:image/png;base64,AA=="', "//e.org/x.png")),
    ("offline", "a style sheet requests gone.png", edit("site.css", '"data:image/png;base64,AA=="', "gone.png")),
    ("offline", "a picture requests", put("x.svg", '<svg xmlns="http://www.w3.org/2000/svg"><image href="https://e.org"/></svg>')),
    ("script", "asks a network", edit("site.js", "document.body", 'fetch("x"); document.body')),
    ("script", "markup of text", edit("site.js", "document.body.dataset.on", "document.body.innerHTML")),
    ("script", "code of text", edit("site.js", '"1"', 'eval("1")')),
    ("script", "time of day", edit("site.js", '"1"', "new Date().toString()")),
    ("script", "a module", in_index('<script type="module" src="site.js"></script>')),
    ("script", "neither site.js nor data", put("more.js", "alert(1);\n")),
    ("script", "claims to be JSON", in_index('<script type="application/json">{1}</script>')),
    ("style.contrast", "--soft on --page has a contrast of 2.32:1, needs 4.5:1 (light)", edit("site.css", "#54585d", "#aaaaaa")),
    ("style.contrast", "--mark on --page has a contrast of 1.0", edit("site.css", "rgb(10, 83, 155)", "rgb(10, 83, 155, 0.02)")),
    ("style.contrast", "(dark)", edit("site.css", "--ink: #e9e8e5", "--ink: #333333")),
    ("style.contrast", "is not known here", edit("site.css", "#54585d", "oklch(40% 0 0)")),
    ("style.pairs", "--accent is in no pair", edit("site.css", "--gap: 1rem", "--accent: #123456")),
    ("style.pairs", "--warn is in the table", lambda root: [edit("site.css", f"--warn: {c};", "")(root) for c in ("#8a3b00", "#ffb066")] and None),
    ("clock", "foot of a page", edit("index.html", "Built by vidsal.", "Built on 2026-01-02.")),
    ("clock", "parts of a second", in_index("<p>2026-01-02T03:04:05.678901</p>")),
    ("clock", "<meta> tells", edit("index.html", "</head>", '<meta name="date" content="x"></head>')),
    ("clock", "archive tells", archived("t.csv", 2026, 1, 2, 3, 4, 6)),
    ("size", "over the budget of site.js, 30,000 bytes", put("site.js", "x = 1;\n" * 5000)),
    ("size", "over the budget of index.html, 150,000 bytes at 50 rows", in_index("<p>" + "x" * 150_000 + "</p>")),
    ("file.name", "plain name: 'a b.csv'", put("downloads/a b.csv", "x")),
    ("file.name", "plain name: 'con.csv'", put("downloads/con.csv", "x")),
    ("file.name", "plain name: '.env.txt'", put(".env.txt", "x")),
    ("file.name", "only by case", put("downloads/T.csv", "x")),
    ("file.name", "longer than", put("downloads/" + "a" * 220 + ".csv", "x")),
    ("file.name", "a link", lambda root: os.symlink("index.html", root / "other.txt")),
    ("file.name", "unpacks outside", archived("../t.csv")),
    ("file.kind", "not known here: .exe", put("downloads/x.exe", "x")),
    ("file.kind", "no JSON", put("downloads/x.json", "{")),
    ("file.kind", "no XML", put("feed.xml", "<feed>")),
    ("file.kind", "document type", put("feed.xml", '<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>')),
    ("file.kind", "those of .png", put("dot.png", "GIF89a")),
    ("file.kind", "those of .zip", put("downloads/all.zip", "no")),
    ("file.unlinked", "no way leads", put("runs/b.html", page("<p>x</p>", up="../"))),
    ("file.nojekyll", "missing", lambda root: (root / ".nojekyll").unlink()),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "words", "change"), BREAKS, ids=[f"{r}-{w[:24]}" for r, w, _ in BREAKS])
def test_every_break_is_seen(small: Path, rule: str, words: str, change: Callable[[Path], None]) -> None:
    change(small)
    report = check(small)
    assert [f for f in report.faults if f.rule == rule and words in f.what], report.faults
    assert {f.rule for f in report.faults} <= {rule, "page.markup", "page.policy", "page.inline", "link.target"}, (
        "and little else"
    )


def test_every_rule_has_a_break() -> None:
    assert {rule for rule, _, _ in BREAKS} == set(RULES)


def test_all_faults_at_once_and_equal_ones_as_one(small: Path) -> None:
    for file in ("index.html", "runs/a.html", "404.html"):
        edit(file, "</main>", '<p style="x">1</p>\n<p style="y">2</p></main>')(small)
    in_index('<p><a href="gone.html">x</a></p>')(small)
    found = check(small).to_dict()["faults"]
    assert [(f["rule"], f["count"]) for f in found] == [("page.inline", 6), ("link.target", 1)]
    first = (small / "404.html").read_text(encoding="utf-8").split("\n").index('<p style="x">1</p>') + 1
    assert found[0]["places"][:2] == [f"404.html:{first}", f"404.html:{first + 1}"]


def test_folding_keeps_the_order_of_the_rules() -> None:
    faults = [Fault("size", "big", "a"), Fault("offline", "asks", "b"), Fault("size", "big", "c")]
    assert [(f.rule, f.count, f.places) for f in folded(faults, 1)] == [("offline", 1, ("b",)), ("size", 2, ("a",))]


def test_a_page_of_more_rows_may_be_larger(small: Path) -> None:
    rows = '<tr><th scope="row">a</th><td>1</td></tr>' * 149
    edit("index.html", "</tbody>", rows + "</tbody>")(small)
    in_index("<p>" + "x" * 300_000 + "</p>")(small)
    assert check(small).faults == ()
    in_index("<p>" + "x" * 150_000 + "</p>")(small)
    (fault,) = check(small).faults
    assert fault.where.endswith("bytes with 150 rows)")


def test_the_whole_site_has_a_budget(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budgets, "WHOLE", 100)
    (fault,) = check(small).faults
    assert fault.what == "over the budget of the whole site, 100 bytes"


def test_what_the_policy_names_may_stand_inside(kept_results: Path, tmp_path: Path) -> None:
    build(kept_results, tmp_path / "site")
    (tmp_path / "site" / ".nojekyll").touch()
    assert check(tmp_path / "site").faults == ()


def test_several_processes_find_the_same(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for k in range(12):
        put(f"runs/p{k}.html", page('<p style="x">1</p>', up="../"))(small)
    alone = check(small)
    monkeypatch.setattr(check_site, "_PART", 1000)
    seen: list[tuple[int, int]] = []
    assert check(small, workers=2, progress=lambda done, total, _: seen.append((done, total))) == alone
    assert seen[-1] == (24, 24)
    assert len(seen) > 5


def test_what_is_no_site(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="no such folder"):
        check(tmp_path / "gone")
    with pytest.raises(MissingData, match=r"index\.html is missing"):
        check(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(WrongUse, match="a file"):
        check(tmp_path / "file")

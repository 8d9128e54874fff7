"""What a reader, a screen reader, a browser without network and an attacker find in the pages."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from posixpath import normpath
from types import SimpleNamespace
from typing import Any

import pytest

import vidsal.leaderboard
from vidsal.benchmark.evaluation.results.schema import read_record
from vidsal.benchmark.evaluation.results.scored_frames import pairs_digest
from vidsal.benchmark.evaluation.results.store import Run, load_run
from vidsal.benchmark.statistics import cluster_bootstrap, seed_of
from vidsal.benchmark.submissions.parts import RunPart
from vidsal.leaderboard.boards import Entry, make_boards
from vidsal.leaderboard.check.site import check as check_site
from vidsal.leaderboard.collect import collect
from vidsal.leaderboard.config import Config
from vidsal.leaderboard.pages.beside import elsewhere
from vidsal.leaderboard.pages.board import board_page, lanes
from vidsal.leaderboard.pages.environment import asset, assets
from vidsal.leaderboard.pages.run import placeholders
from vidsal.leaderboard.site import build, content_of

MakeRun = Callable[..., Run]
ReadPage = Callable[[Path], Any]

EVIL = '<script>alert(1)</script>"\' onclick="x" {{ 7*7 }} \u202e</td>'


@pytest.fixture(scope="module")
def pages(kept_results: Path, read_page: ReadPage) -> dict[str, Any]:
    """Every page of the small site, parsed, by its relative path."""
    site = kept_results.parent / "site"
    build(kept_results, site)
    return {p.relative_to(site).as_posix(): read_page(p) for p in site.rglob("*.html")}


def page_of(pages: dict[str, Any], start: str) -> Any:
    (name,) = (n for n in pages if n.startswith(f"runs/{start}"))
    return pages[name]


def board_of(pages: dict[str, Any], protocol: str = "exact-1") -> Any:
    """The page of the board under a protocol."""
    (name,) = (n for n in pages if n.startswith("boards/") and protocol in n)
    return pages[name]


def main_board(pages: dict[str, Any]) -> Any:
    """The table of the board under exact-1."""
    return board_of(pages).one("table", id="table")


def test_references_that_nobody_ran_are_named(tmp_path: Path, make_run: MakeRun) -> None:
    def said() -> str:
        content = content_of(collect(tmp_path), tmp_path, Config())
        (found,) = re.findall(r"<li>Not run here[^/]*", board_page(content, content.boards[0])) or [""]
        return str(found)

    make_run("ours", seed=1).save(tmp_path)
    make_run("uniform", seed=2, info={"kind": "reference"}).save(tmp_path)
    assert "from chance to people: center_prior, shuffled_prior, one_vs_rest. <code>vidsal run center_prior" in said()
    for seed, name in enumerate(("center_prior", "shuffled_prior"), 3):
        make_run(name, seed=seed, info={"kind": "reference"}).save(tmp_path)
    assert "from chance to people: one_vs_rest." in said()
    make_run("one_vs_rest", seed=5, info={"kind": "human"}).save(tmp_path)
    assert said() == ""


def test_the_board_is_a_real_table(pages: dict[str, Any]) -> None:
    table = main_board(pages)
    caption = table.one("caption").text
    assert caption.startswith("dhf1k-raw, train, exact-1. Sorted by NSS, best first.")
    heads = table.one("thead").all("th")
    assert [h.one("button").text for h in heads] == [
        "Rank", "Model", "AUC-J", "SIM", "s-AUC", "CC", "NSS", "KLD", "Run",
    ]  # fmt: skip
    assert {h.attributes["scope"] for h in heads} == {"col"}
    assert [h.one("button").text for h in heads if "aria-sort" in h.attributes] == ["NSS"]
    assert table.one("th", **{"aria-sort": "descending"}).attributes["data-first"] == "descending"
    arrows = {h.one("button").text: "↑" in h.text for h in heads if "↑" in h.text or "↓" in h.text}
    assert arrows == {"AUC-J": True, "SIM": True, "s-AUC": True, "CC": True, "NSS": True, "KLD": False}


def test_values_are_those_of_the_runs(pages: dict[str, Any], kept_results: Path) -> None:
    table = main_board(pages)
    rows = {r.all("th")[0].all("a")[0].text: r for r in table.all("tr") if r.all("th", scope="row")}
    for folder in kept_results.rglob("run.json"):
        run = load_run(folder.parent)
        if run.record["protocol"]["name"] != "exact-1" or run.record["time"].startswith("2026-01-01"):
            continue
        cells = rows[run.record["model"]["name"]].all("td")[1:-1]
        for name, cell in zip(["AUC-J", "SIM", "sAUC", "CC", "NSS", "KLD"], cells, strict=True):
            if name == "sAUC":
                assert cell.text.startswith("–undefined: no other stimulus of the split is annotated")
                continue
            assert cell.text.startswith(f"{run.scores[name]:.3f}")
            assert float(cell.attributes["data-v"]) == pytest.approx(run.scores[name], rel=1e-8)


def test_an_undefined_value_is_a_dash_with_its_reason_in_sight(pages: dict[str, Any]) -> None:
    section = board_of(pages).one("main")
    notes = [li.text for li in section.all("li")]
    assert any(
        n.startswith("– in s-AUC of ") and n.endswith("undefined, no other stimulus of the split is annotated.")
        for n in notes
    )
    assert "nan" not in section.text.lower().replace("finance", "")


def test_humans_have_their_own_group_and_mark(pages: dict[str, Any]) -> None:
    models, humans = main_board(pages).all("tbody")
    assert models.all("th", scope="rowgroup")[0].text == "Models and reference predictors"
    assert humans.all("th", scope="rowgroup")[0].text == "Human references"
    (row,) = humans.all("th", scope="row")
    assert row.text.startswith("one_vs_rest")
    assert "no prediction for 3 of 30 frames: not in its means" in row.text
    marked = ["†" in c.text for c in humans.all("td")[1:-1]]
    assert marked == [False, True, False, True, False, True], "SIM, CC and KLD have another truth"
    assert "†" not in models.text
    assert "another truth than those of the models" in board_of(pages).text


def test_the_older_run_is_reached_from_the_newer_one(pages: dict[str, Any]) -> None:
    assert "Only the newest run of each model is shown. 1 older run can be reached" in board_of(pages).text
    (old,) = (n for n in pages if n.startswith("runs/tinyhd-s-20260101"))
    linking = [n for n in pages for a in pages[n].all("a") if a.attributes["href"].endswith(old)]
    assert {n.partition("/")[0] for n in linking} == {"runs", "models", "changes.html", "index.html"}
    assert "A newer run of this model is on the board" in pages[old].text


def test_a_run_page_holds_the_provenance(pages: dict[str, Any], kept_results: Path) -> None:
    page = page_of(pages, "one-vs-rest")
    (folder,) = (p.parent for p in kept_results.rglob("run.json") if "one_vs_rest" in p.parts)
    record = load_run(folder).record
    for fact in (
        record["release"]["digest"], record["protocol"]["digest"], record["digest"], record["input_digest"],
        record["rows_digest"], record["command"], record["engine"]["numpy"], "a single observer at a time",
        *record["protocol"]["metrics"], folder.relative_to(kept_results).as_posix(), "27 scored, 3 without a prediction",
    ):  # fmt: skip
        assert fact in page.text
    assert str(kept_results) not in page.text, "the page must not depend on where the results lie"


def test_a_run_page_says_what_the_names_in_its_command_stand_for(make_run: MakeRun) -> None:
    def said(command: str, **info: Any) -> list[tuple[str, str, str]]:
        return [(w.after, w.word, w.digest) for w in placeholders(make_run(command=command, info=info).typed)]

    data = ("--data", "here", "cd" * 32)
    assert said("vidsal run uniform --data here -o out") == [data, ("-o", "out", "")]
    stored = {"submission": {"digest": "ab" * 32}}
    assert said("vidsal score 'my maps' --data here", **stored) == [("", "'my maps'", "ab" * 32), data]
    own = {"kind": "custom", "options": {"file_sha256": "ef" * 32}}
    assert said("vidsal run mine.py:Mine --data here", **own)[0] == ("", "mine.py:Mine", "ef" * 32)
    assert said("vidsal run 'unclosed --data here") == []
    (word, _) = placeholders(make_run(command="vidsal run uniform --data '' -o ''").typed)
    assert word.made_by == "vidsal data convert dhf1k --variant raw --src SOURCE -o dhf1k-raw"


def test_a_run_page_has_both_means(pages: dict[str, Any]) -> None:
    table = next(t for t in page_of(pages, "uniform").all("table") if t.one("caption").text.startswith("Scores of"))
    heads = [h.text for h in table.one("thead").all("th")]
    assert heads[1:3] == ["Mean over stimuli (the protocol's)", "Mean over frames"]
    assert len(table.one("tbody").all("tr")) == 6


def test_a_plot_of_each_metric_over_the_frames_with_its_numbers(pages: dict[str, Any], kept_results: Path) -> None:
    (folder,) = (p.parent for p in kept_results.rglob("run.json") if "uniform" in p.parts)
    frames = load_run(folder).frames
    figure = page_of(pages, "uniform").all("figure")[0]
    plots = figure.all("svg", role="img")
    assert len(plots) == 6
    assert plots[2].attributes["aria-label"] == "s-AUC: no frame gives it a finite value."
    nss = frames["NSS"]
    assert plots[4].attributes["aria-label"] == (
        f"NSS: mean {nss.mean():.3f}, from {nss.min():.3f} to {nss.max():.3f}."
    )
    assert len(plots[4].all("path")[-1].attributes["d"]) > 60
    details = figure.parent
    row = next(r for r in details.one("tbody").all("tr") if r.text.startswith("NSS"))
    assert [c.text for c in row.all("td")] == [
        f"{nss.min():.3f}", str(nss.idxmin()), f"{nss.mean():.3f}", f"{nss.max():.3f}", str(nss.idxmax()),
        "30 of 30 frames",
    ]  # fmt: skip


def test_every_link_and_label_leads_somewhere(pages: dict[str, Any]) -> None:
    ids = {name: [e.attributes["id"] for e in page.all() if "id" in e.attributes] for name, page in pages.items()}
    linked = {"404.html"}
    for name, page in pages.items():
        assert len(set(ids[name])) == len(ids[name]), f"{name} repeats an id"
        for element in page.all():
            for label in element.attributes.get("aria-labelledby", "").split():
                assert label in ids[name]
        for link in page.all("a"):
            href = link.attributes["href"]
            if href.startswith("https://") or "downloads/" in href or href.endswith("feed.xml"):
                continue
            path, _, anchor = href.partition("#")
            target = name if not path else normpath((Path(name).parent / path).as_posix())
            assert target in pages, f"{name}: {href}"
            assert not anchor or anchor in ids[target], f"{name}: {href}"
            linked.add(target)
    assert linked == set(pages), "a page that nobody can reach"


def test_nothing_is_loaded_from_anywhere(pages: dict[str, Any]) -> None:
    for name, page in pages.items():
        root = "../" * name.count("/")
        for element in page.all():
            assert element.tag not in {"iframe", "object", "embed", "base", "video", "audio"}
            for attribute, text in element.attributes.items():
                assert not attribute.startswith("on"), f"{name}: {attribute}"
                assert attribute not in {"srcset", "style", "action", "background", "xlink:href"}
                if "://" in text:
                    assert (element.tag, attribute) == ("a", "href")
        if name == "404.html":  # shown at any address
            assert not [*page.all("script"), *page.all("link"), *page.all("img")]
            continue
        assert not page.all("style")
        scripts = [s for s in page.all("script") if s.attributes.get("type") != "application/json"]
        assert [s.attributes for s in scripts] == [{"src": f"{root}site.js"}]
        assert [s.attributes for s in page.all("link")] == [{"rel": "stylesheet", "href": f"{root}site.css"}]
    script, style = assets()["site.js"], assets()["site.css"]
    assert "import" not in script
    assert "fetch" not in script
    assert "url(" not in style
    assert "@import" not in style
    assert len(script) < 30_000


def test_the_policy_allows_only_own_files(pages: dict[str, Any]) -> None:
    for name, page in pages.items():
        (meta,) = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
        policy = meta.attributes["content"]
        if name == "404.html":
            digest = b64encode(sha256(asset("film_page.css").encode()).digest()).decode()
            assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'; script-src 'none';")
        else:
            assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self';")
        assert "unsafe" not in policy


def test_a_page_that_is_not_there_is_found_from_any_address(kept_results: Path, tmp_path: Path) -> None:
    """Where the site knows its address, the page that a server shows instead leads there, and the site passes."""
    said = tmp_path / "site.toml"
    said.write_text('address = "https://example.org/board/"\n')
    build(kept_results, tmp_path / "site", config=said)
    text = (tmp_path / "site" / "404.html").read_text(encoding="utf-8")
    assert 'href="https://example.org/board/index.html" rel="noopener"' in text
    assert check_site(tmp_path / "site").faults == ()


def test_structure_of_every_page(pages: dict[str, Any]) -> None:
    for name, page in pages.items():
        assert page.one("html").attributes["lang"] == "en"
        assert "user-scalable" not in page.one("meta", name="viewport").attributes["content"]
        levels = [int(e.tag[1]) for e in page.all() if re.fullmatch("h[1-6]", e.tag)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(b - a <= 1 for a, b in zip(levels, levels[1:], strict=False)), levels
        assert page.all("a")[0].attributes["href"] == "#main"
        assert page.one("main").attributes["id"] == "main"
        assert name == "404.html" or page.one("p", role="status").text == ""
        for table in page.all("table"):
            assert table.children
            assert len(table.all("caption")) == 1
            assert all(h.attributes.get("scope") in {"col", "row", "rowgroup"} for h in table.all("th"))
            assert len([h for h in table.all("th") if "aria-sort" in h.attributes]) <= 1
            assert table.has_class("mini") or table.parent.attributes["tabindex"] == "0", "it must scroll by keyboard"
        for svg in page.all("svg", role="img"):
            assert svg.attributes["aria-label"]
        # Without scripts a button does nothing, so the script switches them on.
        forms = [b for f in page.all("form") if "hidden" in f.attributes for b in f.all("button")]
        assert all("disabled" in b.attributes or b in forms for b in page.all("button"))


def test_hostile_text_is_text(tmp_path: Path, make_run: MakeRun, read_page: ReadPage) -> None:
    info = {
        "version": EVIL, "paper": "javascript:alert(1)", "licence": EVIL, "trained_on": [EVIL], "options": {EVIL: EVIL},
        "checkpoint": EVIL,
    }  # fmt: skip
    name = "<img src=x onerror=alert(1)>"
    run = make_run(
        stimuli={EVIL: 3}, info=info, release={"id": name, "title": EVIL}, split=name, command=EVIL,
        undefined={"sAUC": EVIL},
    )  # fmt: skip
    run.save(tmp_path / "results")
    build(tmp_path / "results", tmp_path / "site")
    files = [p.relative_to(tmp_path / "site").as_posix() for p in (tmp_path / "site").rglob("*.html")]
    shown = 0
    for file in files:
        page = read_page(tmp_path / "site" / file)
        *data, last = [s.attributes.get("type", s.attributes.get("src", ""))[-7:] for s in page.all("script")] or [""]
        assert set(data) <= {"on/json"}
        assert last == ("" if file == "404.html" else "site.js")
        assert not [a for a in page.all("a") if a.attributes["href"].startswith("javascript")]
        assert not [e for e in page.all() if e.tag == "img" or "onclick" in e.attributes]
        text = (tmp_path / "site" / file).read_text(encoding="utf-8")
        assert "\u202e" not in text
        assert "<script>alert" not in text
        assert "49" not in page.text.split("alert", 1)[-1][:20]
        shown += "{{ 7*7 }}" in text and "alert(1)" in page.text
    assert shown > 5, "the text is shown as it is, not computed"


def test_a_title_without_end_is_cut_on_pages_that_list_it(tmp_path: Path, make_run: MakeRun) -> None:
    make_run(release={"title": "y" * 10_000}).save(tmp_path / "results")
    build(tmp_path / "results", tmp_path / "site")
    for page in ("index.html", "data/index.html", "boards/*.html", "data/dhf1k*.html"):
        (found,) = (tmp_path / "site").glob(page)
        assert "y" * 199 + "…" in found.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["con", "A..b+c", "a" * 100])
def test_names_of_pages_are_tame(tmp_path: Path, make_run: MakeRun, name: str) -> None:
    make_run(name).save(tmp_path / "results")
    build(tmp_path / "results", tmp_path / "site")
    (page,) = (tmp_path / "site" / "runs").iterdir()
    assert re.fullmatch(r"[a-z0-9-]+-\d{8}T\d{6}Z-[0-9a-f]{16}\.html", page.name)


def test_different_coverage_is_said_in_words(tmp_path: Path, make_run: MakeRun, read_page: ReadPage) -> None:
    part = {"annotated": 3, "without_frames": ["c"], "complete": False}
    make_run("needs_frames", stimuli={"a": 4, "b": 4}, coverage=part).save(tmp_path / "results")
    make_run("center_prior", stimuli={"a": 4, "b": 4, "c": 4}).save(tmp_path / "results")
    build(tmp_path / "results", tmp_path / "site")
    first, second = sorted(
        (read_page(p) for p in (tmp_path / "site" / "boards").iterdir() if not p.name.startswith("common")),
        key=lambda page: "2 of 3" in page.one("h1").text,
    )
    assert "center_prior" in first.text
    assert "needs_frames" not in first.text
    assert "covers all 3 annotated stimuli of the split: a, b, c." in first.text
    assert "covers 2 of the 3 annotated stimuli of the split: a, b." in second.text
    assert "Left out because their frames were missing: 1 stimulus (c)." in second.text
    (shared,) = (read_page(p) for p in (tmp_path / "site" / "boards").glob("common*"))
    assert (
        "each mean is over the 8 frames that all of them scored. A model that left frames out chose these"
        in shared.text
    )


def test_our_numbers_stand_below_those_that_were_reported_elsewhere(make_run: MakeRun) -> None:
    reference = {"kind": "reference", "checkpoint": None, "checkpoint_sha256": None}
    runs = [make_run(name, protocol="dhf1k-1", split="val") for name in ("unisal", "tased_net")]
    runs += [make_run("ViNet", protocol="dhf1k-1", split="val", info=reference)]
    runs[0].record["metrics"]["NSS"] |= {"mean": 2.7764, "low": 2.0, "high": 3.0}
    runs[0].record["metrics"]["CC"] |= {"low": 0.1, "high": 0.2}
    (board,) = make_boards([Entry(read_record(run.record, "here"), "") for run in runs])
    lines = {one.source.model: (one.ours and one.ours.record.model.name, one.why) for one in elsewhere(board)}
    assert {model: name for model, (name, _) in lines.items() if name} == {
        "UNISAL": "unisal", "TASED-Net (reported)": "tased_net", "TASED-Net (updated)": "tased_net",
    }  # fmt: skip
    why = lines["UNISAL"][1]
    assert why.startswith("split val here, test there: other videos")
    assert "NSS: the same to 3 decimals" in why
    assert "CC: outside: the choice of videos alone does not" in why


def test_shared_frames_have_intervals_bars_people_and_a_table_of_stimuli(tmp_path: Path, make_run: MakeRun) -> None:
    more = dict.fromkeys("abcdefg", 4)
    plain = {"checkpoint": None, "checkpoint_sha256": None}
    runs = [
        make_run("fewer", stimuli=dict.fromkeys("abcdef", 4), coverage={"annotated": 7}, seed=1),
        make_run("center_prior", stimuli=more, seed=2, info={**plain, "kind": "reference"}),
        make_run("one_vs_rest", stimuli=more, seed=8, info={**plain, "kind": "human"}, truth={"points": "all"}),
    ]
    for run in runs:
        run.save(tmp_path)
    content = content_of(collect(tmp_path), tmp_path, Config())
    (board,) = content.comparisons
    assert [e.record.model.name for e in board.humans] == ["one_vs_rest"], "it scored a superset of these frames"
    seed = seed_of(pairs_digest((name, k) for name in "abcdef" for k in range(4)))
    of = {run.record["model"]["name"]: run.stimuli.set_index("stimulus_id").loc[list("abcdef")] for run in runs}
    for entry in board.shown:
        for label, metric in entry.record.metrics.items():
            ends = cluster_bootstrap(of[entry.record.model.name][label].to_numpy(), list("abcdef"), seed=seed)
            assert (metric.low, metric.high) == pytest.approx(ends, rel=1e-9)
    assert content.standings[board.id].ends == "center_prior and one_vs_rest"
    text = board_page(content, board)
    assert "From the easiest to the hardest" in text
    assert "no interval" not in text
    build(tmp_path, tmp_path.parent / f"{tmp_path.name}-site")
    (lines,) = (tmp_path.parent / f"{tmp_path.name}-site").glob("downloads/common-*-stimuli.csv")
    assert len(lines.read_text().splitlines()) == 1 + 3 * 6


def test_a_speed_that_a_submission_states_stands_below_the_board_with_its_hardware(
    tmp_path: Path, make_run: MakeRun, read_page: ReadPage
) -> None:
    said = RunPart(frames_per_second=31.5, hardware="one small GPU").model_dump(mode="json", exclude_none=True)
    make_run("fast", info={"submission": {"run": said}}).save(tmp_path / "results")
    make_run("silent", info={"submission": {"run": {"hardware": "unknown speed"}}}).save(tmp_path / "results")
    small = RunPart(peak_memory_bytes=3_100_000_000, hardware="a laptop").model_dump(mode="json", exclude_none=True)
    make_run("small", seed=9, info={"submission": {"run": small}}).save(tmp_path / "results")
    build(tmp_path / "results", tmp_path / "site")
    (board,) = (tmp_path / "site" / "boards").iterdir()
    (table,) = (t for t in read_page(board).all("table") if "Stated by the authors" in t.one("caption").text)
    rows = table.one("tbody").all("tr")
    assert len(rows) == 2
    assert rows[0].text.startswith("small–3.1 GBa laptop")
    assert rows[1].text.startswith("fast31.5–one small GPU")
    assert "no faster model is as good" not in read_page(board).text, "one point compares with nothing"


def test_speeds_are_drawn_machine_by_machine(tmp_path: Path, make_run: MakeRun, read_page: ReadPage) -> None:
    stated = [("a", 10.0, "one GPU"), ("b", 250.0, "one GPU"), ("c", 4.0, "<b>two</b> GPUs"), ("d", 0.5, "one GPU")]
    for k, (name, speed, hardware) in enumerate(stated):
        said = RunPart(frames_per_second=speed, hardware=hardware).model_dump(mode="json", exclude_none=True)
        make_run(name, seed=k, info={"submission": {"run": said}}).save(tmp_path / "results")
    build(tmp_path / "results", tmp_path / "site")
    (board,) = (tmp_path / "site" / "boards").iterdir()
    (figure,) = (f for f in read_page(board).all("figure") if "no faster model is as good" in f.text)
    assert "on one GPU" in figure.one("figcaption").text
    texts = [t.text for t in figure.all("text")]
    assert {"a", "b", "d"} <= {t.replace("aa", "a").replace("bb", "b").replace("dd", "d") for t in texts}
    assert [t for t in texts if t in ("0.1", "1", "10", "100", "1000")] == ["0.1", "1", "10", "100", "1000"]


def test_fifty_models_fit_the_budget(tmp_path: Path, make_run: MakeRun) -> None:
    info = {
        "causal": False, "lookahead": 15, "trained_on": ["dhf1k", "salicon"], "options": {"reduced_channels": 4},
    }  # fmt: skip
    for k in range(50):
        make_run(f"a_model_of_a_long_name_{k}", stimuli={"002": 2}, seed=k, info=info).save(tmp_path)
    content = content_of(collect(tmp_path), tmp_path, Config())
    (board,) = content.boards
    assert len(board.models) == 50
    assert len(board_page(content, board).encode()) <= 150_000


def test_a_run_page_of_many_long_videos_stays_small(tmp_path: Path, make_run: MakeRun) -> None:
    make_run(stimuli={f"{k:03}": 300 for k in range(60)}).save(tmp_path / "results")
    build(tmp_path / "results", tmp_path / "site")
    (page,) = (tmp_path / "site" / "runs").iterdir()
    text = page.read_text(encoding="utf-8")
    assert len(text) < 120_000
    assert text.count('role="img"') == 18, "every metric of three videos"


def colors(style: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The variables of each theme."""
    for name, block in zip(("light", "dark", "print"), re.findall(r":root \{(.*?)\}", style, re.DOTALL), strict=True):
        yield name, dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", block))


def luminance(color: str) -> float:
    parts = [int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_in_every_theme() -> None:
    style = (Path(vidsal.leaderboard.__file__).parent / "assets" / "site.css").read_text(encoding="utf-8")
    for theme, c in colors(style):
        for ink in ("ink", "soft", "link", "warn"):
            for ground in ("page", "shade"):
                assert contrast(c[ink], c[ground]) >= 4.5, (theme, ink, ground)
        assert contrast(c["mark"], c["page"]) >= 3, theme
        assert contrast(c["mark"], c["band"]) >= 3, (theme, "the line must be seen on its band")
        assert contrast(c["below"], c["page"]) >= 3, theme
        for ink in ("ink", "soft"):
            assert contrast(c[ink], c["bar"]) >= 4.5, (theme, ink, "a value is read on its bar")
        if "focus" in c:
            assert contrast(c["focus"], c["page"]) >= 3, theme


def test_the_mean_rank_is_over_the_models_that_stand_on_every_data_set(
    tmp_path: Path, make_run: MakeRun, read_page: ReadPage
) -> None:
    score: dict[tuple[str, str, str], float | None] = {}
    for d, data in enumerate(("one", "two")):
        release = {"id": f"{data}-raw", "digest": f"{d}e" * 32, "dataset": data, "title": data}
        for k, name in enumerate(("alpha", "beta", "gamma", "alone")[: 4 - d]):
            info, undefined = {"checkpoint_sha256": f"{k}a" * 32}, {"sAUC": "no other stimulus"} if d else {}
            run = make_run(name, seed=7 * k + d, release=release, info=info, undefined=undefined)
            score |= {(name, data, metric): value for metric, value in run.save(tmp_path / "results").scores.items()}
    build(tmp_path / "results", tmp_path / "site")
    section = read_page(tmp_path / "site" / "models" / "index.html").all("section")[-1]
    assert "1 more model" not in section.text, "`alone` stands on one data set only"
    among = ("alpha", "beta", "gamma")
    heads = [button.text for button in section.one("thead").all("button")]
    found = {row.one("th").text: [cell.text for cell in row.all("td")] for row in section.one("tbody").all("tr")}
    for label, higher in (("NSS", True), ("AUC-J", True), ("KLD", False)):

        def rank(name: str, data: str, label: str = label, higher: bool = higher) -> int:
            values = {n: score[n, data, label] or 0.0 for n in among}
            return 1 + sum((v > values[name]) == higher and v != values[name] for v in values.values())

        column = heads.index(label) - 1
        for name in among:
            one, two = rank(name, "one"), rank(name, "two")
            assert found[name][column] == f"{(one + two) / 2:.2f}{one} · {two}", (name, label)
    assert list(found) == sorted(found, key=lambda n: (float(found[n][heads.index("NSS") - 1][:4]), n))
    assert all("not every board" in cells[heads.index("s-AUC") - 1] for cells in found.values())


def test_a_model_page_has_its_results_for_a_model_card(pages: dict[str, Any], kept_results: Path) -> None:
    page = next(p for name, p in pages.items() if name.startswith("models/tinyhd"))
    (card,) = [e for e in page.all("pre") if e.text.startswith("model-index:")]
    newest = [load_run(p.parent) for p in kept_results.rglob("run.json") if "tinyhd_s" in p.parts]
    assert any(
        f'"value": {run.scores["NSS"]}' in card.text or f"value: {run.scores['NSS']}" in card.text for run in newest
    )
    assert not [e for n, p in pages.items() if n.startswith("models/one_vs") for e in p.all("pre")], (
        "people have no card"
    )


def test_bars_of_models_not_told_apart_share_a_place_where_they_do_not_touch() -> None:
    board: Any = SimpleNamespace(models=[SimpleNamespace(page=str(k)) for k in range(9)])
    standing: Any = SimpleNamespace(groups=(("0", "1"), ("1", "2"), ("2", "3"), ("4", "6"), ("8", "7")))
    assert lanes(board, standing) == [[(0, 1), (4, 6)], [(1, 2), (7, 8)], [(2, 3)]]

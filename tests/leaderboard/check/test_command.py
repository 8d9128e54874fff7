"""`vidsal site check` as a user meets it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from vidsal.benchmark.evaluation.results.store import Run
from vidsal.cli import app as cli
from vidsal.leaderboard.site import build


def vidsal(*arguments: object) -> int:
    return cli._run([str(a) for a in arguments])


@pytest.fixture
def built(tmp_path: Path, make_run: Callable[..., Run]) -> Path:
    make_run().save(tmp_path / "results")
    build(tmp_path / "results", tmp_path / "site")
    (tmp_path / "site" / ".nojekyll").touch()
    return tmp_path / "site"


def test_a_fine_site(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert vidsal("site", "check", built) == 0
    assert capsys.readouterr().out.endswith(" MB: 0 faults\n")


def test_faults_as_text_and_json(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index = built / "index.html"
    index.write_text(index.read_text(encoding="utf-8").replace("</main>", '<p style="x">\x1b[2J</p></main>'), "utf-8")
    (built / "lost.html").write_text(index.read_text(encoding="utf-8"), "utf-8")
    assert vidsal("site", "check", built) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("page.inline: <p> has a style attribute (2): index.html:")
    assert lines[1] == "file.unlinked: no way leads from index.html to this page: lost.html"
    assert lines[-1].endswith(" MB: 3 faults")
    assert vidsal("site", "check", built, "--json", "--workers", 1) == 1
    report = json.loads(capsys.readouterr().out)
    assert [(f["rule"], f["count"]) for f in report["faults"]] == [("page.inline", 2), ("file.unlinked", 1)]


def test_what_is_no_site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert vidsal("site", "check", tmp_path) == 3
    assert "index.html is missing" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert vidsal("site", "check", tmp_path / "file") == 2

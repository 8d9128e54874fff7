"""The tutorial on the data runs, block by block, and prints what it promises."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from vidsal.cli import app as cli

PAGE = Path(__file__).resolve().parents[3] / "docs" / "using_the_data.md"
OTHER_READERS = ("import duckdb", "from datasets")


def blocks() -> list[tuple[str, str]]:
    text = PAGE.read_text(encoding="utf-8")
    return re.findall(r"^```(sh|python)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.mark.usefixtures("quick_demo")
def test_the_tutorial_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "tutorial"}
    run = 0
    for language, code in blocks():
        if language == "sh":
            for line in code.splitlines():
                assert cli._run(shlex.split(line)[1:]) == 0, line
        elif not any(reader in code for reader in OTHER_READERS):
            exec(compile(code, PAGE.name, "exec"), names)
            run += 1
    assert run == 5
    shown = capsys.readouterr().out
    for text in (
        "'scene_001'",
        "400.0 (96, 160, 3) uint8",
        "points a frame",
        "torch.Size([16, 3, 96, 160]) torch.Size([16, 96, 160]) 16",
        "train scene_001 O01",
    ):
        assert text in shown, text
    assert names["clips"]  # the last batch was seen too
    assert {p.name for p in (tmp_path / "stats").glob("*.svg")} >= {"centre_bias.svg", "durations.svg"}
    assert (tmp_path / "scene_001.png").stat().st_size > 10_000
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["bids", "csv", "dhf1k", "gazelabels", "pysaliency"]

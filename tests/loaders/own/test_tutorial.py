"""The tutorial on one's own recordings runs from an empty folder, block by block; the real sets where they are."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from vidsal.cli import app as cli
from vidsal.loaders.own.column_map import read_map

from .test_user_form import FORM

PAGE = Path(__file__).resolve().parents[3] / "docs" / "my_own_recordings.md"
REAL = ("andersson2017", "diem", "find_av")
SAMPLES = Path(__file__).resolve().parents[4] / "shared" / "samples"


def test_the_tutorial_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my_form.py").write_text(FORM)
    Path("recordings").mkdir()
    Path("recordings/a.gaze").write_text("p 0 1 2\n")
    here = [name for name in REAL if (SAMPLES / name).is_dir()]
    for name in here:
        Path(name).symlink_to(SAMPLES / name)
    names: dict[str, object] = {"__name__": "tutorial"}
    text = PAGE.read_text(encoding="utf-8")
    for language, code in re.findall(r"^```(sh|python|toml)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        if language == "python":
            exec(compile(code, PAGE.name, "exec"), names)
        elif language == "toml" and (file := code.split()[1]).endswith(".toml"):
            Path(file).write_text(code, encoding="utf-8")
            read_map(Path(file))
        elif language == "sh" and (not any(name in code for name in REAL) or any(name in code for name in here)):
            for line in code.splitlines():
                assert cli._run([*shlex.split(line)[1:], *(["--workers", "1"] if "convert" in line else [])]) == 0, line
    shown = capsys.readouterr().out
    assert "50 [[100.0, 200.0], [100.0, 200.0], [500.0, 200.0], [500.0, 200.0]]" in shown
    assert {p.parent.name for p in Path().glob("*/release.json")} >= {"release", "own-release"}
    if len(here) == len(REAL):
        assert {p.parent.name for p in Path().glob("*/release.json")} >= {"andersson", "diem-release", "find-release"}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["table", "--src", "."], 2, "needs --columns MAP.toml"),
        (["table", "--src", "absent.csv", "--columns", "tobii"], 3, "absent.csv: no such file or folder"),
        (["table", "--src", ".", "--columns", "absent.toml"], 3, "no such column map"),
        (["table", "--src", ".", "--columns", "tobii", "--videos", "absent"], 3, "absent: no such folder"),
        (["table", "--src", ".", "--columns", "tobii"], 3, "no table is here"),
        (["dhf1k", "--src", ".", "--columns", "tobii"], 2, "--columns does not apply to dhf1k"),
        (["--src", "."], 2, "name a data set, or `table`, or give a form"),
        (["dhf1k", "--form", "a.py:F", "--src", "."], 2, "one of them"),
        (["--form", "a.py:F", "--src", "."], 3, "no such file"),
    ],
)
def test_wrong_use_is_told(
    arguments: list[str],
    code: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli._run(["data", "convert", *arguments, "--out", "out"]) == code
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.count("\n") == 1
    assert not Path("out", "release.json").exists()

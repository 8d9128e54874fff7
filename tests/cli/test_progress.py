"""What commands say on stderr while they work: lines without a terminal, nothing with --quiet, never on stdout."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from vidsal.cli import progress as module
from vidsal.cli.app import _run
from vidsal.cli.progress import progress

LINE = re.compile(
    r"vidsal: (?P<label>[^:\n]+(?:\.py:Mine[^:\n]+)?): (?P<done>[\d,]+) of (?P<total>[\d,]+) (?P<units>\w+) \(\d+ %\), "
    r"\d:\d\d:\d\d so far(, about \d:\d\d:\d\d left)?(; at .+)?"
)


class Clock:
    """A clock that goes only when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module.time, "monotonic", made)
    return made


def test_a_line_every_thirty_seconds_with_the_time_left(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress("run x", "stimuli") as meter:
        meter.frames(400, 1000, "done before")
        clock.now = 10.0
        meter.begin()
        for second in range(11, 101):
            clock.now = float(second)
            meter.frames(400 + 6 * (second - 10), 1000, "a\x1b[2Jb")
    out = capsys.readouterr()
    assert out.out == ""
    assert out.err.splitlines() == [
        "vidsal: run x: 520 of 1,000 frames (52 %), 0:00:30 so far, about 0:01:20 left; at a\ufffd[2Jb",
        "vidsal: run x: 700 of 1,000 frames (70 %), 0:01:00 so far, about 0:00:50 left; at a\ufffd[2Jb",
        "vidsal: run x: 880 of 1,000 frames (88 %), 0:01:30 so far, about 0:00:20 left; at a\ufffd[2Jb",
    ]


def test_short_work_says_nothing_and_unknown_totals_are_no_fault(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress("train x", "steps") as meter:
        clock.now = 29.0
        meter(0, 0, "held out")
    assert capsys.readouterr().err == ""
    with progress("train x", "steps") as meter:
        clock.now = 60.0
        meter(0, 0, "held out")
    assert capsys.readouterr().err == "vidsal: train x: 0 steps, 0:00:31 so far; at held out\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar_that_is_gone_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "120")
    with progress("run x", "stimuli") as meter:
        meter.frames(40, 100, "before")
        meter.begin()
        meter.frames(41, 100, "a\x1b")
        meter(1, 3, "other")
    said = terminal.getvalue()
    assert "40/100" in said
    assert " frames/s" in said
    assert " stimuli/s" in said
    assert "\x1b]" not in said
    assert said.rsplit("\r", 1)[1].strip() == ""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, quick_demo: None, warm_children: None) -> Path:
    folder = tmp_path_factory.mktemp("progress")
    small = ["--videos", "3", "--frames", "12", "--observers", "3"]
    assert _run(["demo", "-o", str(folder / "demo"), *small, "--quiet"]) == 0
    (folder / "mine.py").write_text(
        "from vidsal.benchmark.predictor import ModelInfo, Prediction\n"
        "class Mine:\n"
        "    info = ModelInfo(name='mine', output='saliency', licence='CC0-1.0')\n"
        "    def predict(self, frames, stimulus):\n"
        "        for frame in frames:\n"
        "            yield Prediction(frame.index, frame.rgb[..., 0].astype('float32'))\n"
    )
    release = str(folder / RELEASE)
    stored, results = str(folder / "kept" / "stored"), str(folder / "kept" / "results")
    for words in (
        ["predict", "center_prior", "--data", release, "-o", stored],
        ["score", stored, "--data", release, "-o", results],
    ):
        assert _run([*words, "--quiet"]) == 0
    return folder


RELEASE, SOURCE = "demo/release/3x12-3-0", "demo/source/3x12-3-0"
COMMANDS = {
    "convert": ("data convert synthetic --workers 1 --src SOURCE -o converted", "frames", 36),
    "verify": ("data verify RELEASE", "rows", None),
    "run": ("run center_prior --data RELEASE -o results", "frames", 36),
    "run in children": ("run center_prior --data RELEASE -o results --workers 2 --fresh", "frames", 36),
    "run own": ("run mine.py:Mine --data RELEASE -o results", "frames", 36),
    "run humans": ("run one_vs_rest --data RELEASE -o results", "frames", 36),
    "predict": ("predict center_prior --data RELEASE -o stored", "frames", 36),
    "score": ("score kept/stored --data RELEASE -o results --truth-cache build", "frames", 36),
    "results verify": ("results verify kept/results", "runs", None),
    "results merge": ("results merge kept/results -o merged", "runs", None),
    "results rescore": (
        "results rescore kept/results --submissions kept/stored --data RELEASE --protocol dhf1k-1 -o other",
        "frames",
        36,
    ),
    "site": ("site build kept/results -o site", "pages", None),
    "export": ("data export RELEASE --to gazelabels -o labels", "stimuli", None),
}


def each_line(text: str) -> Iterator[re.Match[str]]:
    for line in text.splitlines():
        if " so far" in line:
            found = LINE.fullmatch(line)
            assert found, line
            yield found


@pytest.mark.parametrize("name", COMMANDS)
def test_each_long_command_counts_and_can_be_quiet(
    name: str, demo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command, units, total = COMMANDS[name]
    words = command.replace("RELEASE", RELEASE).replace("SOURCE", SOURCE).split()
    monkeypatch.chdir(demo)
    monkeypatch.setattr(module, "LINE_S", 0.0)
    code = _run([*words, "--json"])
    said = capsys.readouterr()
    assert code == 0, said.err
    json.loads(said.out)
    assert " so far" not in said.out
    lines = [line for line in each_line(said.err) if line["units"] == units]
    assert lines, said.err
    counts = [int(line["done"].replace(",", "")) for line in lines if not line["label"].startswith("truth")]
    assert counts == sorted(counts)
    assert counts[-1] == (total or int(lines[-1]["total"].replace(",", "")))
    if units == "frames" and name not in ("run in children", "run own"):  # a child says it now and then
        assert len(set(counts)) > 3  # more often than once a stimulus

    if "-o" in words:
        words[words.index("-o") + 1] += "-quietly"
    assert _run([*words, "-q"]) == 0
    assert " so far" not in capsys.readouterr().err

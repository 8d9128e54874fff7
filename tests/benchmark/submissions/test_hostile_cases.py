"""Thousands of hostile submissions meet the commands: exit 0 to 3, a sentence, and nothing written outside."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from vidsal.benchmark.submissions.predict import predict
from vidsal.cli import app as cli
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets.synthetic.write import generate
from vidsal.loaders.release.release import load

from ..stored import Maps
from .hostile_cases import KINDS, Case, H, W

FEW, MANY, CHUNK = 360, 10_080, 420


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    generate(folder / "src", videos=2, frames=4, width=W, height=H, observers=2, seed=2, val=1, write_video=False)
    convert("synthetic", folder / "src", folder / "rel", workers=1)
    return folder / "rel"


@pytest.fixture(scope="module")
def bases(release: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bases")
    predict(Maps(shape=(H, W)), load(release), folder / "png8", encoding="png8")
    predict(Maps("log_density", shape=(H, W)), load(release), folder / "npz")
    return {p.name: p for p in folder.iterdir()}


def meet(
    numbers: range,
    folder: Path,
    release: Path,
    bases: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Counter[tuple[str, int]]:
    """Run the cases; return how often each kind ended with each exit code."""
    (folder / "temp").mkdir()
    (folder / "work").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "temp"))
    monkeypatch.chdir(folder / "temp")
    before = sorted(p.name for p in folder.iterdir())
    ends: Counter[tuple[str, int]] = Counter()
    marker = folder / "temp" / "executed"
    for number in numbers:
        case = Case(number, folder / "work" / "a", bases, marker)
        command = case.command(release)
        code = cli._run(command)
        shown = capsys.readouterr()
        where = f"case {number} ({case.kind}): vidsal {' '.join(command)}: {code}\n{shown.err}"
        assert code in (0, 1, 2, 3), where
        assert "Traceback" not in shown.err, where
        assert "fault of vidsal" not in shown.err, where
        assert len(shown.err) < 50_000, where[:1000]
        assert not any(c in shown.out + shown.err for c in "\x1b\x00\x07\u202e\u200b\ud800"), where
        assert code == 0 or shown.err.strip() or shown.out.strip(), where
        assert sorted(p.name for p in folder.iterdir()) == before, where
        assert sorted(p.name for p in (folder / "work").iterdir()) == ["a"], where
        assert list((folder / "temp").iterdir()) == [], where
        left = {p.name for p in case.folder.iterdir()} - {"sub", "sub.zip", "sub.tar", "sub.tar.gz", "sub.tgz"}
        assert left <= ({"out", "out.zip"} if code == 0 or command[0] == "score" else set()), where
        ends[case.kind, code] += 1
        shutil.rmtree(case.folder)
    return ends


def judge(ends: Counter[tuple[str, int]], number: int) -> None:
    """See that every kind was met, and that most were refused."""
    assert sum(ends.values()) == number
    assert {kind for kind, _ in ends} == set(KINDS)
    for kind in KINDS:
        of_kind = {code: n for (name, code), n in ends.items() if name == kind}
        if kind not in ("injected_text", "sums"):
            assert of_kind.get(1, 0) > 0.4 * sum(of_kind.values()), (kind, of_kind)
    assert ends["injected_text", 0] > 0.7 * sum(n for (kind, _), n in ends.items() if kind == "injected_text")


def test_a_few_hundred_hostile_submissions(
    tmp_path: Path,
    release: Path,
    bases: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    judge(meet(range(FEW), tmp_path, release, bases, monkeypatch, capsys), FEW)


@pytest.mark.slow
@pytest.mark.parametrize("begin", range(FEW, FEW + MANY, CHUNK))
def test_ten_thousand_hostile_submissions(
    tmp_path: Path,
    release: Path,
    bases: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    begin: int,
) -> None:
    judge(meet(range(begin, begin + CHUNK), tmp_path, release, bases, monkeypatch, capsys), CHUNK)

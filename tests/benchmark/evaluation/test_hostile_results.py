"""Results that somebody tampered with, and texts of submissions that mean harm, up to the pages of the site."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from vidsal.benchmark.submissions.predict import predict
from vidsal.benchmark.submissions.score import score
from vidsal.cli import app as cli
from vidsal.loaders.release.release import load

from ..stored import Maps, gaze_only
from ..submissions.hostile_cases import NASTY, VALUES, _places

FEW, MANY = 60, 1_200


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gaze_only(tmp_path_factory.mktemp("tampered"), videos=2)


@pytest.fixture(scope="module")
def run(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    predict(Maps(), load(root), folder / "sub")
    score(folder / "sub", load(root)).save(folder / "results")
    return folder / "results"


def tamper(number: int, results: Path) -> str:
    """Change a run.json by a number; return what was changed."""
    rng = random.Random(number)
    path = next(results.rglob("run.json"))
    if number % 5 == 0:
        content = bytearray(path.read_bytes())
        at = rng.randrange(len(content))
        content[at] = rng.randrange(256)
        path.write_bytes(bytes(content[: rng.choice((len(content), at))]))
        return f"byte {at}"
    record = json.loads(path.read_text())
    holder, key = rng.choice(_places(record))
    value: Any = "x" * 1_000_000 if rng.random() < 0.05 else rng.choice(VALUES)
    holder[key] = value
    path.write_text(json.dumps(record), "utf-8", errors="surrogatepass")
    return f"{key} = {str(value)[:40]!a}"


def meet(numbers: range, folder: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen = 0
    for number in numbers:
        results = folder / "results"
        shutil.copytree(run, results)
        before = {p: p.read_bytes() for p in results.rglob("*") if p.is_file() and p.name != "run.json"}
        what = tamper(number, results)
        commands = (["results", "list", str(results)], ["results", "verify", str(results)])
        for command in (*commands, ["site", "build", str(results), "-o", str(folder / "site")]):
            code = cli._run(command)
            shown = capsys.readouterr()
            where = f"case {number} ({what}): {command[:2]}: {code}\n{shown.err[:2000]}"
            assert code in (0, 1, 2, 3), where
            assert "Traceback" not in shown.err, where
            assert "fault of vidsal" not in shown.err, where
            assert not any(c in shown.out + shown.err for c in "\x1b\x00\x07\u202e\u200b\ud800"), where
            seen += code == 1
        assert all(p.read_bytes() == data for p, data in before.items())
        assert {p.name for p in folder.iterdir()} <= {"results", "site"}
        shutil.rmtree(results)
        shutil.rmtree(folder / "site", ignore_errors=True)
    assert seen > 2 * len(numbers)  # of three commands each; what is not said is read as unsaid


def test_a_tampered_run_is_named(tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    meet(range(FEW), tmp_path, run, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("begin", range(FEW, FEW + MANY, 200))
def test_many_tampered_runs_are_named(
    tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str], begin: int
) -> None:
    meet(range(begin, begin + 200), tmp_path, run, capsys)


def test_what_submissions_say_stays_text_up_to_the_site(
    tmp_path: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predict(Maps(), load(root), tmp_path / "sub")
    path = tmp_path / "sub" / "submission.json"
    plain = json.loads(path.read_text())
    texts = [t for t in NASTY if t and not t.startswith(("FILL", "\ud800")) and len(t) < 4000]
    for text in texts:
        manifest = json.loads(json.dumps(plain))
        manifest["model"].update(version=text, licence=text, paper=text, options={text: text}, checkpoint=text)
        manifest.update(authors=[text], licence=text, declarations={text: text}, run={"command": text, "seed": text})
        manifest["prediction"].update(tuned_for=text, post_processing=text)
        path.write_text(json.dumps(manifest))
        assert cli._run(["submit", "check", str(tmp_path / "sub"), "--data", str(root)]) == 0
        assert cli._run(["submit", "show", str(tmp_path / "sub")]) == 0
        assert cli._run(["score", str(tmp_path / "sub"), "--data", str(root), "-o", str(tmp_path / "results")]) == 0
    assert cli._run(["results", "list", str(tmp_path / "results")]) == 0
    assert cli._run(["site", "build", str(tmp_path / "results"), "-o", str(tmp_path / "site")]) == 0
    shown = capsys.readouterr()
    assert not any(c in shown.out + shown.err for c in "\x1b\x00\x07\u202e\u200b")
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > len(texts)
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        assert 'href="javascript' not in text
        assert "\u202e" not in text
    for table in (tmp_path / "site").rglob("*.csv"):
        for line in table.read_text(encoding="utf-8").splitlines():
            cells = [cell.lstrip('"') for cell in line.split(",")]
            assert not any(cell.startswith(("=", "@", "+1+", "-2+")) for cell in cells), line

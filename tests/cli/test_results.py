"""`vidsal run | score --frames-of`, `score --model`, `vidsal results` as a user meets them."""

from __future__ import annotations

import json
import shutil
import sys
import time
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vidsal.benchmark.evaluation.results.store import result_digest
from vidsal.benchmark.scoring.kernels.available import kernels
from vidsal.loaders.errors import BadData
from vidsal.models import own_predictor, package_sha256, parse_spec

from .commands import small_release, vidsal

OWN = """
import numpy as np
from vidsal.benchmark.predictor import ModelInfo, Prediction

class Mine:
    info = ModelInfo(name="mine", missing="exclude", needs_frames=False)

    def predict(self, frames, stimulus):
        for frame in frames:
            if frame.index >= 2:
                yield Prediction(frame.index, np.eye(6, 8))
"""


def record(folder: Path) -> dict[str, Any]:
    (path,) = folder.rglob("run.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    return small_release(folder, videos=2, frames=5, observers=3, val=0)


@pytest.fixture(scope="module")
def gaps(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with a run that leaves out the first two frames of each stimulus."""
    folder = tmp_path_factory.mktemp("gaps")
    (folder / "mine.py").write_text(OWN)
    assert vidsal("run", f"{folder / 'mine.py'}:Mine", "--data", release, "-o", folder / "results") == 0
    return folder / "results"


@pytest.mark.usefixtures("warm_children")
def test_the_frames_of_another_run(
    release: Path, gaps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ("uniform", "--data", release)
    assert vidsal("run", *common, "-o", tmp_path / "run", "--frames-of", gaps) == 0
    assert "6 of 10 frames scored, 4 not asked for" in capsys.readouterr().out
    assert vidsal("predict", *common, "-o", tmp_path / "sub") == 0
    options = ("--frames-of", gaps, "-o", tmp_path / "score")
    assert vidsal("score", tmp_path / "sub", "--data", release, *options) == 0
    digest = record(gaps)["coverage"]["frames_digest"]
    for made in (record(tmp_path / "run"), record(tmp_path / "score")):
        assert made["coverage"]["frames_digest"] == digest
        assert "--frames-of results" in made["command"]
    assert vidsal("run", "uniform", "--data", release, "-o", tmp_path / "full", "--frames-of", "/nowhere") == 3
    capsys.readouterr()
    assert vidsal("results", "list", tmp_path / "run") == 0
    assert "6/10" in capsys.readouterr().out


@pytest.mark.usefixtures("warm_children")
def test_a_run_that_lacks_frames_of_those_asked_for_says_so(
    release: Path, gaps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert vidsal("run", "uniform", "--data", release, "-o", tmp_path / "full") == 0
    own = f"{gaps.parent / 'mine.py'}:Mine"
    assert vidsal("run", own, "--data", release, "-o", tmp_path / "own", "--frames-of", tmp_path / "full") == 0
    assert "not all of the frames that were asked for" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["toml", "json", "whole.json"])
def test_a_file_says_what_the_submission_does_not(release: Path, tmp_path: Path, form: str) -> None:
    (tmp_path / "maps").mkdir()
    for name in ("scene_001", "scene_002"):
        np.savez(tmp_path / "maps" / f"{name}.npz", maps=np.ones((5, 6, 8), np.float32), frames=np.arange(5))
    said = {"name": "theirs", "causal": False, "lookahead": 3, "trained_on": ["dhf1k"], "checkpoint_sha256": "ab" * 32}
    file = tmp_path / f"model.{form}"
    if form == "toml":
        file.write_text("\n".join(f"{k} = {json.dumps(v)}" for k, v in said.items()))
    else:
        file.write_text(json.dumps({"model": said} if form == "whole.json" else said))
    common = ("--data", release, "--kind", "saliency", "-o", tmp_path / "r")
    assert vidsal("score", tmp_path / "maps", *common, "--model", file) == 0
    made = record(tmp_path / "r")["model"]
    assert {k: made[k] for k in said} == said
    assert (made["version"], made["audio"]) == (None, None)


def test_what_a_file_says_wrongly_is_named(release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert vidsal("predict", "uniform", "--data", release, "-o", tmp_path / "sub") == 0
    for text, code, said in (
        ('name = "other"', 2, "submission.json says name 'uniform' of the model, the file of the model 'other'"),
        ('name = "uniform"\nversoin = "2"', 1, "versoin: no such field, did you mean 'version'?"),
        ("name", 1, "not readable as TOML"),
        ('name = "uni\u00adform"', 1, "name: expected one word of letters, digits"),
        ("name = 2020-01-01", 1, "not readable as TOML"),
    ):
        (tmp_path / "model.toml").write_text(text, encoding="utf-8")
        arguments = ("--data", release, "-o", tmp_path / "r", "--model", tmp_path / "model.toml")
        assert vidsal("score", tmp_path / "sub", *arguments) == code, text
        assert said in capsys.readouterr().err
    (tmp_path / "model.json").write_text('{"name": "uniform", "name": "x"}')
    assert vidsal("score", tmp_path / "sub", *arguments[:-1], tmp_path / "model.json") == 1
    assert "the key 'name' stands twice" in capsys.readouterr().err


def test_the_digest_of_a_package_is_that_of_its_python_files(tmp_path: Path) -> None:
    (tmp_path / "alone.py").write_text("1")
    assert package_sha256(tmp_path / "alone.py") is None
    inner = tmp_path / "net" / "parts"
    inner.mkdir(parents=True)
    for path in (tmp_path / "net" / "__init__.py", inner / "__init__.py", inner / "model.py"):
        path.write_text(path.name)
    (tmp_path / "net" / "weights.bin").write_bytes(b"large")
    (inner / "._model.py").write_text("what a file manager left")
    lines = [f"{n}\t{sha256(n.rpartition('/')[2].encode()).hexdigest()}\n" for n in (
        "__init__.py", "parts/__init__.py", "parts/model.py")]  # fmt: skip
    assert package_sha256(inner / "model.py") == sha256("".join(lines).encode()).hexdigest()


@pytest.mark.usefixtures("warm_children")
def test_a_result_of_a_class_in_a_package_names_its_digest(release: Path, tmp_path: Path) -> None:
    package = tmp_path / "net"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "mine.py").write_text(OWN)
    assert vidsal("run", f"{package / 'mine.py'}:Mine", "--data", release, "-o", tmp_path / "r") == 0
    assert record(tmp_path / "r")["model"]["options"]["package_sha256"] == package_sha256(package / "mine.py")


def test_a_class_may_import_its_neighbors_in_its_package(tmp_path: Path) -> None:
    inner = tmp_path / "json" / "parts"  # of the name of an installed package, which it must not hide
    inner.mkdir(parents=True)
    (inner.parent / "__init__.py").write_text("SHARED = 1\n")
    (inner / "__init__.py").write_text("")
    (inner / "mine.py").write_text(f"from .. import SHARED\nfrom .other import K\nimport json\njson.dumps\n{OWN}")
    for k in (1, 2):
        (inner / "other.py").write_text(f"K = {k}{k * ' '}\n")
        made = own_predictor(parse_spec(f"{inner / 'mine.py'}:Mine", None, "cpu", (), None))
        module = sys.modules[type(made).__module__]
        assert (1, k) == (module.SHARED, module.K)
    (inner / "other.py").write_text("from ..nowhere import x\n")
    with pytest.raises(BadData, match="importing it fails: ModuleNotFoundError"):
        own_predictor(parse_spec(f"{inner / 'mine.py'}:Mine", None, "cpu", (), None))


def damaged_beside(gaps: Path, folder: Path) -> Path:
    """A results folder with a good run and one whose record is cut; the good one's model names a terminal command."""
    shutil.copytree(gaps, folder)
    (path,) = folder.rglob("run.json")
    content = json.loads(path.read_text())
    content["release"]["title"] = content["split"] = "a\x1b[2J\x9b31mb\nfake row"
    content["digest"] = result_digest(content)
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    shutil.copytree(path.parent, path.parent.parent / "cut")
    (path.parent.parent / "cut" / "run.json").write_text("{")
    return folder


def test_a_damaged_run_hides_no_other(gaps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = damaged_beside(gaps, tmp_path / "results")
    for command in (("results", "list", folder), ("site", "build", folder, "-o", tmp_path / "site")):
        assert vidsal(*command) == 1
        out, err = capsys.readouterr()
        assert "cut: this run is damaged" in err
        assert "mine" in out or "1 boards of 1 runs" in out
        assert vidsal(*command, "--strict") == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert "cut: this run is damaged" in err
    assert vidsal("results", "list", folder, "--json") == 1
    assert [run["model"]["name"] for run in json.loads(capsys.readouterr().out)] == ["mine"]


def test_a_result_cannot_take_hold_of_the_terminal(
    gaps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = damaged_beside(gaps, tmp_path / "results")
    (shown,) = (p.parent for p in folder.rglob("run.json") if "cut" not in p.parts)
    for command in (("list", folder), ("show", shown), ("list", folder, "--json"), ("show", shown, "--json")):
        vidsal("results", *command)
        out = capsys.readouterr().out
        assert not {"\x1b", "\x9b"} & set(out)
        if "--json" in command:
            found = json.loads(out)
            assert (found[0] if command[0] == "list" else found)["split"] == "a\x1b[2J\x9b31mb\nfake row"
        elif command[0] == "list":
            assert len(out.splitlines()) == 2, "a heading and one row"


def test_a_run_says_whether_numba_was_here(gaps: Path) -> None:
    assert record(gaps)["engine"]["numba"] == (version("numba") if kernels() else "none")


def test_a_gate_makes_its_first_baseline_and_works_the_second_time(
    release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ("run", "uniform", "--data", release, "-o", tmp_path / "candidate")
    gate = ("gate", "--baseline", tmp_path / "baseline", "--candidate", tmp_path / "candidate")
    assert vidsal(*run) == 0
    assert vidsal(*gate) == 0
    out, err = capsys.readouterr()
    assert "there was no baseline; the candidate is one now" in err
    assert "nothing moved" in out
    time.sleep(1.1)  # the next run has another time
    assert vidsal(*run) == 0
    assert len(list((tmp_path / "candidate").rglob("run.json"))) == 2
    capsys.readouterr()
    assert vidsal(*gate, "--junit", tmp_path / "gate.xml", "--markdown", tmp_path / "summary.md") == 0
    assert "no baseline" not in capsys.readouterr().err
    assert (tmp_path / "gate.xml").read_text().startswith("<?xml")
    vidsal(*gate, "--markdown", tmp_path / "summary.md")
    assert (tmp_path / "summary.md").read_text().count("**Passed**") == 2, "a summary is added to"
    assert vidsal("gate", "--baseline", tmp_path / "baseline", "--candidate", "/nowhere") == 3
    next((tmp_path / "baseline").rglob("run.json")).unlink()
    capsys.readouterr()
    assert vidsal(*gate) == 2, "a baseline that lost its record is none, and is not replaced in silence"
    assert "no run is here, but synthetic" in capsys.readouterr().err


def test_results_show_verify_merge_withdraw(gaps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert vidsal("results", "merge", gaps, "-o", tmp_path / "joint", "--json") == 0
    merged = json.loads(capsys.readouterr().out)
    assert (len(merged["added"]), merged["doubles"], merged["faults"]) == (1, [], [])
    assert vidsal("results", "merge", gaps, "-o", tmp_path / "joint") == 0
    assert "0 runs added" in capsys.readouterr().out
    assert vidsal("results", "verify", tmp_path / "joint", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "runs": 1, "faults": []}
    assert vidsal("results", "show", "mine", "--in", tmp_path / "joint") == 0
    assert "mine on synthetic" in capsys.readouterr().out
    assert vidsal("results", "show", "mime", "--in", tmp_path / "joint") == 2
    assert "did you mean 'mine'" in capsys.readouterr().err
    run = Path(merged["added"][0])
    assert vidsal("results", "withdraw", run, "--reason", "wrong map") == 0
    assert vidsal("results", "withdraw", run, "--reason", "wrong map") == 2
    capsys.readouterr()
    assert vidsal("results", "show", "mine", "--in", tmp_path / "joint") == 0
    assert capsys.readouterr().out.startswith("withdrawn on ")
    assert vidsal("site", "build", tmp_path / "joint", "-o", tmp_path / "site") == 3
    assert "every run here is withdrawn" in capsys.readouterr().err
    (run / "stimuli.parquet").write_bytes(b"")
    assert vidsal("results", "verify", tmp_path / "joint") == 1
    out = capsys.readouterr().out
    assert "FAIL" in out
    assert "0 runs are as they were scored, 1 are not" in out

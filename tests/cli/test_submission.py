"""`vidsal predict`, `vidsal score`, `vidsal gate` as a user meets them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from .commands import Say, small_release, vidsal


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    return small_release(folder, videos=3, frames=6, observers=3, val=2)


@pytest.fixture(scope="module")
def submission(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("submission") / "sub"
    assert vidsal("predict", "motion_energy", "--data", release, "--split", "val", "-o", out) == 0
    return out


def one(folder: Path, name: str) -> Path:
    found = list(folder.rglob(name))
    assert len(found) == 1
    return found[0]


def test_predict_and_score_equal_run(
    tmp_path: Path, release: Path, submission: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for protocol in ("exact-1", "dhf1k-1"):
        common = ("--data", release, "--protocol", protocol)
        assert vidsal("run", "motion_energy", *common, "--split", "val", "-o", tmp_path / "run" / protocol) == 0
        assert vidsal("score", submission, *common, "-o", tmp_path / "score" / protocol) == 0
        ran, scored = (one(tmp_path / w / protocol, "frames.parquet") for w in ("run", "score"))
        assert ran.read_bytes() == scored.read_bytes()
        assert ran.relative_to(tmp_path / "run").parts[:5] == scored.relative_to(tmp_path / "score").parts[:5]
        assert vidsal("gate", "--baseline", tmp_path / "run" / protocol, "--candidate", scored.parent) == 0
        assert "nothing moved" in capsys.readouterr().out
        assert not (tmp_path / "score" / protocol / ".partial").exists()
    record = json.loads(one(tmp_path / "score" / "exact-1", "run.json").read_text())
    assert record["split"] == "val"
    assert record["command"] == "vidsal score sub --data out --split val --protocol exact-1 -o exact-1"
    assert vidsal("results", "list", tmp_path / "score") == 0
    assert vidsal("site", "build", tmp_path / "score", "-o", tmp_path / "site") == 0


def test_json(tmp_path: Path, release: Path, submission: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert vidsal("predict", "uniform", "--data", release, "-o", tmp_path / "u", "--encoding", "png8", "--json") == 0
    made = json.loads(capsys.readouterr().out)
    assert made["prediction"]["encoding"]["files"] == "png8"
    assert made["coverage"]["predicted"] == 3
    assert made["model"]["kind"] == "reference"
    assert vidsal("score", tmp_path / "u", "--data", release, "-o", tmp_path / "r", "--json") == 0
    assert json.loads(capsys.readouterr().out)["model"]["kind"] == "submission"
    run = one(tmp_path / "r", "run.json").parent
    assert vidsal("gate", "--baseline", run, "--candidate", run, "--json") == 0
    assert json.loads(capsys.readouterr().out)["passed"] is True


def test_a_second_predict_has_nothing_to_do(
    release: Path, submission: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (submission / "submission.json").stat().st_mtime_ns
    assert vidsal("predict", "motion_energy", "--data", release, "--split", "val", "-o", submission) == 0
    assert (submission / "submission.json").stat().st_mtime_ns == before
    assert vidsal("predict", "uniform", "--data", release, "--split", "val", "-o", submission) == 2
    assert "--fresh" in capsys.readouterr().err


def classic(release: Path, out: Path, *, blur: int = 0) -> Path:
    from vidsal.loaders.release.release import load

    for stimulus in load(release, "val"):
        (out / stimulus.id).mkdir(parents=True)
        for frame in stimulus.frames():
            values = frame.rgb[..., 1].copy()
            values[:blur] = 0
            Image.fromarray(values).save(out / stimulus.id / f"{frame.index + 1:04d}.png")
    return out


def test_gate_says_what_moved(tmp_path: Path, release: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, blur in (("a", 0), ("b", 1)):
        folder = classic(release, tmp_path / name / "green", blur=blur)
        arguments = ("--data", release, "--split", "val", "--kind", "saliency", "-o", tmp_path / f"r{name}")
        assert vidsal("score", folder, *arguments) == 0
    capsys.readouterr()
    assert vidsal("gate", "--baseline", tmp_path / "ra", "--candidate", tmp_path / "rb") == 1
    out = capsys.readouterr().out
    assert "green on synthetic, split val, protocol exact-1, 2 stimuli" in out
    assert "values moved" in out
    lines = [line.split() for line in out.splitlines()]
    assert ["where", "what", "baseline", "candidate", "difference", "allowed"] in lines
    assert any(line[:2] == ["run", "CC"] for line in lines)
    assert any(line[:2] == ["scene_003", "NSS"] for line in lines)
    (tmp_path / "t.toml").write_text("[default]\nabsolute = 100\n")
    both = ("--baseline", tmp_path / "ra", "--candidate", tmp_path / "rb")
    assert vidsal("gate", *both, "--tolerances", tmp_path / "t.toml") == 0
    (tmp_path / "t.toml").write_text("[NSSS]\nabsolute = 100\n")
    assert vidsal("gate", *both, "--tolerances", tmp_path / "t.toml") == 2
    capsys.readouterr()
    assert vidsal("gate", *both, "--json") == 1
    verdict = json.loads(capsys.readouterr().out)
    assert verdict["passed"] is False
    assert verdict["moved"][0]["where"] == "run"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["predict", "unifrom", "--data", "RELEASE", "-o", "o"], 2, "did you mean 'uniform'"),
        (["predict", "one_vs_rest", "--data", "RELEASE", "-o", "o"], 2, "vidsal run"),
        (["predict", "uniform", "--data", "/nowhere", "-o", "o"], 3, "no release is here"),
        (["predict", "uniform", "--data", "RELEASE", "-o", "o", "--as-published"], 2, "nobody published"),
        (["predict", "uniform", "--data", "RELEASE", "-o", "o", "--encoding", "gif"], 2, "gif"),
        (["predict", "uniform", "--data", "RELEASE", "-o", "FILE"], 2, "FILE"),
        (["predict", "motion_energy", "--data", "RELEASE", "-o", "o", "--frames", "/nowhere"], 3, "--frames DIR"),
        (["score", "/nowhere", "--data", "RELEASE", "-o", "o"], 3, "vidsal predict"),
        (["score", "SUB", "--data", "RELEASE", "-o", "o", "--frames", "."], 2, "--frames cannot apply"),
        (["score", "EMPTY", "--data", "RELEASE", "-o", "o"], 1, "no predictions are here"),
        (["score", "FILE", "--data", "RELEASE", "-o", "o"], 2, "not a submission; one is a folder"),
        (["score", "SUB", "--data", "RELEASE", "-o", "o", "--split", "train"], 2, "predictions of split val"),
        (["score", "SUB", "--data", "RELEASE", "-o", "o", "--protocol", "exact"], 2, "did you mean 'exact-1'"),
        (["score", "SUB", "--data", "RELEASE", "-o", "o", "--kind", "saliency"], 2, "submission.json says density"),
        (["score", "SUB", "--data", "RELEASE", "-o", "o", "--recipe", "none"], 2, "unknown truth recipe"),
        (["gate", "--baseline", "/nowhere", "--candidate", "/nowhere"], 3, "no such results folder"),
        (["gate", "--baseline", "EMPTY"], 2, "--candidate"),
    ],
)
def test_mistakes_end_in_a_sentence(
    tmp_path: Path,
    release: Path,
    submission: Path,
    arguments: list[str],
    code: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "FILE").write_text("")
    known = {"RELEASE": str(release), "SUB": str(submission)}
    assert vidsal(*(known.get(a, a) for a in arguments)) == code
    out, err = capsys.readouterr()
    assert message in err
    assert "Traceback" not in out + err
    assert not list((tmp_path / "o").rglob("run.json"))


def test_faults_are_listed_and_the_code_is_one(
    tmp_path: Path, release: Path, submission: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = classic(release, tmp_path / "green")
    (folder / "scene_002" / "0004.png").unlink()
    np.save(folder / "scene_003" / "0009.npy", np.zeros(3))
    (folder / "scene_003" / "notes.doc").write_text("")
    (folder / "scene_004").mkdir()
    assert vidsal("score", folder, "--data", release, "--split", "val", "--kind", "saliency", "-o", tmp_path / "r") == 1
    err = capsys.readouterr().err
    for text in (
        "scene_002: 1 of 6 frames have no prediction; the first gap is frame 3 (number 4",
        "scene_003: 0009.npy: expected the map of one frame",
        "scene_003: notes.doc is no numbered map",
        "scene_004: the release has no stimulus of this name",
        "5 faults; nothing of it was used",
    ):
        assert text in err
    assert not list(tmp_path.rglob("run.json"))


def test_stimuli_of_other_splits_are_a_note(tmp_path: Path, release: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = classic(release, tmp_path / "green")
    shutil.copytree(folder / "scene_002", folder / "scene_001")
    arguments = ("--data", release, "--kind", "saliency", "--name", "green-channel", "-o", tmp_path / "r")
    assert vidsal("score", folder, "--split", "val", *arguments) == 0
    out, err = capsys.readouterr()
    assert "green-channel on synthetic" in out
    assert "note: 1 stimuli of other splits are ignored: scene_001" in err


def test_the_truth_cache_by_name(tmp_path: Path, release: Path, submission: Path) -> None:
    digests = []
    for cache in ("off", tmp_path / "cache", "auto", "build", "auto"):
        out = tmp_path / f"r{len(digests)}"
        assert vidsal("score", submission, "--data", release, "-o", out, "--truth-cache", cache) == 0
        digests.append(json.loads(one(out, "run.json").read_text())["rows_digest"])
    assert len(set(digests)) == 1
    assert list((tmp_path / "cache").rglob("*.truth"))
    assert list((release / ".cache").rglob("*.truth"))


def test_predictions_of_another_data_set_are_reported_before_their_split(
    tmp_path: Path, release: Path, submission: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = shutil.copytree(submission, tmp_path / "other")
    manifest = json.loads((other / "submission.json").read_text())
    manifest["release"].update(id="salicon-2017", dataset="salicon")
    manifest["split"] = "test"
    (other / "submission.json").write_text(json.dumps(manifest))
    assert vidsal("score", other, "--data", release, "-o", tmp_path / "r") == 2
    assert "predictions of salicon-2017, the data is synthetic" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", ["first", "-1", "1.5", "Own", ""])
def test_a_first_number_that_is_none_is_refused_with_all_that_may_be_said(say: Say, tmp_path: Path, wrong: str) -> None:
    code, text = say("score", tmp_path, "--data", tmp_path, "-o", tmp_path / "r", "--first-frame", wrong)
    assert code == 2
    assert f"{wrong!r} is neither a number from 0, that of frame 0, nor own" in text

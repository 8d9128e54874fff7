"""A class of one's own on the command line: it may end, hang or fail, and the exit code is never a false green."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import vidsal as package
from vidsal.benchmark.evaluation.run import Settings, run
from vidsal.benchmark.predictor import ModelInfo, Prediction, StimulusInfo
from vidsal.benchmark.protocols import protocol
from vidsal.cli.app import main
from vidsal.guarded import ready
from vidsal.loaders.errors import BadData
from vidsal.loaders.records import Frame
from vidsal.models import ModelSpec

from ..benchmark.runs import Brightness, small_release

SOURCE = """
import os, signal, sys, time
import numpy as np
from vidsal.benchmark import ModelInfo, Prediction

class Mine:
    info = ModelInfo("brightness", licence="Apache-2.0")

    def __init__(self, at="", how=""):
        self.at, self.how = at, how
        if at == "init":
            self.end()

    def end(self):
        print("printed by the model")
        match self.how:
            case "sys.exit": sys.exit(0)
            case "os._exit": os._exit(0)
            case "hang": time.sleep(60)
            case "OSError": raise OSError("no camera")

    def predict(self, frames, stimulus):
        for frame in frames:
            if stimulus.id == self.at and frame.index == 3 or self.at == "all":
                self.end()
            yield Prediction(frame.index, frame.rgb[..., 1].astype(np.float32))
"""

SETTINGS = Settings(protocol("exact-1"), threads=1)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_release(tmp_path_factory.mktemp("guarded"), frames=6)


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("own") / "mine.py"
    file.write_text(SOURCE)
    return f"{file}:Mine"


def vidsal(*arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(a) for a in arguments])
    assert isinstance(end.value.code, int)
    return end.value.code


def options(at: str, how: str) -> list[str]:
    return ["--option", f"at={at}", "--option", f"how={how}"]


@pytest.mark.usefixtures("cold_children")
def test_a_run_whose_model_ends_at_one_stimulus(
    release: Path, mine: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The others are done and kept, nothing is saved; a mended model does only the rest."""
    command = ("run", mine, "--data", release, "-o", tmp_path / "results")
    assert vidsal(*command, *options("scene_002", "sys.exit")) == 1
    said = capfd.readouterr()
    assert "brightness, scene_002: predict failed after frame 2: SystemExit: 0 (mine.py, line" in said.err
    assert "2 of 3 stimuli are finished and kept" in said.err
    assert "printed by the model" in said.err
    assert said.out == ""
    assert not list(tmp_path.rglob("run.json"))
    kept = {p: p.stat().st_mtime_ns for p in (tmp_path / "results" / ".partial").rglob("*.parquet")}
    assert len(kept) == 2
    assert vidsal(*command, *options("scene_002", "sys.exit"), "--fail-fast") == 1
    assert {p: p.stat().st_mtime_ns for p in kept} == kept


@pytest.mark.usefixtures("warm_children")
def test_a_run_in_a_child_gives_the_same_bytes(release: Path, mine: str, tmp_path: Path) -> None:
    assert vidsal("run", mine, "--data", release, "-o", tmp_path) == 0
    (frames,) = tmp_path.rglob("frames.parquet")
    expected = package.evaluate(Brightness(), package.load(release)).save(tmp_path / "here")
    assert expected.folder is not None
    assert frames.read_bytes() == (expected.folder / "frames.parquet").read_bytes()
    record = json.loads((frames.parent / "run.json").read_text())
    assert record["model"]["kind"] == "custom"
    assert record["model"]["options"]["class"] == "Mine"


@pytest.mark.usefixtures("warm_children")
@pytest.mark.parametrize(
    ("at", "how", "message"),
    [
        ("init", "os._exit", "mine.py:Mine: its process ended itself with exit code 0"),
        ("scene_001", "os._exit", "brightness, scene_001: its process ended itself with exit code 0"),
        ("scene_001", "hang", "brightness, scene_001: no sign of life for 4 s"),
        ("scene_001", "OSError", "brightness, scene_001: predict failed after frame 2: OSError: no camera (mine.py"),
    ],
)
def test_predict_names_the_model(
    release: Path, mine: str, tmp_path: Path, at: str, how: str, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ["predict", mine, "--data", release, "-o", tmp_path / "sub", "--timeout", "4", "--fail-fast"]
    assert vidsal(*arguments, *options(at, how)) == 1
    said = capfd.readouterr()
    assert message in said.err
    assert "fault of vidsal" not in said.err
    assert not (tmp_path / "sub" / "submission.json").exists()


@pytest.mark.usefixtures("warm_children")
@pytest.mark.parametrize(
    ("at", "how", "message"),
    [
        ("all", "os._exit", "mine.py:Mine: its process ended itself with exit code 0"),
        ("all", "sys.exit", "FAIL frames: predict fails: SystemExit: 0"),
    ],
)
def test_check_names_the_model(mine: str, at: str, how: str, message: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert vidsal("model", "check", mine, *options(at, how)) == 1
    said = capfd.readouterr()
    assert message in said.out + said.err


class Slow(ModelSpec):
    """Stands for a model of ours that never ends."""

    def __call__(self) -> Any:
        return Endless()


class Endless(Brightness):
    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        time.sleep(60)
        yield from super().predict(frames, stimulus)


@pytest.mark.usefixtures("warm_children")
def test_the_time_of_a_model_of_ours_has_an_end_where_it_is_asked_for(release: Path, tmp_path: Path) -> None:
    with (
        ready(Slow("center_prior", None, "cpu"), None, 1, 2.0) as made,
        pytest.raises(BadData, match="scene_00.: no sign of life for 2 s"),
    ):
        run(made.make, made.record, package.load(release), SETTINGS, partial=tmp_path, children=made.children)


@pytest.mark.usefixtures("warm_children")
def test_a_time_for_each_frame_moves_no_number(
    release: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, more in (("plain", ()), ("timed", ("--timeout", "99"))):
        assert vidsal("run", "center_prior", "--data", release, "-o", tmp_path / name, "-q", *more) == 0
    plain, timed = (next((tmp_path / name).rglob("frames.parquet")).read_bytes() for name in ("plain", "timed"))
    assert timed == plain
    assert vidsal("run", "one_vs_rest", "--data", release, "-o", tmp_path, "--timeout", "9") == 2
    assert "--timeout: one_vs_rest is no model that takes time" in capfd.readouterr().err


def test_in_a_notebook_the_end_of_the_program_is_an_error(release: Path) -> None:
    class Ends(Brightness):
        info = ModelInfo("ends")

        def predict(self, frames, stimulus):  # type: ignore[no-untyped-def]
            raise SystemExit(0)

    for work in (
        lambda: package.evaluate(Ends(), package.load(release)),
        lambda: package.predict(Ends(), package.load(release), release.parent / "sub"),
    ):
        with pytest.raises(ValueError, match="SystemExit: 0 .*a predictor raises an error"):
            work()

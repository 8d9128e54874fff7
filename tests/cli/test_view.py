"""`vidsal view` as a user meets it: from a model, a folder and an archive to a sheet, a video and histograms."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from .commands import small_release, vidsal

OWN = """
from vidsal.benchmark.predictor import ModelInfo, Prediction


class Corner:
    info = ModelInfo(name="corner", output="point")

    def predict(self, frames, stimulus):
        for frame in frames:
            yield Prediction.point(frame.index, 8.0, 6.0)
"""


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_release(tmp_path_factory.mktemp("view"), videos=2, frames=6)


@pytest.fixture(scope="module")
def stored(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("stored") / "sub"
    assert vidsal("predict", "center_prior", "--data", release, "-o", out) == 0
    return out


@pytest.fixture
def own(tmp_path: Path) -> str:
    (tmp_path / "own.py").write_text(OWN)
    return f"{tmp_path / 'own.py'}:Corner"


def test_a_model_shows_the_same_as_what_it_stored(tmp_path: Path, release: Path, stored: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "sub"), "zip", stored)
    for name, source in (("model", "center_prior"), ("folder", stored), ("archive", archive)):
        out = tmp_path / f"{name}.png"
        words = ("--data", release, "--stimulus", "scene_001", "--sheet-frames", 2)
        assert vidsal("view", source, *words, "-o", out) == 0
    pictures = [np.asarray(Image.open(tmp_path / f"{n}.png")) for n in ("model", "folder", "archive")]
    assert np.array_equal(pictures[0], pictures[1])
    assert np.array_equal(pictures[0], pictures[2])
    assert len(np.unique(pictures[0].reshape(-1, 3), axis=0)) > 1000


def test_a_sheet_as_svg_holds_each_panel_and_text(tmp_path: Path, release: Path, stored: Path, own: str) -> None:
    out = tmp_path / "sheet.svg"
    words = ("--data", release, "--stimulus", "scene_001", "--sheet-frames", 2, "--scores")
    assert vidsal("view", stored, own, *words, "-o", out) == 0
    text = out.read_text()
    assert text.count("<image") == 2 * 4 + 1  # frame, observers and two models; the legend
    for heading in ("frame", "observers", "center_prior", "corner"):
        assert f">{heading}</text>" in text
    assert len(re.findall(r">NSS -?\d+\.\d\d, CC -?\d\.\d\d, SIM \d\.\d\d<", text)) == 2
    table = list(csv.DictReader((tmp_path / "sheet.csv").read_text().splitlines()))
    assert [row["metric"] for row in table] == ["NSS", "CC", "SIM"] * 2
    assert f">NSS {float(table[0]['value']):.2f}, CC" in text
    assert vidsal("view", stored, own, *words, "-o", tmp_path / "again.svg") == 0
    assert (tmp_path / "again.svg").read_bytes() == out.read_bytes()


def test_a_video_has_all_frames_at_their_rate(tmp_path: Path, release: Path, stored: Path, own: str) -> None:
    out = tmp_path / "looking.mp4"
    words = ("--data", release, "--stimulus", "scene_002", "--video", "-o", out)
    assert vidsal("view", stored, "motion_energy", own, *words) == 0
    with av.open(str(out)) as container:
        frames = list(container.decode(video=0))
        assert container.streams.video[0].average_rate == 30
    assert len(frames) == 6


def test_gaze_changes_are_drawn_with_their_table(
    tmp_path: Path, release: Path, own: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "changes.png"
    capsys.readouterr()
    assert vidsal("view", own, "--data", release, "--gaze-changes", "-o", out, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["files"] == [str(out), str(out.with_suffix(".csv"))]
    assert "2 stimuli" in said["title"]
    rows = list(csv.DictReader(out.with_suffix(".csv").read_text().splitlines()))
    lengths = [row for row in rows if row["quantity"] == "length"]
    assert len(lengths) == 99
    assert float(lengths[0]["corner"]) == 1  # it never moves
    assert sum(float(row["observers"]) for row in lengths) == pytest.approx(1, abs=1e-4)
    assert all(float(row["corner"]) == 0 for row in rows if row["quantity"] == "direction")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("center_prior",), 2, "name it with --stimulus"),
        (("center_prior", "--stimulus", "scene_9"), 2, "unknown stimulus"),
        (("center_prior", "--stimulus", "scene_001", "-o", "a.jpg"), 2, "written as .png or .svg"),
        (("center_prior", "--stimulus", "scene_001", "--video", "-o", "a.png"), 2, "written as .mp4"),
        (("center_prior", "--gaze-changes"), 2, "predicts maps"),
        (("one_vs_rest", "--stimulus", "scene_001"), 2, "predicts nothing to look at"),
        (("nothing/here", "--stimulus", "scene_001"), 3, "no such folder, zip or tar file"),
        (("center_prior", "uniform", "--option", "a=1", "--stimulus", "scene_001"), 2, "of one model"),
    ],
)
def test_what_cannot_be_shown_is_said_in_a_line(
    words: tuple[str, ...], code: int, said: str, release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert vidsal("view", *words, "--data", release) == code
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_stimulus_that_a_submission_lacks_is_named(
    tmp_path: Path, release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert vidsal("predict", "uniform", "--data", release, "-o", tmp_path / "one", "--limit", 1) == 0
    capsys.readouterr()
    assert vidsal("view", tmp_path / "one", "--data", release, "--stimulus", "scene_002") == 3
    assert "no predictions of scene_002; it holds scene_001" in capsys.readouterr().err

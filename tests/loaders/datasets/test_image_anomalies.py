"""SALICON, MIT1003 and MIT300 tell what is odd in the same way: in release.json, on stderr, fatal with --strict."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from vidsal.cli.app import _run

A = "COCO_train2014_000000123067"
MIT = "i05june05_static_street_boston_p1010764"


def picture(path: Path, size: tuple[int, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size).save(path)


def salicon_json(root: Path) -> list[str]:
    picture(root / "images" / f"{A}.jpg", (640, 480))
    listed = [{"id": 1, "file_name": f"{A}.jpg", "width": 640, "height": 480}]
    tracks = [{"image_id": 1, "id": 7, "worker_id": 3, "fixations": [[1, 1], [480, 640], [481, 5], [7, 700]]}]
    content = {"images": listed, "annotations": tracks}
    (root / "annotations").mkdir()
    (root / "annotations" / "fixations_train2014.json").write_text(json.dumps(content))
    return ["salicon", "--variant", "2015-json"]


def salicon_mat(root: Path) -> list[str]:
    picture(root / "images" / "train" / f"{A}.jpg", (640, 480))
    worker = np.zeros((1, 1), dtype=[(name, "O") for name in ("location", "timestamp", "fixations")])
    worker[0, 0] = np.array([[1.0, 1], [700, 5]]), np.array([[1.0], [2]]), np.array([[640.0, 480], [641, 5], [5, 0]])
    (root / "train").mkdir()
    savemat(root / "train" / f"{A}.mat", {"image": A, "resolution": [[480, 640]], "gaze": worker})
    return ["salicon", "--variant", "2015"]


def mit1003(root: Path) -> list[str]:
    picture(root / "STIMULI" / f"{MIT}.jpeg", (1024, 768))
    folder = root / "SCANPATHS" / MIT
    folder.mkdir(parents=True)
    for observer in ("CNG", "ajs"):
        (folder / observer).write_text("512 384 0.004 0.3\n1025 5 0.4 0.6\n")
    other = root / "SCANPATHS" / "i05june05_static_street_boston_p1010785"
    other.mkdir()
    (other / "CNG").write_text("512 384 0.004 0.3\n")
    return ["mit1003", "--variant", "fixatons"]


def mit300(root: Path) -> list[str]:
    picture(root / "BenchmarkIMAGES" / "i1.jpg", (40, 30))
    return ["mit300"]


@pytest.mark.parametrize(
    ("make", "outside", "missing"),
    [
        (salicon_json, 2, {"train": 9_999, "val": 5_000, "test": 5_000}),
        (salicon_mat, 2, {"train": 9_999, "val": 5_000, "test": 5_000}),
        (mit1003, 2, {"STIMULI": 1_001, "i05june05_static_street_boston_p1010785": 1}),
        (mit300, 0, {"BenchmarkIMAGES": 299}),
    ],
)
def test_positions_outside_and_missing_images_are_told_and_fatal(make, outside, missing, tmp_path, capsys):
    source = tmp_path / "source"
    source.mkdir()
    places = ["--src", str(source), "--out", str(tmp_path / "out")]
    arguments = ["data", "convert", *make(source), *places, "--workers", "1"]
    assert _run(arguments) == 0
    told = capsys.readouterr().err
    release = json.loads((tmp_path / "out" / "release.json").read_text())
    fatal = [a for a in release["anomalies"] if a["fatal"]]
    assert {w: c for a in fatal if a["kind"] == "missing" for w, c in [(a["where"], a["count"])]}.items() >= (
        missing.items()
    )
    assert (
        sum(a["count"] for a in fatal if a["kind"] == "out-of-range") == outside == release["counts"]["out_of_bounds"]
    )
    for anomaly in release["anomalies"]:
        assert anomaly["message"] in told
    assert _run([*arguments, "--strict"]) == 1
    assert "--strict" in capsys.readouterr().err


def test_mouse_samples_outside_are_noted(tmp_path):
    from vidsal.loaders.conversion.convert import convert

    name, _, variant = salicon_mat(tmp_path)
    result = convert(name, tmp_path, tmp_path / "out", variant=variant, workers=1)
    (note,) = [a for a in result.anomalies if a.where == "samples"]
    assert (note.kind, note.count, note.fatal) == ("out-of-range", 1, False)
    assert f"{A} (1)" in note.message

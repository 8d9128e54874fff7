"""pysaliency's objects: the HDF5 holds what it must, and pysaliency itself, where it is installed, loads and scores it."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

import vidsal
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets.synthetic.write import generate
from vidsal.loaders.errors import WrongUse
from vidsal.loaders.export import export

from ..releases import image, stimulus, write_release

SCORE = """
import json, sys, types
import numpy as np
np.trapz, np.in1d = np.trapezoid, np.isin        # what today's NumPy has lost and pysaliency 0.2.22 still calls
try:
    import pkg_resources
except ModuleNotFoundError:                      # today's setuptools has lost it; only MATLAB models need it
    stand_in = types.ModuleType("pkg_resources")
    stand_in.resource_string = stand_in.resource_filename = stand_in.resource_listdir = None
    sys.modules["pkg_resources"] = stand_in
import pysaliency

class Slope(pysaliency.SaliencyMapModel):
    def _saliency_map(self, stimulus):
        height, width = stimulus.shape[:2]
        return np.add.outer(np.arange(height) * 3.0, np.arange(width) ** 1.5)

def read(folder):
  stimuli = pysaliency.read_hdf5(folder + "/stimuli.hdf5")
  fixations = pysaliency.read_hdf5(folder + "/fixations.hdf5")
  return {
    "stimuli": [type(stimuli).__name__, len(stimuli), [list(map(int, s)) for s in stimuli.shapes[:3]]],
    "names": [str(s) for s in stimuli.attributes["stimulus_id"]],
    "pictures": [np.asarray(stimuli[i].stimulus_data).tolist() for i in (0, len(stimuli) - 1)],
    "fixations": type(fixations).__name__,
    "x": np.asarray(fixations.x).tolist(), "y": np.asarray(fixations.y).tolist(), "n": np.asarray(fixations.n).tolist(),
    "subjects": np.asarray(fixations.subjects).tolist(),
    "history": [[v for v in row if v == v] for row in np.asarray(fixations.x_hist).tolist()][:12],
    "nss": float(Slope().NSS(stimuli, fixations)), "auc": float(Slope().AUC(stimuli, fixations)),
  }

print(json.dumps([read(folder) for folder in sys.argv[1:]]))
"""


def pysaliency_reads(*folders: Path) -> list[dict]:
    if find_spec("pysaliency") is None:
        pytest.skip("pysaliency is not installed; `pip install pysaliency` brings this test to life")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCORE, *map(str, folders)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def slope(height: int, width: int) -> np.ndarray:
    return np.add.outer(np.arange(height) * 3.0, np.arange(width) ** 1.5)


def nss_by_hand(x, y, n, sizes) -> float:
    """Mean over the fixations of the z-score at their pixels."""
    values = []
    for at_x, at_y, picture in zip(x, y, n, strict=True):
        values_of = slope(*sizes[picture])
        values.append((values_of[int(at_y), int(at_x)] - values_of.mean()) / values_of.std())
    return float(np.mean(values))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    frames = tmp_path / "frames"
    frames.mkdir()
    Image.fromarray(np.arange(30 * 40 * 3, dtype=np.uint32).reshape(30, 40, 3).astype(np.uint8)).save(frames / "a.png")
    Image.fromarray(np.full((20, 25), 9, np.uint8)).save(frames / "b.png")
    rows = {
        "event": "fixation",
        "observer_id": ["Z", "A", "A", "A", "A", "A"],
        "trial_id": ["1", "2", "1", "2", "2", "1"],
        "order": np.array([1, 2, 0, 0, 1, 3], np.int32),
        "frame": np.zeros(6, np.int32),
        "x_px": np.array([5.5, 6.5, 7.5, 8.5, 99.0, 9.5]),
        "y_px": np.array([1.5, 2.5, 3.5, 4.5, 1.0, 5.5]),
        "onset_ms": np.array([400.0, 300.0, 200.0, 100.0, 150.0, 900.0]),
        "duration_ms": np.array([10.0, np.nan, 30.0, 40.0, 50.0, 60.0]),
    }
    other = {k: v if isinstance(v, str) else v[:1] for k, v in rows.items()}
    lines = [image("a"), image("b", width=25, height=20), image("c", annotated=False)]
    return write_release(tmp_path / "r", lines, {"a": rows, "b": other}, frames_root=frames)


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    generate(tmp_path / "source", videos=2, frames=6, width=32, height=24, observers=2, seed=2, val=0)
    convert("synthetic", tmp_path / "source", tmp_path / "videos", workers=1)
    return tmp_path / "videos"


@pytest.fixture
def pooled(tmp_path: Path) -> Path:
    rows = {"event": "point", "frame": np.array([0, 1, 4], np.int32), "x_px": np.ones(3), "y_px": np.arange(3) + 0.0}
    return write_release(tmp_path / "pooled", [stimulus("v", annotated_frames=[1, 1, 4, 5])], {"v": rows})


def test_scanpaths_of_images(images: Path, tmp_path: Path) -> None:
    assert export(vidsal.load(images), "pysaliency", tmp_path / "out") == []
    with h5py.File(tmp_path / "out" / "fixations.hdf5") as file:
        assert file.attrs["type"] == b"FixationTrains"
        assert file["train_xs"][...].tolist()[0] == [7.5, 9.5]
        assert file["train_xs"][2].tolist() == [5.5, pytest.approx(np.nan, nan_ok=True)]
        assert file["train_xs"][1].tolist() == [8.5, 6.5]  # by order; the one outside is no point
        assert file["train_ts"][1].tolist() == [0.1, 0.3]
        assert file["train_subjects"][...].tolist() == [0, 0, 1, 1]
        assert file["train_ns"][...].tolist() == [0, 0, 0, 1]
        durations = file["scanpath_fixation_attributes"]["durations"][...]
        np.testing.assert_allclose(durations[:2], [[0.03, 0.06], [0.04, np.nan]])
    copied = tmp_path / "out" / "pictures" / "a.png"
    assert copied.read_bytes() == (tmp_path / "frames" / "a.png").read_bytes()


def test_frames_of_videos(videos: Path, tmp_path: Path) -> None:
    ds = vidsal.load(videos)
    notes = export(ds, "pysaliency", tmp_path / "out")
    assert len(notes) == 1
    pictures = sorted((tmp_path / "out" / "pictures" / "scene_002").iterdir())
    for frame, path in zip(ds["scene_002"].frames(), pictures, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(path)), frame.rgb)
    expected = [ds[s].points(f) for s in ds.ids for f in range(6)]
    with h5py.File(tmp_path / "out" / "fixations.hdf5") as file:
        columns = {k: file[k][...] for k in ("x", "y", "n", "subjects", "t")}
        assert file["x_hist"].shape == (len(columns["x"]), 1)
    for number, points in enumerate(expected):
        own = columns["n"] == number
        stored = np.stack([columns["x"][own], columns["y"][own]], axis=1)
        np.testing.assert_array_equal(np.sort(stored, axis=0), np.sort(points.astype(np.float64), axis=0))
    assert set(columns["subjects"].tolist()) == {0, 1}


def test_pooled_videos_without_frames(pooled: Path, tmp_path: Path) -> None:
    notes = export(vidsal.load(pooled), "pysaliency", tmp_path / "out")
    assert notes[0] == "3 of 3 pictures are grey: their frames are not on this machine"
    with h5py.File(tmp_path / "out" / "stimuli.hdf5") as file:
        assert file["frame"][...].tolist() == [1, 4, 5]
        assert file["has_picture"][...].tolist() == [0, 0, 0]
    with h5py.File(tmp_path / "out" / "fixations.hdf5") as file:
        assert file["n"][...].tolist() == [0, 1]  # frame 0 is not annotated
        assert file["subjects"][...].tolist() == [-1, -1]
        assert np.isnan(file["t"][...]).all()


def test_equal_releases_give_equal_bytes(images: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        export(vidsal.load(images), "pysaliency", tmp_path / name)
    for file in ("stimuli.hdf5", "fixations.hdf5"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_nothing_annotated_is_refused(tmp_path: Path) -> None:
    root = write_release(tmp_path / "r", [image("a", annotated=False)])
    with pytest.raises(WrongUse, match="no stimulus of this split is annotated"):
        export(vidsal.load(root), "pysaliency", tmp_path / "out")


def test_pysaliency_loads_and_scores_them(images: Path, videos: Path, pooled: Path, tmp_path: Path) -> None:
    folders = [tmp_path / f"out-{n}" for n in range(3)]
    for root, folder in zip((images, videos, pooled), folders, strict=True):
        export(vidsal.load(root), "pysaliency", folder)
    still, moving, gray = pysaliency_reads(*folders)
    assert still["stimuli"] == ["FileStimuli", 2, [[30, 40, 3], [20, 25]]]
    assert still["names"] == ["a", "b"]
    assert still["pictures"][1] == np.full((20, 25), 9).tolist()
    assert still["fixations"] == "FixationTrains"
    assert still["x"] == [7.5, 9.5, 8.5, 6.5, 5.5, 5.5]
    assert still["history"] == [[], [7.5], [], [8.5], [], []]
    assert still["subjects"] == [0, 0, 0, 0, 1, 1]
    assert still["nss"] == pytest.approx(nss_by_hand(still["x"], still["y"], still["n"], [(30, 40), (20, 25)]))
    assert moving["stimuli"] == ["FileStimuli", 12, [[24, 32, 3]] * 3]
    assert moving["fixations"] == "Fixations"
    points = np.concatenate([vidsal.load(videos)[s].points(f) for s in ("scene_001", "scene_002") for f in range(6)])
    np.testing.assert_array_equal(np.sort(moving["x"]), np.sort(points[:, 0].astype(np.float64)))
    assert moving["nss"] == pytest.approx(nss_by_hand(moving["x"], moving["y"], moving["n"], [(24, 32)] * 12))
    assert 0 <= moving["auc"] <= 1
    assert gray["y"] == [1.0, 2.0]
    assert np.array(gray["pictures"][0]).shape == (30, 40, 3)

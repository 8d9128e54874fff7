"""DHF1K's folders: the same pixels come back through the loader of the released maps, and others' readers read them."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

import vidsal
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.errors import UnknownName, WrongUse
from vidsal.loaders.export import Options, export
from vidsal.loaders.export.dhf1k import fixation_map, gray, mat_bytes, number

from ..releases import stimulus, write_release


def gray_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.mode == "L"
        return np.asarray(image)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    random = np.random.default_rng(5)
    n = 60
    rows = {
        "event": "point",
        "observer_id": [f"P{i % 5:02d}" for i in range(n)],
        "frame": np.sort(random.integers(0, 4, n)).astype(np.int32),
        "x_px": random.uniform(-20, 660, n),
        "y_px": random.uniform(0, 360, n),
    }
    rows["x_px"][:4] = [0.0, 639.99, 100.25, 100.75]  # the corners, and two of one pixel
    rows["y_px"][:4] = [0.0, 359.99, 50.5, 50.5]
    size = {"width": 640, "height": 360, "n_frames": 4, "dataset": "dhf1k"}
    lines = [stimulus("002", split="train", **size), stimulus("1000", split="test", **size, annotated=False)]
    return write_release(tmp_path / "release", lines, {"002": rows})


def test_the_pixels_come_back(root: Path, tmp_path: Path) -> None:
    ds = vidsal.load(root)
    notes = export(ds, "dhf1k", tmp_path / "out")
    assert notes == ["the observers are pooled: a map does not say how many looked at a pixel, nor who"]
    convert("dhf1k", tmp_path / "out", tmp_path / "back", variant="released", workers=1)
    back = vidsal.load(tmp_path / "back")
    assert back.ids == ("002",)
    for frame in range(4):
        before = {tuple(p) for p in np.floor(ds["002"].points(frame)).astype(int).tolist()}
        after = [tuple(p) for p in (back["002"].points(frame) - 0.5).astype(int).tolist()]
        assert len(after) == len(set(after))
        assert set(after) == before
    fixation = tmp_path / "out" / "annotation" / "0002" / "fixation"
    for frame in range(1, 5):
        pixels = gray_of(fixation / f"{frame:04d}.png")
        assert set(np.unique(pixels)) == {0, 255}
        mat = scipy.io.loadmat(fixation / "maps" / f"{frame:04d}.mat")
        np.testing.assert_array_equal(mat["I"] * 255, pixels)
    assert scipy.io.whosmat(fixation / "maps" / "0001.mat") == [("I", (360, 640), "double")]


def test_the_densities_are_those_of_the_release(root: Path, tmp_path: Path) -> None:
    ds = vidsal.load(root)
    export(ds, "dhf1k", tmp_path / "out", Options(recipe="plain"))
    for frame in range(4):
        density = ds["002"].density(frame).astype(np.float64)
        written = gray_of(tmp_path / "out" / "annotation" / "0002" / "maps" / f"{frame + 1:04d}.png")
        assert written.max() == 255
        assert np.abs(written - density / density.max() * 255).max() <= 0.5 + 1e-4


def test_the_index_names_everything(root: Path, tmp_path: Path) -> None:
    export(vidsal.load(root), "dhf1k", tmp_path / "out")
    with (tmp_path / "out" / "index.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [(r["number"], r["stimulus_id"], r["annotated"]) for r in lines] == [
        ("2", "002", "true"),
        ("1000", "1000", "false"),
    ]
    assert [p.name for p in (tmp_path / "out" / "annotation").iterdir()] == ["0002"]


def test_frames_without_annotation_have_no_file_and_blank_ones_a_blank_map(tmp_path: Path) -> None:
    rows = {"event": "point", "frame": np.array([2], np.int32), "x_px": np.ones(1), "y_px": np.ones(1)}
    root = write_release(tmp_path / "r", [stimulus("b", annotated_frames=[2, 3], n_observers=None)], {"b": rows})
    notes = export(vidsal.load(root), "dhf1k", tmp_path / "out")
    assert notes == ["frames that are not annotated have no map; index.csv lists the frames"]
    folder = tmp_path / "out" / "annotation" / "0001"
    for kind in ("maps", "fixation"):
        assert sorted(p.name for p in (folder / kind).glob("*.png")) == ["0003.png", "0004.png"]
        assert gray_of(folder / kind / "0003.png").any()
        assert not gray_of(folder / kind / "0004.png").any()


def test_workers_change_no_byte(root: Path, tmp_path: Path) -> None:
    ds = vidsal.load(root)
    for name, workers in (("one", 1), ("two", 2)):
        export(ds, "dhf1k", tmp_path / name, Options(workers=workers))
    files = [p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.is_file()]
    assert len(files) == 4 * 3 + 1
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_nothing_annotated_and_unknown_recipes(root: Path, tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="no stimulus of this split is annotated"):
        export(vidsal.load(root, "test"), "dhf1k", tmp_path / "out")
    with pytest.raises(UnknownName, match="truth recipe"):
        export(vidsal.load(root), "dhf1k", tmp_path / "out", Options(recipe="smooth"))


def test_numbers() -> None:
    assert number(("002", "2")) == {"002": 1, "2": 2}  # the same number twice: counted instead
    assert number(("0", "1")) == {"0": 1, "1": 2}
    assert number(("7", "\u0663")) == {"7": 1, "\u0663": 2}


def test_small_maps() -> None:
    assert fixation_map(np.array([[0.5, 1.99], [0.0, 1.0]], np.float32), 2, 3).tolist() == [[0, 0, 0], [1, 0, 0]]
    assert fixation_map(np.empty((0, 2), np.float32), 1, 2).tolist() == [[0, 0]]
    assert gray(np.array([[0.0, 0.1, 0.4]], np.float32)).tolist() == [[0, 64, 255]]
    assert gray(np.zeros((1, 2), np.float32)).tolist() == [[0, 0]]


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (8, 8), (1, 9)])
def test_mat_files_of_any_size_are_read(shape: tuple[int, int]) -> None:
    values = np.random.default_rng(1).integers(0, 2, shape).astype(np.uint8)
    data = mat_bytes(values)
    assert data == mat_bytes(values)
    np.testing.assert_array_equal(scipy.io.loadmat(io.BytesIO(data))["I"], values)


@pytest.mark.data
def test_the_real_maps_of_video_601_come_back(samples: Path, tmp_path: Path) -> None:
    convert("dhf1k", samples / "dhf1k", tmp_path / "release", variant="released", workers=1)
    export(vidsal.load(tmp_path / "release"), "dhf1k", tmp_path / "out")
    source, copy = samples / "dhf1k" / "annotation" / "0601", tmp_path / "out" / "annotation" / "0601"
    for real in sorted((source / "fixation").glob("*.png")):
        np.testing.assert_array_equal(gray_of(copy / "fixation" / real.name), gray_of(real))
        theirs = scipy.io.loadmat(source / "fixation" / "maps" / f"{real.stem}.mat")["I"]
        np.testing.assert_array_equal(scipy.io.loadmat(copy / "fixation" / "maps" / f"{real.stem}.mat")["I"], theirs)
        density = gray_of(source / "maps" / real.name).astype(int)
        assert np.abs(gray_of(copy / "maps" / real.name) - density).max() <= 1

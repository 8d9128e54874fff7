from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vidsal.loaders.errors import BadData, MissingData, NonFinite, WrongUse
from vidsal.metrics import score_maps

RNG = np.random.default_rng(11)
MAPS = {f"{video}/{frame}": RNG.integers(0, 256, (12, 18), np.uint8) for video in ("a", "b") for frame in (1, 2, 10)}
FIXATED = {key: (RNG.random((24, 36)) < 0.02).astype(np.uint8) * 255 for key in MAPS}
DENSITIES = {key: RNG.random((24, 36)).astype(np.float32) for key in MAPS}


def write(path: Path, values: np.ndarray[Any, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, values)
    else:
        Image.fromarray(values).save(path)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Three folders that name the same frames in three ways."""
    ours, theirs, more = tmp_path / "ours", tmp_path / "theirs", tmp_path / "more"
    for key in MAPS:
        video, frame = key.split("/")
        write(ours / f"pred_{video.upper()}" / f"frame_{int(frame):05d}.png", MAPS[key])
        write(theirs / video / f"{frame}.bmp", FIXATED[key])
        write(more / video / f"{int(frame):03d}.npy", DENSITIES[key])
    (ours / ".DS_Store").write_bytes(b"x")
    return ours, theirs, more


def test_folders_score_as_the_arrays_in_them(folders: tuple[Path, Path, Path]) -> None:
    ours, theirs, more = folders
    arrays = [list(found.values()) for found in (MAPS, FIXATED, DENSITIES)]
    assert score_maps(ours, theirs, more) == pytest.approx(score_maps(*arrays), abs=1e-14, nan_ok=True)
    alone = score_maps(str(ours / "pred_A"), str(theirs / "a"))
    half = {key: value for key, value in MAPS.items() if key.startswith("a")}
    expected = score_maps(list(half.values()), [FIXATED[key] for key in half])
    assert alone == pytest.approx(expected, abs=1e-14, nan_ok=True)
    assert math.isnan(alone["CC"])
    assert (
        score_maps(ours, more, protocol="dhf1k-1")["CC"] == score_maps(arrays[0], arrays[2], protocol="dhf1k-1")["CC"]
    )


def test_the_order_of_names_does_not_pair_by_chance(tmp_path: Path) -> None:
    for n, name in ((2, "2"), (10, "10")):  # as texts, 10 comes first
        write(tmp_path / "p" / f"{n:02d}.png", np.full((4, 4), n, np.uint8) * np.eye(4, dtype=np.uint8))
        write(tmp_path / "t" / f"{name}.png", (np.eye(4) if n == 2 else np.fliplr(np.eye(4))).astype(np.uint8) * 255)
    write(tmp_path / "p" / "10.png", np.fliplr(np.eye(4)).astype(np.uint8) * 9)
    assert score_maps(tmp_path / "p", tmp_path / "t")["AUC-J"] == 1.0


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda a, b: (a / "pred_A" / "frame_00002.png").unlink(), r"theirs/a/2\.bmp has no prediction"),
        (lambda a, b: (b / "a" / "2.bmp").unlink(), r"ours/pred_A/frame_00002\.png has no truth"),
        (
            lambda a, b: write(a / "pred_A" / "frame_2.png", MAPS["a/2"]),
            r"have one truth",
        ),
        (lambda a, b: write(b / "a" / "02.bmp", FIXATED["a/2"]), r"has no truth: it may be 2 or 02|it may be 02 or 2"),
        (lambda a, b: write(b / "a" / "2.png", FIXATED["a/2"]), r"have one name"),
        (lambda a, b: (a / "pred_A" / "notes.txt").write_text("x"), r"notes\.txt is no map"),
        (lambda a, b: (b / "c").mkdir(), r"theirs/c has no prediction"),
        (lambda a, b: (a / "pred_A" / "frame_00002.png").write_bytes(b"x"), r"frame_00002\.png: not a PNG file"),
        (
            lambda a, b: write(a / "pred_A" / "frame_00002.png", np.full((5, 5, 3), (1, 2, 3), np.uint8)),
            r"frame_00002\.png: the picture has colors",
        ),
    ],
)
def test_what_does_not_match_or_is_no_map_is_named(folders: tuple[Path, Path, Path], spoil: Any, message: str) -> None:
    spoil(*folders[:2])
    with pytest.raises(BadData, match=message):
        score_maps(*folders[:2])


def test_faults_of_use_are_told(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    ours, theirs, more = folders
    with pytest.raises(WrongUse, match="both arrays or both folders"):
        score_maps(ours, list(FIXATED.values()))
    with pytest.raises(MissingData, match="nowhere: no such folder"):
        score_maps(ours, tmp_path / "nowhere")
    (tmp_path / "x").mkdir()
    (tmp_path / "y").mkdir()
    with pytest.raises(MissingData, match="no map is here"):
        score_maps(tmp_path / "x", tmp_path / "y")
    with pytest.raises(WrongUse, match=r"frame_00001\.png: its truth is no fixation map"):
        score_maps(ours, more, more)
    write(ours / "pred_B" / "frame_00010.png", np.zeros((12, 18), np.uint8))
    (ours / "pred_B" / "frame_00010.png").unlink()
    write(ours / "pred_B" / "frame_00010.npy", np.full((12, 18), np.nan, np.float32))
    with pytest.raises(NonFinite, match=r"frame_00010\.npy: "):
        score_maps(ours, theirs)


def test_maps_of_another_aspect_are_stretched_and_said_once(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    truths = [random.random((12, 20)) < 0.1 for _ in range(3)]
    maps = [random.random((12, 20)) for _ in range(3)]
    with pytest.warns(UserWarning, match=r"2 of 3 predictions have another aspect .* prediction 1 of 12 x 20 .*transp"):
        score_maps([maps[0], maps[1].T, maps[2].T], truths)
    score_maps([m[::2, ::2] for m in maps], truths)  # of the same aspect: a warning would be an error here

"""BIDS back: what `export` wrote gives the same fixations and samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vidsal.loaders.conversion.convert import convert, convert_own
from vidsal.loaders.datasets.synthetic.write import generate
from vidsal.loaders.errors import MissingData
from vidsal.loaders.export import export
from vidsal.loaders.own.bids import BidsForm
from vidsal.loaders.release.release import Release, load

from ..releases import image, stimulus, write_release
from ..trees import dhf1k_raw

KEYS = ["stimulus_id", "observer_id", "event", "onset_ms"]


def back(release: Path, folder: Path) -> tuple[Release, Release]:
    export(load(release), "bids", folder / "bids")
    convert_own(BidsForm(folder / "bids"), folder / "bids", folder / "back", workers=1)
    return load(release), load(folder / "back")


def rows(release: Release, *columns: str) -> pd.DataFrame:
    table = release.fixations[[*KEYS, *columns]].astype(dict.fromkeys(KEYS[:3], str))
    return table.sort_values(KEYS, kind="stable").reset_index(drop=True)


def test_points_and_gaze_of_raw_samples(tmp_path: Path) -> None:
    convert("dhf1k", dhf1k_raw(tmp_path / "src"), tmp_path / "out", variant="raw", workers=1)
    before, after = back(tmp_path / "out", tmp_path)
    columns = ("frame", "x_px", "y_px", "x_screen_px", "y_screen_px")
    pd.testing.assert_frame_equal(rows(before, *columns), rows(after, *columns), check_dtype=False, rtol=1e-6)
    assert before.table("gaze").num_rows == after.table("gaze").num_rows
    assert before.table("gaze")["t_us"].to_pylist() == after.table("gaze")["t_us"].to_pylist()
    assert [s.fps for s in before] == [s.fps for s in after]


def test_labelled_events_and_samples(tmp_path: Path) -> None:
    generate(tmp_path / "src", videos=2, frames=40, width=64, height=48, observers=2, write_video=False)
    convert("synthetic", tmp_path / "src", tmp_path / "out", workers=1)
    before, after = back(tmp_path / "out", tmp_path)
    columns = ("duration_ms", "frame", "x_px", "y_px")
    pd.testing.assert_frame_equal(rows(before, *columns), rows(after, *columns), check_dtype=False, rtol=1e-4)
    ends = rows(before, "frame_end").frame_end - rows(after, "frame_end").frame_end
    assert ends.abs().max() <= 1  # BIDS has the duration, not the frame in which an event ends
    assert before.table("gaze")["label"].to_pylist() == after.table("gaze")["label"].to_pylist()
    assert [(s.id, s.split, s.n_frames, s.width) for s in before] == [
        (s.id, s.split, s.n_frames, s.width) for s in after
    ]


def test_fixations_without_samples_and_an_image(tmp_path: Path) -> None:
    fixations = {
        "observer_id": ["a-1", "a-1", "b"],
        "event": "fixation",
        "frame": np.array([0, 3, 1]),
        "frame_end": np.array([2, 4, 1]),
        "onset_ms": [0.0, 300.0, 100.0],
        "duration_ms": [250.0, 150.0, 50.0],
        "x_px": [1.5, 2.0, 3.25],
        "y_px": [4.0, 5.0, 6.5],
    }
    still = {"observer_id": ["b"], "event": "fixation", "frame": [0], "onset_ms": [20.0], "x_px": [7.0], "y_px": [8.0]}
    write_release(tmp_path / "out", [stimulus("clip"), image("photo")], {"clip": fixations, "photo": still})
    before, after = back(tmp_path / "out", tmp_path)
    columns = ("frame", "duration_ms", "x_px", "y_px")
    pd.testing.assert_frame_equal(rows(before, *columns), rows(after, *columns), check_dtype=False)
    assert after["photo"].kind == "image"
    assert rows(after, "frame_end").frame_end.tolist()[:2] == [2, 4]


def test_without_runs_the_remedy_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match=r"no sourcedata/runs\.tsv.*vidsal data convert table"):
        convert_own(BidsForm(tmp_path), tmp_path, tmp_path / "out")

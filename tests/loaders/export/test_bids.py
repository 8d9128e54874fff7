"""BIDS: what the specification asks for, value by value; and the official validator, where it is installed."""

from __future__ import annotations

import csv
import gzip
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vidsal
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets.synthetic.write import generate
from vidsal.loaders.errors import WrongUse
from vidsal.loaders.export import export
from vidsal.loaders.records import Screen

from ..releases import image, stimulus, write_release

DISPLAY = Screen(width_px=1280, height_px=1024, width_mm=475.0, height_mm=295.0, distance_mm=600.0)


def tsv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def lines_of(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in gzip.decompress(path.read_bytes()).decode().splitlines()]


def validator() -> str | None:
    here = Path(sys.executable).parent / "bids-validator-deno"
    return str(here) if here.is_file() else shutil.which("bids-validator-deno")


def check(root: Path) -> None:
    """The official validator finds no error, in any row."""
    program = validator()
    if program is None:
        pytest.skip("the official validator is not installed; `pip install bids-validator-deno` brings this to life")
    done = subprocess.run([program, "--format", "json", "--max-rows", "-1", str(root)], capture_output=True, text=True)
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [i for i in issues if i["severity"] == "error"] == []
    allowed = {"SIDECAR_KEY_RECOMMENDED", "JSON_KEY_RECOMMENDED", "NO_AUTHORS", "TOO_FEW_AUTHORS", "UNKNOWN_PUPIL_SIZE"}
    assert {i["code"] for i in issues} <= allowed


@pytest.fixture
def on_screen(tmp_path: Path) -> Path:
    """Samples with screen positions on a known display, with pupil and labels; two observers, one with two trials."""
    t = [0, 4000, 8000, 0, 4000, -2000, 1000]
    gaze = {
        "observer_id": ["P-1"] * 3 + ["P 1"] * 4,
        "trial_id": [None, None, None, "1", "1", "2", "2"],
        "t_us": np.array(t),
        "x_px": np.arange(7) + 0.25,
        "y_px": np.arange(7) * 2 + 1 / 3,
        "x_screen_px": np.arange(7) * 10.0,
        "y_screen_px": np.arange(7) * 20.0,
        "pupil": np.array([3.5, np.nan, 3.6, 3.0, 3.0, 3.0, 3.0]),
        "label": ["Fixation", "Saccade", "-", None, None, None, None],
    }
    events = {
        "event": ["fixation", "saccade"],
        "observer_id": "P-1",
        "frame": np.zeros(2, np.int32),
        "onset_ms": np.array([4.0, 0.0]),
        "duration_ms": np.array([8.0, 4.0]),
        "x_px": np.array([1.5, 2.5]),
        "y_px": np.array([3.5, 4.5]),
        "order": np.array([1, 0], np.int32),
    }
    lines = [stimulus("empty"), stimulus("a"), stimulus("b")]
    rest = {k: v[:1] for k, v in gaze.items()}
    return write_release(tmp_path / "r", lines, {"a": events}, {"a": gaze, "b": rest}, screen=DISPLAY)


def test_samples_on_a_known_display(on_screen: Path, tmp_path: Path) -> None:
    notes = export(vidsal.load(on_screen), "bids", out := tmp_path / "out")
    assert notes == ["the source does not say which eye was recorded: RecordedEye is cyclopean, with a note beside it"]
    people = {r["observer_id"]: r["participant_id"] for r in tsv(out / "participants.tsv")}
    assert people == {"P 1": "sub-P1", "P-1": "sub-P1x2"}
    base = out / "sub-P1x2" / "beh" / "sub-P1x2_task-viewing_run-002"
    rows = lines_of(Path(f"{base}_recording-eye1_physio.tsv.gz"))
    about = json.loads(Path(f"{base}_recording-eye1_physio.json").read_text())
    assert about["Columns"] == [
        "timestamp", "x_coordinate", "y_coordinate", "pupil_size", "x_stimulus", "y_stimulus", "label",
    ]  # fmt: skip
    assert rows[0] == ["0", "0", "0", "3.5", "0.25", "0.33333334", "fixation"]
    assert rows[1][3] == "n/a"
    assert [r[6] for r in rows] == ["fixation", "saccade", "-"]
    assert about["SampleCoordinateSystem"] == "gaze-on-screen"
    assert (about["SamplingFrequency"], about["StartTime"]) == (250.0, 0.0)
    assert (about["PhysioType"], about["RecordedEye"]) == ("eyetrack", "cyclopean")
    assert about["x_coordinate"]["Units"] == about["y_coordinate"]["Units"] == "pixel"
    events = lines_of(Path(f"{base}_recording-eye1_physioevents.tsv.gz"))
    assert events == [["0", "0.004", "saccade", "2.5", "4.5"], ["4000", "0.008", "fixation", "1.5", "3.5"]]
    assert json.loads(Path(f"{base}_recording-eye1_physioevents.json").read_text())["OnsetSource"] == "timestamp"
    display = json.loads((out / "task-viewing_events.json").read_text())["StimulusPresentation"]
    assert display == {
        "ScreenOrigin": ["top", "left"],
        "ScreenDistance": 0.6,
        "ScreenResolution": [1280, 1024],
        "ScreenSize": [0.475, 0.295],
    }


def test_runs_are_the_same_for_all_and_trials_have_their_own(on_screen: Path, tmp_path: Path) -> None:
    export(vidsal.load(on_screen), "bids", out := tmp_path / "out")
    runs = [(r["run"], r["stimulus_id"]) for r in tsv(out / "sourcedata" / "runs.tsv")]
    assert runs == [("1", "empty"), ("2", "a"), ("3", "a"), ("4", "b")]
    found = sorted(p.name.removesuffix("_events.tsv") for p in out.rglob("*_events.tsv"))
    assert found == [
        "sub-P1_task-viewing_run-002",
        "sub-P1_task-viewing_run-003",
        "sub-P1x2_task-viewing_run-002",
        "sub-P1x2_task-viewing_run-004",
    ]
    second = out / "sub-P1" / "beh" / "sub-P1_task-viewing_run-003_recording-eye1_physio"
    assert [r[0] for r in lines_of(Path(f"{second}.tsv.gz"))] == ["-2000", "1000"]
    assert json.loads(Path(f"{second}.json").read_text())["StartTime"] == -0.002
    (shown,) = tsv(out / "sub-P1" / "beh" / "sub-P1_task-viewing_run-003_events.tsv")
    assert (shown["trial_type"], shown["identifier"], shown["onset"], shown["duration"]) == ("stimulus", "a", "0", "1")


def test_fixations_without_samples_are_events(tmp_path: Path) -> None:
    rows = {
        "event": "fixation",
        "observer_id": ["01", "01", "02", None],
        "frame": np.array([3, 0, 1, 1], np.int32),
        "frame_end": np.array([4, 2, 2, 2], np.int32),
        "onset_ms": np.array([300.0, -10.0, np.nan, 100.0]),
        "duration_ms": np.array([150.0, 250.0, 1.0, 1.0]),
        "x_px": np.array([1.5, 99.0, 1, 1]),
        "y_px": np.array([2.5, 3.5, 1, 1]),
    }
    root = write_release(tmp_path / "r", [stimulus("a"), image("b")], {"a": rows})
    notes = export(vidsal.load(root), "bids", out := tmp_path / "out")
    assert [re.sub(r" .*", "", n) for n in notes] == ["1", "1", "1"]
    events = tsv(out / "sub-01" / "beh" / "sub-01_task-viewing_run-001_events.tsv")
    assert [(e["onset"], e["duration"], e["trial_type"]) for e in events] == [
        ("-0.01", "0.25", "fixation"),
        ("0", "1", "stimulus"),
        ("0.3", "0.15", "fixation"),
    ]
    assert (events[0]["in_bounds"], events[0]["x_px"], events[0]["frame_end"]) == ("false", "99", "2")
    assert not (out / "sub-02").exists()
    assert not list(out.rglob("*physio*"))


def test_an_unknown_display_makes_custom_coordinates(tmp_path: Path) -> None:
    generate(tmp_path / "source", videos=2, frames=8, width=32, height=24, observers=2, val=1)
    convert("synthetic", tmp_path / "source", tmp_path / "release", workers=1)
    ds = vidsal.load(tmp_path / "release", "val")
    export(ds, "bids", out := tmp_path / "out")
    (path,) = (out / "sub-O01" / "beh").glob("*_physio.json")
    about = json.loads(path.read_text())
    assert about["SampleCoordinateSystem"] == "custom"
    assert "pixels of the stimulus" in about["SampleCoordinateSystemDescription"]
    gaze = ds.table("gaze").to_pandas()
    gaze = gaze[gaze["observer_id"] == "O01"]
    rows = lines_of(path.with_suffix("").with_suffix(".tsv.gz"))
    assert [int(r[0]) for r in rows] == gaze["t_us"].tolist()
    assert [np.float32(r[1]) for r in rows] == gaze["x_px"].tolist()


def test_equal_releases_give_equal_bytes(on_screen: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        export(vidsal.load(on_screen), "bids", tmp_path / name)
    files = [p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.is_file()]
    assert len(files) > 15
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ({"event": "point", "frame": np.zeros(1, np.int32)}, "observers are pooled"),
        ({"event": "fixation", "observer_id": "A", "frame": np.zeros(1, np.int32)}, "gaze has no times"),
    ],
)
def test_what_bids_can_not_hold_is_refused(tmp_path: Path, rows: dict[str, Any], why: str) -> None:
    at = {"x_px": np.ones(1), "y_px": np.ones(1)}
    root = write_release(tmp_path / "r", [stimulus("a")], {"a": {**rows, **at}})
    with pytest.raises(WrongUse, match=why):
        export(vidsal.load(root), "bids", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_official_validator(on_screen: Path, tmp_path: Path) -> None:
    export(vidsal.load(on_screen), "bids", tmp_path / "screen")
    check(tmp_path / "screen")
    generate(tmp_path / "source", videos=2, frames=20, width=32, height=24, observers=2, val=1)
    convert("synthetic", tmp_path / "source", tmp_path / "release", workers=1)
    export(vidsal.load(tmp_path / "release"), "bids", tmp_path / "video")
    check(tmp_path / "video")


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "variant", "folder"),
    [("dhf1k", "raw", "dhf1k"), ("gazecom", "labels", "gazecom"), ("mit1003", "fixatons", "mit1003")],
)
def test_the_official_validator_on_real_data(
    samples: Path, tmp_path: Path, name: str, variant: str, folder: str
) -> None:
    if validator() is None:
        pytest.skip("the official validator is not installed; `pip install bids-validator-deno` brings this to life")
    convert(name, samples / folder, tmp_path / "release", variant=variant, workers=1)
    export(vidsal.load(tmp_path / "release"), "bids", tmp_path / "out")
    check(tmp_path / "out")

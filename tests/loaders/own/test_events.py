from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vidsal.loaders.conversion.convert import convert_own
from vidsal.loaders.errors import BadData, MissingExtra
from vidsal.loaders.own.column_map import ColumnMap, EventsTable
from vidsal.loaders.own.events import detect, event_of, parameters, runs_of, velocity
from vidsal.loaders.own.form import TableForm
from vidsal.loaders.release.release import load

HERE = importlib.util.find_spec("pymovements") is not None
needs = pytest.mark.skipif(not HERE, reason="pymovements (the extra `gaze`) is not installed")


def three_places() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """250 Hz: 400 ms at (100, 100), 400 ms at (400, 100), lost for 100 ms, 400 ms at (400, 300)."""
    x = np.repeat([100.0, 400.0, np.nan, 400.0], [100, 100, 25, 100])
    y = np.repeat([100.0, 100.0, np.nan, 300.0], [100, 100, 25, 100])
    return np.arange(len(x)) * 4000, x, y


@needs
@pytest.mark.parametrize("detector", ["idt", "ivt"])
def test_three_places_are_three_fixations(detector: str) -> None:
    t, x, y = three_places()
    label, begins = detect(t, x, y, EventsTable(detector=detector), 20.0)
    assert set(label[200:225]) == {"noise"}
    runs = runs_of(label, t, x, y, begins)
    kept = runs["event"] == "fixation"
    assert list(zip(runs["x_px"][kept], runs["y_px"][kept], strict=True)) == [(100, 100), (400, 100), (400, 300)]
    assert ((runs["end_us"] - runs["t_us"])[kept] >= 380_000).all()


@needs
def test_parameters_are_told() -> None:
    told = parameters(EventsTable(detector="ivt", velocity_px=300.0), None)
    assert told["detector"] == "pymovements.events.ivt"
    assert told["velocity_px"] == 300.0
    assert "pymovements" in told


@pytest.mark.skipif(HERE, reason="pymovements is installed")
def test_without_pymovements_one_line_names_the_extra() -> None:
    with pytest.raises(MissingExtra, match=r"pip install 'vidsal\[gaze\]'"):
        detect(*three_places(), EventsTable(detector="ivt"), 20.0)


@needs
def test_degrees_of_unknown_size_are_refused() -> None:
    with pytest.raises(BadData, match="velocity_deg needs to know how large a degree is"):
        detect(*three_places(), EventsTable(detector="ivt"), None)


def test_velocity_over_uneven_steps() -> None:
    t = np.array([0, 4000, 12000, 16000])
    positions = np.column_stack([t / 1e6 * 50, np.zeros(4)])
    assert np.allclose(velocity(t, positions), [[50.0, 0.0]] * 4)


def test_words_say_themselves_what_they_mean() -> None:
    labels = np.array(["Fixation", "saccade", "EyesNotFound", None, "Smooth Pursuit", "7"], dtype=object)
    expected = ["fixation", "saccade", "noise", "noise", "pursuit", "fixation"]
    assert event_of(labels, {"7": "fixation"}, "a.csv").tolist() == expected


def test_runs_by_hand() -> None:
    event = np.array(["fixation", "fixation", "saccade", "noise", "fixation"], dtype=object)
    x = np.array([1.0, 3.0, 5.0, np.nan, 9.0])
    runs = runs_of(event, np.arange(5) * 1000, x, x)
    assert runs["event"].tolist() == ["fixation", "saccade", "fixation"]
    assert runs["x_px"].tolist() == [2, 5, 9]
    assert (runs["end_us"] - runs["t_us"]).tolist() == [1000, 0, 0]


@needs
def test_a_detector_in_a_conversion(tmp_path: Path) -> None:
    t, x, y = three_places()
    rows = pd.DataFrame({"s": "clip", "o": "p", "t": t / 1000, "x": x, "y": y})
    rows.to_csv(tmp_path / "gaze.csv", index=False)
    wanted = ColumnMap(
        kind="samples",
        columns={"stimulus": "s", "observer": "o", "time": "t", "x": "x", "y": "y"},
        stimuli={"width": 640, "height": 480, "fps": 25, "n_frames": 33},
        events={"detector": "idt", "dispersion_px": 20.0},
    )
    made = convert_own(TableForm(wanted, "gaze.csv"), tmp_path, tmp_path / "out", workers=1)
    assert made.release["processing"]["events"]["dispersion_px"] == 20.0
    table = load(tmp_path / "out").fixations
    kept = table[table.event == "fixation"]
    assert kept[["frame", "x_px", "y_px"]].to_numpy().tolist() == [[0, 100, 100], [10, 400, 100], [22, 400, 300]]

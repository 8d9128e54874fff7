"""Statistics: worked by hand, compared with pandas on whole tables, and honest about what is not known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

import vidsal
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets.synthetic.write import generate
from vidsal.loaders.inspect.plots import save
from vidsal.loaders.inspect.stats import GRID, Histogram, statistics
from vidsal.loaders.io.files import canonical
from vidsal.loaders.records import POINT_EVENTS, Screen

from ..releases import image, stimulus, write_release


def fixation_rows(observers: str, onsets, xs, ys, **more):
    n = len(observers)
    return {
        "event": "fixation",
        "observer_id": list(observers),
        "frame": np.zeros(n, np.int32),
        "onset_ms": np.array(onsets, float),
        "x_px": np.array(xs, float),
        "y_px": np.array(ys, float),
        **more,
    }


def test_counts_and_places_by_hand(tmp_path: Path) -> None:
    rows = fixation_rows("AAB", [0, 500, 0], [10, 30, 50], [15, 15, 10], frame_end=np.array([4, 0, 9], np.int32))
    rows["frame"] = np.array([0, 5, 8], np.int32)
    rows["frame_end"] = np.array([4, 6, 9], np.int32)
    lines = [stimulus("a", annotated_frames=[0, 5, 8, 9]), stimulus("b", annotated=False, n_frames=3)]
    s = statistics(vidsal.load(write_release(tmp_path, lines, {"a": rows}, screen=Screen(px_per_degree=5.0))))
    assert (s.stimuli, s.annotated, s.frames, s.annotated_frames, s.images) == (2, 1, 13, 8, 0)
    assert (s.points, s.in_bounds, s.out_of_bounds, s.events) == (2, 2, 1, {"fixation": 3})
    expected = [1, 1, 1, 1, 1, 1, np.nan, np.nan, 0, 0]  # frames 6 and 7 are not annotated: nobody can know
    np.testing.assert_array_equal(s.over_time, expected)
    assert s.per_stimulus[0]["points_per_frame"] == 6 / 8
    assert s.points_per_frame == 6 / 8
    assert s.per_stimulus[1]["points_per_frame"] is None
    assert s.mean_xy == (0.5, 0.5)
    assert s.sd_xy == (0.25, 0.0)
    grid = np.zeros(GRID)
    grid[GRID[0] // 2, [GRID[1] // 4, 3 * GRID[1] // 4]] = 0.5
    np.testing.assert_array_equal(s.center_bias, grid)
    assert (s.observers, s.observers_per_stimulus) == (2, [2])
    amplitude = s.amplitude_px.summary()
    assert amplitude is not None
    assert (amplitude["n"], amplitude["mean"]) == (1, 20.0)
    degrees = s.amplitude_deg.summary()
    assert degrees is not None
    assert degrees["mean"] == 4.0


def test_only_a_saccade_may_lie_between_two_fixations(tmp_path: Path) -> None:
    events = ["fixation", "saccade", "fixation", "pursuit", "fixation", "noise", "fixation", "fixation"]
    rows = fixation_rows("AAAAAAAB", np.arange(8) * 100, [0, 1, 3, 4, 5, 6, 7, 9], [4] * 8)
    rows["event"] = events
    s = statistics(vidsal.load(write_release(tmp_path, [stimulus("a")], {"a": rows})))
    found = s.amplitude_px.summary()
    assert found is not None
    assert (found["n"], found["mean"]) == (1, 3.0)
    assert s.amplitude_deg.summary() is None
    assert s.reasons["amplitudes_deg"] == "the source does not say how many pixels are a degree"


def test_trials_are_kept_apart_and_order_stands_for_time(tmp_path: Path) -> None:
    rows = fixation_rows("AAAA", [np.nan] * 4, [0, 10, 20, 24], [5] * 4)
    rows |= {"trial_id": ["1", "1", "2", "2"], "order": np.array([1, 0, 0, 1], np.int32)}
    s = statistics(vidsal.load(write_release(tmp_path, [stimulus("a")], {"a": rows})))
    assert (s.amplitude_px.n, s.amplitude_px.low, s.amplitude_px.high) == (2, 4.0, 10.0)


def test_images_count_onsets(tmp_path: Path) -> None:
    rows = fixation_rows("AAB", [0, 250, 260], [1, 2, 3], [1, 2, 3], duration_ms=np.array([100.0, 50.0, 20.0]))
    s = statistics(vidsal.load(write_release(tmp_path, [image("a"), image("b")], {"a": rows})))
    assert s.over_time_images
    assert s.over_time[:4].tolist() == [0.5, 0.0, 1.0, 0.0]
    summary = s.numbers()["duration_ms"]["fixation"]
    assert (summary["n"], summary["mean"], summary["min"], summary["max"]) == (3, pytest.approx(170 / 3), 20.0, 100.0)


def test_what_is_not_known_has_a_reason(tmp_path: Path) -> None:
    pooled = {"event": "point", "frame": np.zeros(2, np.int32), "x_px": np.ones(2), "y_px": np.ones(2)}
    lines = [image("a", n_observers=None)]
    s = statistics(vidsal.load(write_release(tmp_path / "pooled", lines, {"a": pooled})))
    numbers = s.numbers()
    for name in ("observers", "observers_per_stimulus", "duration_ms", "saccade_amplitude_px", "saccade_amplitude_deg"):
        assert numbers[name] is None
    assert set(s.reasons) == {
        "observers", "observers_per_stimulus", "durations", "amplitudes", "amplitudes_deg", "over_time",
    }  # fmt: skip
    assert "pooled" in s.reasons["observers"]
    canonical(numbers)  # no NaN

    single = {**pooled, "event": "fixation", "observer_id": ["A", "B"]}
    s = statistics(vidsal.load(write_release(tmp_path / "single", [image("a")], {"a": single})))
    assert s.reasons["amplitudes"] == "the source gives no observer, or no time and order of the fixations"
    assert s.reasons["durations"] == "the source does not say how long a fixation lasts"

    s = statistics(vidsal.load(write_release(tmp_path / "none", [stimulus("a", annotated=False)])))
    assert s.reasons["points"] == "no stimulus of this split is annotated"
    assert s.numbers()["mean_xy"] is None
    canonical(s.numbers())


@given(st.lists(st.floats(0, 50), min_size=1, max_size=300))
@settings(max_examples=80, deadline=None)
def test_histogram_against_numpy(values: list[float]) -> None:
    histogram = Histogram(0.5, 200)
    array = np.array(values)
    for part in np.array_split(array, 3):
        histogram.add(part)
    summary = histogram.summary()
    assert summary is not None
    assert summary["n"] == len(values)
    assert summary["mean"] == pytest.approx(array.mean(), abs=1e-9)
    assert summary["sd"] == pytest.approx(array.std(), abs=1e-5)
    assert (summary["min"], summary["max"]) == (array.min(), array.max())
    for name, q in (("q25", 0.25), ("median", 0.5), ("q75", 0.75)):
        assert abs(summary[name] - np.quantile(array, q, method="inverted_cdf")) <= 0.5


def test_values_beyond_the_last_bin_are_counted() -> None:
    histogram = Histogram(1.0, 10)
    histogram.add(np.array([3.0, 1e9]))
    assert (histogram.n, histogram.counts[9], histogram.high) == (2, 1, 1e9)
    assert Histogram(1.0, 10).summary() is None


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stats")
    generate(folder / "source", videos=3, frames=30, width=64, height=48, observers=4, seed=3, write_video=False)
    convert("synthetic", folder / "source", folder / "out", workers=1)
    return folder / "out"


def test_against_pandas_on_the_whole_table(synthetic: Path) -> None:
    ds = vidsal.load(synthetic)
    s = statistics(ds)
    table = ds.fixations
    points = table[table["in_bounds"] & table["event"].isin(POINT_EVENTS)]
    assert s.points == len(points)
    np.testing.assert_allclose(s.mean_xy, [points["x_px"].mean() / 64, points["y_px"].mean() / 48], rtol=1e-5)
    np.testing.assert_allclose(s.sd_xy, [points["x_px"].std(ddof=0) / 64, points["y_px"].std(ddof=0) / 48], rtol=1e-4)
    for frame in (0, 7, 29):
        mean = np.mean([len(stimulus.points(frame)) for stimulus in ds])
        assert s.over_time[frame] == pytest.approx(mean)
    for event, histogram in s.durations_ms.items():
        own = table.loc[table["event"] == event, "duration_ms"].astype(float)
        assert histogram.n == len(own)
        assert histogram.summary()["mean"] == pytest.approx(own.mean(), rel=1e-6)
    distances = []
    for _, own in table[table["event"] != "saccade"].groupby(["stimulus_id", "observer_id"], observed=True):
        own = own.sort_values("onset_ms")
        both = (own["event"] == "fixation") & (own["event"].shift() == "fixation")
        distances += list(np.hypot(own["x_px"].diff(), own["y_px"].diff())[both])
    assert s.amplitude_px.n == len(distances)
    assert s.amplitude_px.summary()["mean"] == pytest.approx(np.mean(distances), rel=1e-5)


def test_a_split_counts_its_own_only(synthetic: Path) -> None:
    whole, *parts = (statistics(vidsal.load(synthetic, split)) for split in (None, "train", "val"))
    assert whole.points == sum(p.points for p in parts)
    assert whole.amplitude_px.n == sum(p.amplitude_px.n for p in parts)
    assert [s["stimulus_id"] for p in parts for s in p.per_stimulus] == [s["stimulus_id"] for s in whole.per_stimulus]


def test_plots_are_the_same_bytes_and_show_what_there_is(synthetic: Path, tmp_path: Path) -> None:
    s = statistics(vidsal.load(synthetic))
    files = save(s, tmp_path / "one")
    names = ["centre_bias", "points_over_time", "durations", "saccade_amplitudes", "observers"]
    assert [f.name for f in files] == [f"{n}.{kind}" for n in names for kind in ("png", "svg")]
    for one, two in zip(files, save(s, tmp_path / "two"), strict=True):
        assert one.read_bytes() == two.read_bytes()
    assert b"<dc:date>" not in (tmp_path / "one" / "durations.svg").read_bytes()


def test_plots_without_numbers_are_left_out(tmp_path: Path) -> None:
    pooled = {"event": "point", "frame": np.zeros(2, np.int32), "x_px": np.ones(2), "y_px": np.ones(2)}
    s = statistics(vidsal.load(write_release(tmp_path / "r", [image("a", n_observers=None)], {"a": pooled})))
    assert [f.name for f in save(s, tmp_path / "out")] == ["centre_bias.png", "centre_bias.svg"]
    s = statistics(vidsal.load(write_release(tmp_path / "none", [stimulus("a", annotated=False)])))
    assert save(s, tmp_path / "nothing") == []


@pytest.mark.data
def test_mit1003_in_numbers(samples: Path, tmp_path: Path) -> None:
    convert("mit1003", samples / "mit1003", tmp_path / "out", variant="fixatons", workers=1)
    ds = vidsal.load(tmp_path / "out")
    s = statistics(ds)
    assert (s.events, s.points, s.observers) == ({"fixation": 136}, 121, 15)
    by_observer = ds.fixations.groupby("observer_id", observed=True).size()
    assert s.amplitude_px.n == (by_observer - 1).sum()
    assert isinstance(ds.fixations, pd.DataFrame)

"""Streaming by stimulus: every stimulus once, in order, across row groups; samples and points come together again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import vidsal
from vidsal.loaders.errors import BadData
from vidsal.loaders.export import export
from vidsal.loaders.export.sample_streams import by_stimulus, recordings
from vidsal.loaders.release.walk import point_rows, walk

from ..releases import stimulus, write_release


def points(*frames: int, **more):
    n = len(frames)
    return {
        "event": "point",
        "frame": np.array(frames, np.int32),
        "x_px": np.arange(n) + 0.5,
        "y_px": np.arange(n) + 1.5,
        **more,
    }


def test_every_stimulus_comes_once_and_in_order(tmp_path: Path) -> None:
    ids = ("b", "a", "empty", "c")
    root = write_release(
        tmp_path,
        [stimulus(i, split="train" if i == "a" else "val") for i in ids],
        {"b": points(0, 1), "a": points(3), "c": points(1, 1, 2)},
    )
    ds = vidsal.load(root)
    assert [(s.id, t.num_rows) for s, t in walk(ds)] == [("b", 2), ("a", 1), ("empty", 0), ("c", 3)]
    assert [(s.id, t.num_rows) for s, t in walk(vidsal.load(root, "val"))] == [("b", 2), ("empty", 0), ("c", 3)]
    assert [t.num_rows for _, t in walk(ds, "gaze")] == [0, 0, 0, 0]
    for s, table in walk(ds):
        assert table.equals(ds.table("fixations", s.id).unify_dictionaries().combine_chunks()) or table.num_rows == 0


@pytest.mark.parametrize("damage", ["missing", "cut"])
@pytest.mark.parametrize("name", ["fixations", "gaze"])
def test_a_missing_or_cut_table_is_told(name: str, damage: str, tmp_path: Path) -> None:
    samples = {"a": {"observer_id": "A", "t_us": [1], "x_px": [1.0], "y_px": [2.0]}}
    root = write_release(tmp_path / "r", [stimulus("a")], {"a": points(0, 1)}, samples)
    path = root / f"{name}.parquet"
    whole = path.read_bytes()
    path.unlink()
    if damage == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    ds = vidsal.load(root)
    with pytest.raises(BadData, match=rf"{name}\.parquet.*(missing|damaged)"):
        list(walk(ds, name))
    with pytest.raises(BadData, match=rf"{name}\.parquet"):
        export(ds, "csv", tmp_path / "csv")
    assert not (tmp_path / "csv").exists()


def test_a_stimulus_may_lie_in_several_row_groups(tmp_path: Path) -> None:
    root = write_release(
        tmp_path, [stimulus(i) for i in "abc"], {"a": points(0), "b": points(*range(10)), "c": points(4)}
    )
    whole = pq.read_table(root / "fixations.parquet")
    pq.write_table(whole, root / "fixations.parquet", row_group_size=3)
    assert pq.ParquetFile(root / "fixations.parquet").num_row_groups == 4
    found = {s.id: t for s, t in walk(vidsal.load(root))}
    assert {i: t.num_rows for i, t in found.items()} == {"a": 1, "b": 10, "c": 1}
    assert found["b"]["frame"].to_pylist() == list(range(10))


def test_rows_out_of_order_are_told(tmp_path: Path) -> None:
    root = write_release(tmp_path, [stimulus("a"), stimulus("b")], {"a": points(0), "b": points(1)})
    table = pq.read_table(root / "fixations.parquet")
    pq.write_table(table.take(pa.array([1, 0])), root / "fixations.parquet")
    with pytest.raises(BadData, match="rows of a are out of order"):
        list(walk(vidsal.load(root)))


def test_rows_in_two_places_are_told_when_the_split_hides_what_lies_between(tmp_path: Path) -> None:
    root = write_release(
        tmp_path, [stimulus("a", split="val"), stimulus("b", split="train")], {"a": points(0, 1), "b": points(1)}
    )
    table = pq.read_table(root / "fixations.parquet")
    pq.write_table(table.take(pa.array([0, 2, 1])), root / "fixations.parquet")
    with pytest.raises(BadData, match="rows of a are out of order"):
        list(walk(vidsal.load(root, "val")))


def test_point_rows_are_the_points_of_the_release(tmp_path: Path) -> None:
    columns = {
        "event": ["fixation", "saccade", "point", "mouse", "pursuit", "noise", "fixation"],
        "frame": np.zeros(7, np.int32),
        "order": np.array([5, 4, 3, 2, 1, 0, 9], np.int32),
        "x_px": np.array([1.0, 2, 3, 40, 5, 6, 7]),
        "y_px": np.full(7, 2.0),
        "flags": [["forced_start"], [], [], [], ["cut"], [], []],
    }
    ds = vidsal.load(write_release(tmp_path, [stimulus("a")], {"a": columns}))
    (pair,) = walk(ds)
    kept = point_rows(pair[1])
    assert sorted(kept["x_px"].to_pylist()) == [3.0, 5.0, 7.0]
    assert kept["order"].to_pylist() == [{3.0: 3, 5.0: 1, 7.0: 9}[x] for x in kept["x_px"].to_pylist()]
    np.testing.assert_array_equal(np.sort(kept["x_px"].to_numpy()), np.sort(ds["a"].points(0)[:, 0]))


def test_samples_and_points_make_one_recording(tmp_path: Path) -> None:
    fixations = points(0, 0, 1, observer_id=["A", "A", "B"], onset_ms=np.array([8.0, 0.0, 120.0]), eye="left")
    gaze = {
        "observer_id": ["A", "A"],
        "t_us": np.array([4000, 12_000]),
        "x_px": np.array([10.0, 11.0]),
        "y_px": np.array([20.0, 21.0]),
        "label": ["Saccade", None],
    }
    ds = vidsal.load(write_release(tmp_path, [stimulus("a")], {"a": fixations}, {"a": gaze}))
    ((_, _, found),) = by_stimulus(ds)
    assert [(r.observer, r.trial, r.eye) for r in found] == [("A", None, "left"), ("B", None, "left")]
    assert found[0].t_us.tolist() == [0, 4000, 8000, 12_000]
    assert found[0].label.tolist() == ["point", "saccade", "point", None]
    assert found[0].x.tolist() == [1.5, 10.0, 0.5, 11.0]
    assert found[1].t_us.tolist() == [120_000]
    assert np.isnan(found[1].pupil).all()


def test_events_with_a_length_and_pooled_pixels_are_no_samples(tmp_path: Path) -> None:
    rows = {
        "event": ["point", "noise", "fixation", "point"],
        "frame": np.zeros(4, np.int32),
        "x_px": np.ones(4),
        "y_px": np.ones(4),
        "observer_id": [None, "A", "A", "A"],
        "onset_ms": np.array([0.0, 1.0, 2.0, np.nan]),
        "duration_ms": np.array([np.nan, 30.0, np.nan, np.nan]),
    }
    ds = vidsal.load(write_release(tmp_path, [stimulus("a")], {"a": rows}))
    assert recordings(ds.table("fixations"), ds.table("gaze")) == []


def test_trials_are_kept_apart(tmp_path: Path) -> None:
    rows = points(0, 0, 0, observer_id="A", trial_id=["2", "1", "2"], onset_ms=np.array([9.0, 5.0, 1.0]))
    ds = vidsal.load(write_release(tmp_path, [stimulus("a")], {"a": rows}))
    found = recordings(ds.table("fixations"), ds.table("gaze"))
    assert [(r.trial, r.t_us.tolist()) for r in found] == [("1", [5000]), ("2", [1000, 9000])]

"""Every rule that `vidsal data verify` checks, broken once: the rule fails and names the first difference."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets.synthetic.write import generate
from vidsal.loaders.inspect.verify import Finding, verify
from vidsal.loaders.io import parquet
from vidsal.loaders.io.files import canonical, sha256
from vidsal.loaders.release.digests import release_digest
from vidsal.loaders.release.release import load
from vidsal.loaders.schema import ROW_GROUP_ROWS

from ..trees import dhf1k_raw

Change = Callable[[list[dict[str, Any]]], None]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verify")
    generate(folder / "source", videos=3, frames=20, width=64, height=48, observers=3, seed=4)
    convert("synthetic", folder / "source", folder / "out", workers=1)
    return folder / "out"


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "release")
    return tmp_path / "release"


def seal(root: Path) -> None:
    """Make digests fit what is there: a fault of content, not of the disk."""
    record = json.loads((root / "release.json").read_text())
    record["files"] = {path.name: sha256(path) for path in sorted(root.glob("*.parquet"))}
    (root / "release.json").write_text(canonical({**record, "digest": release_digest(record)}))


def rewrite(root: Path, name: str, change: Change) -> None:
    path = root / f"{name}.parquet"
    schema = pq.read_schema(path)
    rows = pq.ParquetFile(path).read(use_threads=False).to_pylist()
    change(rows)
    parquet.write(path, schema, [pa.Table.from_pylist(rows, schema)])
    seal(root)


def failed(root: Path) -> list[Finding]:
    return [f for f in verify(root) if not f.ok]


def setting(row: int, **values: Any) -> Change:
    return lambda rows: rows[row].update(values)


def swap(a: int, b: int) -> Change:
    def change(rows: list[dict[str, Any]]) -> None:
        rows[a], rows[b] = rows[b], rows[a]

    return change


def test_a_release_as_it_was_converted_has_no_fault(root: Path) -> None:
    assert not failed(root)
    seal(root)
    assert not failed(root)


@pytest.mark.parametrize(
    ("table", "change", "rule", "message"),
    [
        ("fixations", setting(7, stimulus_id="nobody"), "ids", "row 7: 'nobody'"),
        ("fixations", setting(7, dataset="other"), "dataset", "row 7: expected synthetic, found other"),
        ("fixations", setting(7, split="test"), "split", "row 7: expected train, found test"),
        ("fixations", setting(7, event="mouse"), None, ""),
        ("fixations", setting(7, event="glance"), "event", "row 7: found glance"),
        ("fixations", setting(7, frame=20, frame_end=None), "frame", "row 7: expected 0 to 19, found 20"),
        ("fixations", setting(7, frame=-1), "frame", "row 7: expected 0 to 19, found -1"),
        ("fixations", setting(-1, frame_end=20), "frame_end", "to 19, found 20"),
        ("fixations", setting(-1, frame_end=0), "frame_end", "found 0"),
        ("fixations", setting(7, in_bounds=False), "in_bounds", "expected True, found False"),
        ("fixations", setting(7, x_px=64.0), "in_bounds", "(64, "),
        ("fixations", setting(7, y_px=-0.5), "in_bounds", "-0.5) in 64 x 48, expected False, found True"),
        ("fixations", setting(7, weight=float("nan")), "weight", "row 7: found nan"),
        ("fixations", swap(7, 8), "sorted", "comes before the row above it"),
        ("fixations", swap(0, -1), "sorted", "row 1"),
        ("fixations", lambda rows: rows.append(dict(rows[-1], observer_id=None)), None, ""),
        ("fixations", lambda rows: rows.pop(), "counts", "release.json says"),
        ("gaze", setting(7, stimulus_id="nobody"), "ids", "gaze: "),
        ("gaze", setting(7, dataset="other"), "dataset", "row 7: expected synthetic, found other"),
        ("gaze", swap(7, 8), "sorted", "gaze: "),
        ("gaze", setting(-1, observer_id="A"), "sorted", "comes before the row above it"),
        ("gaze", setting(0, observer_id="A"), "n_observers", "expected 3, found 4"),
        ("gaze", lambda rows: rows.pop(), "counts", "gaze_samples"),
        ("stimuli", setting(1, n_observers=2), "n_observers", "expected 2, found 3"),
        ("stimuli", setting(1, annotated_frames=[0]), "annotated_frames", "expected pairs"),
        ("stimuli", setting(1, annotated_frames=[4, 3]), "annotated_frames", "ends before it begins"),
        ("stimuli", setting(1, annotated_frames=[0, 5, 5, 19]), "annotated_frames", "not ascending"),
        ("stimuli", setting(1, annotated_frames=[0, 20]), "annotated_frames", "expected 0 to 19, found 0 to 20"),
        ("stimuli", setting(1, annotated_frames=[-1, 19]), "annotated_frames", "found -1 to 19"),
        ("stimuli", setting(1, annotated_frames=[0, 3, 16, 19]), "annotated_frames", " is not"),
        ("stimuli", setting(1, annotated=False), "annotated_frames", "is not"),
        ("stimuli", setting(1, annotated_frames=[0, 9, 10, 19]), None, ""),
        ("stimuli", setting(1, split="val"), "split", "expected val, found train"),
        ("stimuli", setting(1, dataset="other"), "dataset", "expected synthetic, found other"),
        ("stimuli", setting(1, width=0), "stimuli", "width: expected at least 1, found 0"),
        ("stimuli", setting(1, duration_ms=1.0), "stimuli", "duration_ms: expected"),
        ("stimuli", setting(1, kind="image"), "stimuli", "n_frames of an image: expected 1, found 20"),
        ("stimuli", setting(1, n_frames=30, duration_ms=None), "counts", "frames: 70"),
    ],
)
def test_a_broken_rule_is_named(root: Path, table: str, change: Change, rule: str | None, message: str) -> None:
    rewrite(root, table, change)
    found = {f.rule: f.message for f in failed(root)}
    if rule is None:
        assert not set(found) - {"counts"}
        return
    assert rule in found
    assert message in " ".join(f.message for f in failed(root) if f.rule == rule)


def test_a_stimulus_twice_is_named(root: Path) -> None:
    rewrite(root, "stimuli", lambda rows: rows.append(dict(rows[-1])))
    (message,) = [f.message for f in failed(root) if f.rule == "ids"]
    assert load(root).ids[-1] in message


def test_missing_columns_other_types_and_nulls(root: Path) -> None:
    path = root / "fixations.parquet"
    table = pq.ParquetFile(path).read(use_threads=False)
    at = table.schema.get_field_index("x_px")
    for changed in (
        table.drop_columns(["weight"]),
        table.set_column(at, "x_px", table["x_px"].cast(pa.float64())),
        table.set_column(at, "x_px", pa.array([None] + [1.0] * (table.num_rows - 1), pa.float32())),
    ):
        pq.write_table(changed, path)
        seal(root)
        assert {f.rule for f in failed(root)} <= {"schema", "nulls"}
        assert failed(root)


def test_faults_are_counted_and_the_first_named(root: Path) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["split"] = "nowhere"

    rewrite(root, "fixations", change)
    (fault,) = failed(root)
    rows = len(load(root).fixations)
    assert f"{rows:,} of {rows:,} rows" in fault.message
    assert f"and {rows - 5:,} more" in fault.message


def test_order_is_checked_across_batches_and_nulls_come_last(root: Path) -> None:
    """More rows than a row group; the first row of the second one goes back in time."""
    rewrite(root, "fixations", lambda rows: rows.clear())
    name = load(root).ids[0]
    n = ROW_GROUP_ROWS + 10
    schema = pq.read_schema(root / "gaze.parquet")

    def write(times: np.ndarray, observers: list[str], trials: list[str | None]) -> list[Finding]:
        columns = {"dataset": ["synthetic"] * n, "stimulus_id": [name] * n, "observer_id": observers, "t_us": times}
        columns |= {"trial_id": trials, "x_px": np.zeros(n, np.float32), "y_px": np.zeros(n, np.float32)}
        empty = {f.name: pa.nulls(n, f.type) for f in schema if f.name not in columns}
        arrays = {f.name: pa.array(columns[f.name]).cast(f.type) for f in schema if f.name in columns}
        parquet.write(root / "gaze.parquet", schema, [pa.table({**arrays, **empty}, schema)])
        seal(root)
        return [f for f in failed(root) if f.rule == "sorted"]

    times = np.arange(n)
    assert not write(times, ["O1"] * n, [None] * n)
    back = times.copy()
    back[ROW_GROUP_ROWS] = 5
    (fault,) = write(back, ["O1"] * n, [None] * n)
    assert f"{name}, row {ROW_GROUP_ROWS}: comes before" in fault.message
    late = np.where(times < ROW_GROUP_ROWS, times, 0)
    assert not write(late, ["O1"] * ROW_GROUP_ROWS + ["O2"] * 10, [None] * n)
    assert not write(late, ["O1"] * n, ["a"] * ROW_GROUP_ROWS + [None] * 10)
    assert write(late, ["O2"] * ROW_GROUP_ROWS + ["O1"] * 10, [None] * n)
    assert write(late, ["O1"] * n, [None] * ROW_GROUP_ROWS + ["a"] * 10)


def test_the_register_tells_frames_sizes_and_splits(tmp_path: Path) -> None:
    root = tmp_path / "out"
    convert("dhf1k", dhf1k_raw(tmp_path / "src", video="601"), root, variant="raw", workers=1)
    register = [f.message for f in verify(root) if f.rule == "register"]
    assert register == [
        f"1 {what} equal the register, 999 of its lines are not here"
        for what in (
            "frame counts",
            "sizes",
            "splits",
        )
    ]
    rewrite(root, "stimuli", setting(0, n_frames=738, duration_ms=24_600.0))
    assert not [f for f in failed(root) if f.rule == "register"]
    note = next(f.message for f in verify(root) if f.rule == "register")
    assert "but for one frame in 1: 601: 738 here, 739 in the register" in note
    rewrite(root, "stimuli", setting(0, n_frames=737, width=641, split="train", duration_ms=24_566.6667))
    messages = " ".join(f.message for f in failed(root) if f.rule == "register")
    assert "601: 737 here, 739 in the register" in messages
    assert "601: 641 x 360 here, 640 x 360 in the register" in messages
    assert "601: train here, val in the register" in messages

"""Rows in a file are those in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vidsal.leaderboard.rows import Rows, StoredRows, rows_of, spool


def made(sizes: list[int], columns: int, seed: int) -> Rows:
    random, n = np.random.default_rng(seed), sum(sizes)
    values = random.normal(size=(n, columns)).astype(np.float32)
    values[random.random(values.shape) < 0.2] = np.nan
    return Rows(np.cumsum([0, *sizes]), np.concatenate([np.arange(k, dtype=np.int32) for k in sizes]), values)


def test_every_stimulus_of_every_run_comes_back(tmp_path: Path) -> None:
    runs = [made([3, 0, 7], 2, 0), made([1], 6, 1), made([2, 2, 2, 2], 1, 2)]
    with spool(tmp_path / "work") as folder:
        spooled = [run.spooled(folder / "one.rows") for run in runs]
        for run, other in zip(runs, spooled, strict=True):
            for place in reversed(range(len(run.offsets) - 1)):
                for a, b in zip(run.of(place), other.of(place), strict=True):
                    assert (a.shape, a.dtype) == (b.shape, b.dtype)
                    assert np.array_equal(a, b, equal_nan=True)
    assert not folder.exists()


def test_a_spool_vanishes_and_a_next_one_of_its_name_is_read_anew(tmp_path: Path) -> None:
    for seed in (1, 2):
        with spool(tmp_path / "work") as folder:
            found = made([2], 2, seed).spooled(folder / "a.rows").of(0)[1]
            assert np.array_equal(found, made([2], 2, seed).values, equal_nan=True)
        assert not folder.exists()


def test_a_spool_vanishes_where_something_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), spool(tmp_path / "work"):
        raise ZeroDivisionError
    assert not (tmp_path / "work").exists()


def test_stored_rows_come_back_whatever_order_those_of_the_run_before_had(tmp_path: Path) -> None:
    """Runs of the same stimuli are read by one order as long as it fits; each file says the same of its frames."""
    plain = pd.DataFrame({"stimulus_id": [*"aabb"], "frame": [0, 1, 0, 1], "status": "scored", "NSS": [1.0, 2, 3, 4]})
    less = plain.assign(status=["no_fixation", "scored", "scored", "scored"])
    expected = {"plain": [1, 2, 3, 4], "turned": [1, 2, 3, 4], "less": [2, 3, 4], "again": [1, 2, 3, 4]}
    found = {}
    with spool(tmp_path / "work"):
        for name, frames in (("plain", plain), ("turned", plain[::-1]), ("less", less), ("again", plain)):
            table, path = pa.Table.from_pandas(frames, preserve_index=False), tmp_path / f"{name}.parquet"
            pq.write_table(table, path)
            rows = rows_of(table, ["a", "b"], ["NSS"])
            stored = StoredRows(path, rows.digest(), ("a", "b"), ("NSS",), rows.offsets).read()
            assert stored.digest() == rows.digest()
            found[name] = stored.values[:, 0].tolist()
    assert found == expected

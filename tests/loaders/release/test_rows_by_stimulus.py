"""The rows of one stimulus among those of a row group, read once for all of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import vidsal
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets.synthetic.write import generate
from vidsal.loaders.release import release as releases
from vidsal.loaders.release.tables import RowsByStimulus


@pytest.mark.parametrize("dictionary", [False, True])
def test_rows_keep_their_order_whether_they_lie_together_or_not(dictionary: bool) -> None:
    ids = pa.array(["b", "b", "a", "c", "a", "b"], pa.string())
    table = pa.table({"stimulus_id": ids.dictionary_encode() if dictionary else ids, "row": range(6)})
    rows = RowsByStimulus(table)
    assert {i: rows.of(i)["row"].to_pylist() for i in "abcd"} == {"a": [2, 4], "b": [0, 1, 5], "c": [3], "d": []}
    assert rows.of("d").schema == table.schema


def test_stimuli_across_row_groups_read_as_the_whole_table_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate(tmp_path / "src", videos=4, frames=30, width=64, height=48, observers=4, val=0, write_video=False)
    convert("synthetic", tmp_path / "src", tmp_path / "rel", workers=1)
    path = tmp_path / "rel" / "fixations.parquet"
    whole = pq.read_table(path)
    pq.write_table(whole, path, row_group_size=whole.num_rows // 3)
    ds = vidsal.load(tmp_path / "rel")
    ids = np.array(whole["stimulus_id"].to_pylist())
    read: list[list[int]] = []
    kept = releases.read_groups
    monkeypatch.setattr(releases, "read_groups", lambda f, groups, c: read.append(list(groups)) or kept(f, groups, c))
    for stimulus in ds:
        for columns in (None, ("frame", "x_px")):
            expected = whole.filter(pa.array(ids == stimulus.id))
            found = ds.table("fixations", stimulus.id, columns)
            assert found.to_pylist() == (expected if columns is None else expected.select(columns)).to_pylist()
    read.clear()
    ds = vidsal.load(tmp_path / "rel")
    assert sum(len(s.gaze_points.x) for s in ds) == sum(len(s.gaze_points.x) for s in vidsal.load(tmp_path / "rel"))
    assert len(read) == 2 * pq.read_metadata(path).num_row_groups

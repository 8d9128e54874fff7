"""A stored run that was changed in any place is refused, and the message says where."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import vidsal
from vidsal.benchmark.evaluation.results.store import (
    Run,
    load_run,
    read_runs,
    result_digest,
    rows_digest,
    stimuli_digest,
)
from vidsal.loaders.errors import BadData

from ..runs import Scripted, small_release

Change = Callable[[dict[str, Any]], Any]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Run:
    ds = vidsal.load(small_release(tmp_path_factory.mktemp("stored"), videos=2, frames=4))
    return vidsal.evaluate(Scripted([1, 2, 3], missing="exclude"), ds)


@pytest.fixture
def run(kept: Run, tmp_path: Path) -> Path:
    saved = kept.save(tmp_path / "results").folder
    assert saved is not None
    return saved


def change_record(folder: Path, change: Change) -> None:
    """Change run.json and give it the digest that fits: the work of a liar, not of a disk."""
    record = json.loads((folder / "run.json").read_text())
    change(record)
    record["digest"] = result_digest(record)
    (folder / "run.json").write_text(json.dumps(record))


def change_table(folder: Path, name: str, change: Callable[[pd.DataFrame], Any]) -> None:
    """Change a table, and the digests that hang on it."""
    table = pq.ParquetFile(folder / name).read()
    frame = table.to_pandas()
    change(frame)
    made = pa.Table.from_pandas(frame, table.schema, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(made, folder / name)
    digest = {"frames.parquet": ("rows_digest", rows_digest), "stimuli.parquet": ("stimuli_digest", stimuli_digest)}
    key, function = digest[name]
    change_record(folder, lambda r: r.update({key: function(pq.ParquetFile(folder / name).read())}))


def test_an_untouched_run_is_read(run: Path, kept: Run) -> None:
    assert load_run(run).record == kept.record


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: r["metrics"]["NSS"].update(mean=9.0), "NSS is 9.0, its rows give"),
        (lambda r: r["metrics"]["NSS"].update(mean_stimuli=9.0), "NSS, mean_stimuli, is 9.0"),
        (lambda r: r["metrics"]["NSS"].update(mean_frames=9.0), "NSS, mean_frames, is 9.0"),
        (lambda r: r["metrics"]["NSS"].update(n=7), "NSS, n, is 7"),
        (lambda r: r["metrics"]["NSS"].update(reason="trust me"), "NSS, reason, is 'trust me'"),
        (lambda r: r["counts"].update(scored=8, no_prediction=0), "it counts"),
        (lambda r: r["coverage"].update(complete=True), "coverage: complete is True, its counts say False"),
        (lambda r: r["coverage"].update(frames_scored=8, complete=True), "frames_scored is 8, its rows give 6"),
        (lambda r: r["coverage"].update(frames_expected=6, complete=True), "frames_expected is 6, its rows give 8"),
        (lambda r: r["coverage"].update(frames_digest="a" * 64), "frames_digest is a"),
        (lambda r: r["coverage"].update(annotated=1), "are more than the 1 of the split"),
        (lambda r: r["coverage"].update(left_out_by_limit=-1), "are more than"),
        (lambda r: r["coverage"]["scored"].append("ghost"), "names 'ghost', which has no rows"),
        (lambda r: r["coverage"]["scored"].pop(), "which its coverage does not name"),
        (lambda r: r["protocol"].update(resize="nearest"), "the digest of its protocol does not fit"),
        (lambda r: r.update(rows_digest="b" * 64), "frames.parquet holds other rows"),
        (lambda r: r.update(stimuli_digest="b" * 64), "stimuli.parquet holds other rows"),
        (lambda r: r["model"].update(name="uni\u00adsal"), "model.name"),
        (lambda r: r["model"].update(name="x" * 300), "model.name"),
    ],
)  # fmt: skip
def test_a_changed_record_is_refused(run: Path, change: Change, said: str) -> None:
    change_record(run, change)
    with pytest.raises(BadData, match=f"this run is damaged: .*{said}"):
        load_run(run)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("run.json", b"[]", "run.json holds no run: it has no digest"),
        ("run.json", b'{"format": 1', "run.json is no JSON"),
        ("run.json", b"\xff\xfe", "run.json is no JSON"),
        ("frames.parquet", None, "frames.parquet is not there"),
        ("stimuli.parquet", b"PAR1", "stimuli.parquet cannot be read"),
    ],
)
def test_a_damaged_file_is_named(run: Path, name: str, content: bytes | None, said: str) -> None:
    (run / name).unlink()
    if content is not None:
        (run / name).write_bytes(content)
    with pytest.raises(BadData, match=f"this run is damaged: {said}"):
        load_run(run)


def set_at(column: str, row: int, value: Any) -> Callable[[pd.DataFrame], None]:
    def change(table: pd.DataFrame) -> None:
        table.loc[row, column] = value

    return change


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("frames.parquet", set_at("AUC-J", 1, 1.5), r"AUC-J of scene_001, frame 1, is 1.5, outside of 0 to 1"),
        ("frames.parquet", set_at("CC", 1, -1.01), r"CC of scene_001, frame 1, is -1.01, outside of -1 to 1"),
        ("frames.parquet", set_at("NSS", 0, 3.0), "NSS of a frame that is not scored"),
        ("frames.parquet", set_at("status", 0, "lost"), "unknown status 'lost'"),
        ("frames.parquet", set_at("frame", 1, 0), "a frame is there twice"),
        ("frames.parquet", set_at("n_fixations", 1, 0), "number of fixations does not fit"),
        ("frames.parquet", set_at("NSS", 1, 0.5), "NSS is .*, its rows give"),
        ("stimuli.parquet", set_at("NSS", 0, 0.5), "stimuli.parquet: NSS does not follow"),
        ("stimuli.parquet", set_at("n_scored", 0, 4), "stimuli.parquet: n_scored does not follow"),
        ("stimuli.parquet", set_at("stimulus_id", 0, "x"), "stimuli.parquet: stimulus_id does not follow"),
    ],
)  # fmt: skip
def test_a_changed_table_is_refused(run: Path, name: str, change: Callable[[pd.DataFrame], None], said: str) -> None:
    change_table(run, name, change)
    with pytest.raises(BadData, match=f"this run is damaged: .*{said}"):
        load_run(run)


def test_a_group_that_was_changed_is_seen_by_the_digest(run: Path) -> None:
    before = json.loads((run / "run.json").read_text())
    change_table(run, "stimuli.parquet", set_at("group_id", 0, "another film"))
    change_record(run, lambda r: r.update(stimuli_digest=before["stimuli_digest"]))
    with pytest.raises(BadData, match=r"stimuli.parquet holds other rows than those that were written"):
        load_run(run)


@pytest.mark.parametrize("text", ['{"a": 1, "a": 1,', '{"time": NaN,', "[", "", "[1]", "\ud800"])
def test_what_is_no_json_or_says_a_thing_twice_is_refused(run: Path, text: str) -> None:
    plain = (run / "run.json").read_text()
    made = plain.replace("{", text, 1) if text.endswith(",") else text
    (run / "run.json").write_bytes(made.encode(errors="surrogatepass"))
    with pytest.raises(BadData, match="this run is damaged"):
        load_run(run)


def test_damaged_runs_stand_between_the_others(kept: Run, tmp_path: Path) -> None:
    folders = []
    for k in range(5):
        kept.record["time"] = f"2026-01-0{k + 1}T00:00:00Z"
        folders.append(kept.save(tmp_path).folder)
    assert None not in folders
    (folders[0] / "frames.parquet").unlink()
    (folders[1] / "stimuli.parquet").write_bytes(b"PAR1")
    (folders[2] / "run.json").write_bytes(b"\xff\xfe")
    (folders[3] / "run.json").unlink()
    (folders[3] / "run.json").mkdir()
    found = list(read_runs(tmp_path))
    assert [isinstance(run, Run) for run in found] == [False, False, False, False, True]
    assert all(str(folder) in str(run) for folder, run in zip(folders[:4], found[:4], strict=True))


def test_infinite_means_have_a_digest_too() -> None:
    table = pa.table({"KLD": [np.inf, -np.inf, np.nan, 1.0]})
    assert stimuli_digest(table) != stimuli_digest(pa.table({"KLD": [np.inf, np.inf, np.nan, 1.0]}))

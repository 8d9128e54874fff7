"""Plain tables: every value comes back, and no cell is a formula."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import vidsal
from vidsal.loaders.errors import UnknownName, WrongUse
from vidsal.loaders.export import TARGETS, Options, export, exporter
from vidsal.loaders.export.csv import plain

from ..releases import stimulus, write_release


def release(root: Path) -> Path:
    fixations = {
        "event": ["fixation", "noise"],
        "observer_id": ["=1+1", None],
        "trial_id": ["'a", 'say "x", y'],
        "frame": np.array([0, 3], np.int32),
        "x_px": np.array([-2.5, 1 / 3]),
        "y_px": np.array([7.0, 1e-7]),
        "onset_ms": np.array([1 / 3, np.nan]),
        "flags": [["lost", "cut"], []],
    }
    gaze = {"observer_id": ["A"], "t_us": np.array([-5]), "x_px": [1.0], "y_px": [2.0], "label": ["-"]}
    lines = [stimulus("@a", attributes=["b", "c"], annotated_frames=[0, 3, 5, 9]), stimulus("empty")]
    return write_release(root, lines, {"@a": fixations}, {"@a": {**gaze, "x_px": np.ones(1), "y_px": np.ones(1)}})


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_values_come_back(tmp_path: Path) -> None:
    ds = vidsal.load(release(tmp_path / "r"))
    assert export(ds, "csv", tmp_path / "out") == []
    first, second = rows_of(tmp_path / "out" / "fixations.csv")
    stored = ds.table("fixations").to_pylist()
    for line, row in zip((first, second), stored, strict=True):
        assert np.float32(line["x_px"]) == np.float32(row["x_px"])
        assert np.float32(line["y_px"]) == np.float32(row["y_px"])
        assert line["in_bounds"] == str(row["in_bounds"]).lower()
    assert float(first["onset_ms"]) == 1 / 3
    assert second["onset_ms"] == ""
    assert (first["flags"], second["flags"]) == ("lost;cut", "")
    assert second["trial_id"] == 'say "x", y'
    stimuli = rows_of(tmp_path / "out" / "stimuli.csv")
    assert [s["annotated_frames"] for s in stimuli] == ["0;3;5;9", ""]
    assert stimuli[0]["attributes"] == "b;c"
    assert len(pd.read_csv(tmp_path / "out" / "fixations.csv")) == 2


def test_no_cell_is_a_formula_and_one_apostrophe_gives_the_text_back(tmp_path: Path) -> None:
    export(vidsal.load(release(tmp_path / "r")), "csv", tmp_path / "out")
    (gaze,) = rows_of(tmp_path / "out" / "gaze.csv")
    first, _ = rows_of(tmp_path / "out" / "fixations.csv")
    assert (gaze["label"], gaze["t_us"]) == ("'-", "-5")  # a text that looks like a formula; a number that is one
    assert (first["observer_id"], first["trial_id"], first["stimulus_id"]) == ("'=1+1", "''a", "'@a")
    for path in (tmp_path / "out").glob("*.csv"):
        for row in rows_of(path):
            for cell in row.values():
                assert not cell or cell[0] not in "=+@\t\r\n"
                assert not cell.startswith("-") or float(cell) < 0


@pytest.mark.parametrize("text", ["=x", "+x", "-x", "@x", "\tx", "\rx", "\nx", "'x"])
def test_dangerous_beginnings(text: str) -> None:
    table = pa.table(
        {
            "word": pa.array([text, "x" + text, None]),
            "coded": pa.array([text, "fine", None]).dictionary_encode(),
            "listed": pa.array([[text, "a"], ["a", text], []]),
        }
    )
    found = plain(table).to_pydict()
    assert found["word"] == ["'" + text, "x" + text, None]
    assert found["coded"] == ["'" + text, "fine", None]
    assert found["listed"] == [f"'{text};a", f"a;{text}", ""]


def test_columns_are_explained(tmp_path: Path) -> None:
    export(vidsal.load(release(tmp_path / "r")), "csv", tmp_path / "out")
    about = {(r["table"], r["column"]): r for r in rows_of(tmp_path / "out" / "columns.csv")}
    assert about["fixations", "x_px"]["type"] == "float"
    assert "origin top left" in about["fixations", "x_px"]["meaning"]
    assert about["fixations", "flags"]["type"] == "list of string"
    assert about["gaze", "label"]["may_be_empty"] == "true"
    header = (tmp_path / "out" / "fixations.csv").read_text().splitlines()[0].replace('"', "").split(",")
    assert header == [c for t, c in about if t == "fixations"]


def test_equal_releases_give_equal_bytes(tmp_path: Path) -> None:
    ds = vidsal.load(release(tmp_path / "r"))
    for name in ("one", "two"):
        export(ds, "csv", tmp_path / name)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_a_split(tmp_path: Path) -> None:
    rows = {"event": "point", "frame": np.zeros(1, np.int32), "x_px": np.ones(1), "y_px": np.ones(1)}
    root = write_release(
        tmp_path / "r", [stimulus("a", split="train"), stimulus("b", split="val")], {"a": rows, "b": rows}
    )
    export(vidsal.load(root, "val"), "csv", tmp_path / "out")
    assert [r["stimulus_id"] for r in rows_of(tmp_path / "out" / "fixations.csv")] == ["b"]
    assert [r["stimulus_id"] for r in rows_of(tmp_path / "out" / "stimuli.csv")] == ["b"]
    assert not (tmp_path / "out" / "gaze.csv").exists()


# The register, and the folder that is written


def test_every_form_has_a_title() -> None:
    for name in TARGETS:
        assert exporter(name).TITLE


def test_unknown_forms_and_foreign_options(tmp_path: Path) -> None:
    ds = vidsal.load(release(tmp_path / "r"))
    with pytest.raises(UnknownName, match="did you mean 'csv'"):
        export(ds, "cvs", tmp_path / "out")
    with pytest.raises(WrongUse, match="size means nothing to csv; it belongs to gazelabels"):
        export(ds, "csv", tmp_path / "out", Options(size=(1, 1)))


def test_nothing_is_overwritten_and_nothing_half_done_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ds = vidsal.load(release(tmp_path / "r"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("x")
    with pytest.raises(WrongUse, match="is not empty"):
        export(ds, "csv", tmp_path / "full")
    with pytest.raises(WrongUse, match="is a file"):
        export(ds, "csv", tmp_path / "full" / "mine.txt")
    (tmp_path / "empty").mkdir()
    export(ds, "csv", tmp_path / "empty")
    assert (tmp_path / "empty" / "stimuli.csv").is_file()

    def broken(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(ds, "csv", tmp_path / "new", progress=broken)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "full", "r"]

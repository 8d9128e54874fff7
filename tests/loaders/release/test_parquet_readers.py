"""Other programs read the Parquet as it is: DuckDB, and Hugging Face datasets; with the tutorial's own lines."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import vidsal
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets.synthetic.write import generate

from .test_using_the_data import blocks

FOLDER = "demo/release/6x30-8-0"


def need(module: str) -> None:
    if find_spec(module) is None:
        pytest.skip(f"{module} is not installed; `pip install {module}` brings this test to life")


def lines_with(word: str) -> str:
    (code,) = [code for _, code in blocks() if word in code]
    return code


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tutorial's release, of fewer and smaller videos."""
    folder = tmp_path_factory.mktemp("readers")
    generate(folder / "source", videos=3, frames=12, width=48, height=32, observers=3, write_video=False)
    convert("synthetic", folder / "source", folder / FOLDER, workers=1)
    return folder


def test_duckdb(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need("duckdb")
    import duckdb

    monkeypatch.chdir(place)
    names: dict[str, object] = {}
    exec(compile(lines_with("import duckdb"), "using_the_data.md", "exec"), names)
    table = vidsal.load(place / FOLDER).fixations
    found = {event: (rows, mean) for event, rows, mean in duckdb.sql(str(names["query"])).fetchall()}
    inside = table[table["in_bounds"]].groupby("event", observed=True)["duration_ms"]
    assert {e: n for e, (n, _) in found.items()} == inside.size().to_dict()
    for event, mean in inside.mean().items():
        assert abs(found[event][1] - mean) <= 0.5
    train = table[(table["split"] == "train") & (table["event"] == "fixation")]
    best = train.groupby(["stimulus_id", "observer_id"], observed=True)["duration_ms"].max().nlargest(3)
    assert [row[2] for row in names["longest"]] == best.tolist()  # type: ignore[attr-defined]
    types = dict(
        duckdb.sql(f"DESCRIBE SELECT * FROM '{FOLDER}/fixations.parquet'")
        .project("column_name, column_type")
        .fetchall()
    )
    assert (types["x_px"], types["frame"], types["in_bounds"]) == ("FLOAT", "INTEGER", "BOOLEAN")
    assert (types["event"], types["flags"]) == ("VARCHAR", "VARCHAR[]")
    lost = duckdb.sql(f"SELECT count(*) FROM '{FOLDER}/fixations.parquet' WHERE list_contains(flags, 'lost')")
    assert lost.fetchall() == [(int(table["flags"].map(lambda words: "lost" in words).sum()),)]


def test_hugging_face_datasets(place: Path) -> None:
    need("datasets")
    check = "\nprint(len(fixations), fixations.num_columns, sum(fixations['in_bounds']), fixations.features['flags'])"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", lines_with("from datasets") + check],
        cwd=place,
        env={"PATH": "", "HF_HUB_OFFLINE": "1", "HF_HOME": str(place / "hf"), "HOME": str(place)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    first, second, third = done.stdout.splitlines()
    ds = vidsal.load(place / FOLDER)
    assert first == f"Value('float32') {ds.table('fixations')['event'][0].as_py()}"
    assert int(second) == ds.table("gaze")["t_us"][0].as_py()
    table = ds.fixations
    assert third.startswith(f"{len(table)} {len(table.columns)} {int(table['in_bounds'].sum())} List(Value('string')")

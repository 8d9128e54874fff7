"""What others read beside a release: true to its files, and no part of its digest."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import vidsal
from vidsal.cli.app import _run
from vidsal.loaders.conversion.cards import card, cards
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets.synthetic import generate


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cards")
    generate(out / "source", videos=3, frames=4, width=48, height=32, observers=2)
    return convert("synthetic", out / "source", out / "release", workers=1).folder


@pytest.fixture(scope="module")
def croissant(folder: Path) -> Any:
    return json.loads((folder / "croissant.json").read_text())


def test_every_column_of_every_table_is_described(folder: Path, croissant: Any) -> None:
    tables = {p.stem: pq.read_schema(p) for p in folder.glob("*.parquet")}
    assert set(tables) >= {"stimuli", "fixations"}
    assert {r["name"] for r in croissant["recordSet"]} == set(tables)
    kinds = {"sc:Text": "string", "sc:Boolean": "bool", "sc:Integer": "int", "sc:Float": "float double"}
    for record in croissant["recordSet"]:
        schema = tables[record["name"]]
        assert [f["source"]["extract"]["column"] for f in record["field"]] == schema.names
        for field, column in zip(record["field"], schema, strict=True):
            assert field.get("repeated", False) == str(column.type).startswith("list")
            assert any(word in str(column.type) for word in kinds[field["dataType"]].split()), column


def test_files_are_named_with_their_digests_and_sizes(folder: Path, croissant: Any) -> None:
    for file in croissant["distribution"]:
        content = (folder / file["contentUrl"]).read_bytes()
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
        assert file["contentSize"] == f"{len(content)} B"
    assert croissant["conformsTo"] == "http://mlcommons.org/croissant/1.0"


def test_they_are_no_part_of_the_release(folder: Path) -> None:
    before = vidsal.load(folder).digest
    for name in cards(json.loads((folder / "release.json").read_text()), folder):
        (folder / name).unlink()
    assert vidsal.load(folder).digest == before
    assert _run(["data", "verify", str(folder)]) == 0


def test_a_hostile_title_stays_text() -> None:
    release = {
        "release": "x", "dataset": "x", "version": "1", "digest": "0", "files": {"stimuli.parquet": "0"},
        "title": 'a "quoted": title\n---\nlicense: mit', "licence": "none: at all", "citation": "50% & more",
        "counts": {"stimuli": 1, "fixations": 0},
    }  # fmt: skip
    front = card(release).split("\n---\n")[0]
    assert front.count("license:") == 1 + front.count("\\nlicense:")
    assert "\nlicense: mit" not in front

"""Kept submissions are scored again, and only those that were scored then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import pytest

import vidsal
from vidsal.benchmark.evaluation.results.store import Run
from vidsal.benchmark.submissions.rescore import Outcome, rescore
from vidsal.loaders.errors import MissingData
from vidsal.loaders.release.release import Release, load

from ..runs import Brightness, small_release

Again = Callable[..., list[Outcome]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rescore")
    data = load(small_release(folder, videos=2, frames=4))
    vidsal.predict(Brightness(), data, folder / "kept" / "brightness")
    for stored in (folder / "kept" / "brightness" / "predictions").iterdir():
        plain = folder / "kept" / "plain"
        plain.mkdir(exist_ok=True)
        (plain / stored.name).write_bytes(stored.read_bytes())
    return folder


def _card(folder: Path) -> Path:
    path = folder / "card.toml"
    path.write_text('name = "mine"\nversion = "3"\ncausal = true\ntrained_on = ["dhf1k"]\n')
    return path


@pytest.fixture
def scored(place: Path, tmp_path: Path) -> list[Run]:
    data = load(place / "out")
    with_manifest = vidsal.score(place / "kept" / "brightness", data, limit=1).save(tmp_path / "results")
    plain = vidsal.score(place / "kept" / "plain", data, kind="saliency", first_frame=0, model=_card(tmp_path)).save(
        tmp_path / "results"
    )
    return [with_manifest, plain, vidsal.evaluate(Brightness(), data)]


@pytest.fixture
def again(place: Path, tmp_path: Path) -> Again:
    def release(split: str | None) -> Release:
        return load(place / "out", split)

    def call(runs: list[Run], kept: str = "kept") -> list[Outcome]:
        return list(rescore(runs, place / kept, release, "dhf1k-1", tmp_path / "results"))

    return call


def test_the_files_of_then_are_scored(scored: list[Run], again: Again, place: Path) -> None:
    found = again(scored)
    assert [o.status for o in found] == ["rescored", "rescored", "no submission"]
    first, second = (o.result for o in found[:2])
    assert first is not None
    assert second is not None
    assert first.typed.protocol.name == second.typed.protocol.name == "dhf1k-1"
    assert first.typed.coverage.scored == scored[0].typed.coverage.scored
    assert second.typed.model == scored[1].typed.model
    assert (second.typed.model.name, second.typed.model.version) == ("mine", "3")
    assert first.typed.model == scored[0].typed.model
    expected = vidsal.score(place / "kept" / "brightness", load(place / "out"), "dhf1k-1", limit=1)
    assert first.frames.equals(expected.frames)
    assert [o.status for o in again(scored)] == ["there already", "there already", "no submission"]


def test_changed_files_are_not_those_of_then(scored: list[Run], again: Again, place: Path) -> None:
    copytree(place / "kept" / "plain", place / "others" / "plain")
    first = sorted((place / "others" / "plain").iterdir())
    first[0].write_bytes(first[1].read_bytes())
    assert [o.status for o in again(scored[:2], "others")] == ["not kept", "not kept"]


def test_other_data_is_not_scored(scored: list[Run], again: Again) -> None:
    record = {**scored[0].record, "release": {**scored[0].record["release"], "digest": "0" * 64}}
    moved = Run(record, scored[0].frame_table, scored[0].stimulus_table)
    assert [o.status for o in again([moved])] == ["other data"]


def test_no_such_folder(scored: list[Run], again: Again) -> None:
    with pytest.raises(MissingData, match="no such folder of submissions"):
        again(scored, "nowhere")

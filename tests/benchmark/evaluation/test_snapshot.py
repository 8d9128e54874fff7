from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

import vidsal
from vidsal.benchmark.evaluation.results.gate import Scores, compare, hold
from vidsal.benchmark.evaluation.results.snapshot import ANEW, Snapshot, read_snapshot
from vidsal.benchmark.evaluation.results.store import Run
from vidsal.loaders.errors import BadData

from ..stored import Maps, gaze_only


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return vidsal.evaluate(Maps(), vidsal.load(gaze_only(tmp_path_factory.mktemp("snapshot"))))


def test_it_comes_back_as_it_was_to_twelve_digits(base: Run, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "scores.json"
    Snapshot.of(base).save(path)
    found = read_snapshot(path)
    assert found == Snapshot.of(base)
    for was, row in zip(base.stimuli.to_dict("records"), found.scores.stimuli.values(), strict=True):
        assert row == {key: pytest.approx(was[key], rel=1e-11, abs=1e-300, nan_ok=True) for key in row}
    verdict = hold(found.scores, Scores.of(base))
    assert verdict.passed
    assert not verdict.improved
    whole = compare(base, base)
    assert verdict.compared == whole.compared


def test_undefined_scores_are_null_in_the_file_and_nan_to_the_gate(base: Run) -> None:
    content = Snapshot.of(base).to_dict()
    row = next(iter(content["stimuli"].values()))
    row["NSS"] = None
    changed = Snapshot.model_validate_json(json.dumps(content))
    assert math.isnan(next(iter(changed.scores.stimuli.values()))["NSS"])
    (moved,) = hold(Snapshot.of(base).scores, changed.scores).moved
    assert (moved.what, moved.change) == ("NSS", "")


def test_its_bytes_do_not_tell_time_place_or_threads(base: Run, tmp_path: Path) -> None:
    other = Run(
        base.record
        | {"time": "2001-01-01T00:00:00Z", "command": "x", "engine": {**base.record["engine"], "threads": 9}},
        base.frame_table,
        base.stimulus_table,
        tmp_path,
    )
    assert Snapshot.of(other) == Snapshot.of(base)


def test_a_release_that_is_made_anew_is_not_told_by_its_bytes(base: Run) -> None:
    assert Snapshot.of(base).release.digest == base.record["release"]["digest"]
    assert Snapshot.of(base, anew=True).release.digest == ANEW


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no snapshot of scores"),
        ("[]", "no snapshot of scores"),
        ("{", "no snapshot of scores"),
        ("[" * 100_000, "no snapshot of scores"),
        ('{"format": 2}', "no snapshot of scores"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "s.json").write_text(text)
    with pytest.raises(BadData, match=said):
        read_snapshot(tmp_path / "s.json")


@pytest.mark.parametrize("kind", ["text", "less", "more", "infinite", "surplus", "bytes"])
def test_a_changed_file_is_refused(base: Run, tmp_path: Path, kind: str) -> None:
    content = Snapshot.of(base).to_dict()
    row = next(iter(content["stimuli"].values()))
    if kind == "text":
        row["NSS"] = "1.0"
    elif kind == "less":
        del row["NSS"]
    elif kind == "more":
        row["OTHER"] = 1.0
    elif kind == "surplus":
        content["more"] = 1
    text = json.dumps(content)
    if kind == "infinite":
        text = text.replace('"mean": ', '"mean": 1e999, "x": ', 1)
    (tmp_path / "s.json").write_bytes(b"\xff\xfe" if kind == "bytes" else text.encode())
    with pytest.raises(BadData, match=r"s\.json: no snapshot of scores: "):
        read_snapshot(tmp_path / "s.json")


def test_options_of_a_model_count_and_the_code_of_a_file_does_not(base: Run, tmp_path: Path) -> None:
    """The code is what is watched: it changes with every line."""

    def with_options(**options: str) -> Snapshot:
        model = {**base.record["model"], "options": options}
        return Snapshot.of(Run({**base.record, "model": model}, base.frame_table, base.stimulus_table, tmp_path))

    code = {"file_sha256": "a" * 64, "package_sha256": "b" * 64}
    assert with_options(blur="3", **code) == with_options(blur="3") != with_options(blur="4")

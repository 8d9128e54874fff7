from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pytest

import vidsal
from vidsal.benchmark import protocols
from vidsal.benchmark.evaluation.results.aggregate import summarize
from vidsal.benchmark.evaluation.results.folder import withdraw
from vidsal.benchmark.evaluation.results.gate import Tolerance, compare, find_pair, read_tolerances
from vidsal.benchmark.evaluation.results.gate_report import junit, markdown
from vidsal.benchmark.evaluation.results.store import Run, make_record, rows_digest
from vidsal.benchmark.evaluation.run import ModelRecord, Settings, run
from vidsal.loaders.errors import BadData, MissingData, UnknownName, WrongUse
from vidsal.loaders.release.release import Release

from ..stored import Maps, gaze_only


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gaze_only(tmp_path_factory.mktemp("gate"))


@pytest.fixture(scope="module")
def ds(root: Path) -> Release:
    return vidsal.load(root)


@pytest.fixture(scope="module")
def base(ds: Release) -> Run:
    return vidsal.evaluate(Maps(), ds)


def shifted(base: Run, stimulus: int, metric: str, by: float) -> Run:
    """The run, with one metric of one stimulus's frames moved; everything downstream follows."""
    frames = base.frames.copy()
    ids = list(dict.fromkeys(frames["stimulus_id"]))
    chosen = (frames["stimulus_id"] == ids[stimulus]) & (frames["status"] == "scored")
    frames.loc[chosen, metric] += by
    table = pa.Table.from_pandas(frames, schema=base.frame_table.schema, preserve_index=False)
    return rebuilt(base, table)


def rebuilt(base: Run, table: pa.Table) -> Run:
    protocol = base.typed.protocol
    summary = summarize(table, protocol.metric_ids, protocol.average)
    record = make_record(
        base.record
        | {
            "metrics": {label: metric.model_dump() for label, metric in summary.metrics.items()},
            "counts": summary.counts.model_dump(),
            "rows_digest": rows_digest(table),
            "stimuli_digest": None,
        }
    )
    return Run(record, table, pa.Table.from_pandas(summary.stimuli, preserve_index=False))


def test_a_run_has_not_moved_against_itself(base: Run, ds: Release) -> None:
    verdict = compare(base, vidsal.evaluate(Maps(), ds))
    assert verdict.passed
    assert verdict.moved == ()
    assert verdict.compared >= 3 * 8 + 6 * 3


def test_a_move_is_found_in_the_stimulus_and_in_the_means(base: Run, ds: Release) -> None:
    verdict = compare(base, shifted(base, 1, "NSS", 1e-4))
    assert not verdict.passed
    assert {(m.where, m.what) for m in verdict.moved} == {
        ("run", "NSS"),
        ("run", "NSS, mean_frames"),
        (ds.ids[1], "NSS"),
    }
    by_name = {(m.where, m.what): m for m in verdict.moved}
    assert by_name[ds.ids[1], "NSS"].difference == pytest.approx(1e-4, rel=1e-6)
    assert by_name["run", "NSS"].difference == pytest.approx(1e-4 / 3, rel=1e-6)
    assert verdict.moved[0].where == "run"


@pytest.mark.parametrize(("by", "passed"), [(1e-13, True), (9e-10, True), (2e-9, False), (1e-7, False)])
def test_the_default_tolerance(base: Run, by: float, passed: bool) -> None:
    assert compare(base, shifted(base, 0, "AUC-J", by)).passed is passed


@pytest.mark.parametrize(("by", "passed"), [(9e-7, True), (2e-6, False)])
def test_the_default_tolerance_between_engines(base: Run, ds: Release, by: float, passed: bool) -> None:
    moved = shifted(base, 0, "AUC-J", by)
    engine = {**moved.record["engine"], "score_on": "device", "scored_by": "torch cuda"}
    device = replace(moved, record={**moved.record, "engine": engine})
    for verdict in (compare(base, device), compare(device, base)):
        assert verdict.passed is passed
        assert "scored by different engines: the default tolerance is 1e-06 instead of 1e-09" in verdict.notes
    assert compare(base, device, {"NSS": Tolerance()}).passed is passed
    assert not compare(base, device, {"default": Tolerance()}).passed
    # One engine: as ever; and a run that does not say where it was scored was scored on the host.
    other = replace(base, record={**base.record, "engine": engine})
    assert not compare(other, device).passed
    silent = {k: v for k, v in base.record["engine"].items() if k != "score_on"}
    verdict = compare(replace(base, record={**base.record, "engine": silent}), moved)
    assert not verdict.passed
    assert not any("engines" in note for note in verdict.notes)


def test_moves_that_cancel_in_the_mean_are_found(base: Run, ds: Release) -> None:
    moved = compare(base, shifted(shifted(base, 0, "CC", 0.01), 1, "CC", -0.01)).moved
    assert {m.where for m in moved} >= {ds.ids[0], ds.ids[1]}


def test_tolerances_are_of_their_metric(base: Run) -> None:
    candidate = shifted(base, 0, "KLD", 1e-5)
    assert not compare(base, candidate, {"NSS": Tolerance(absolute=1)}).passed
    assert compare(base, candidate, {"KLD": Tolerance(absolute=2e-5)}).passed
    assert compare(base, candidate, {"default": Tolerance(relative=1e-3)}).passed
    assert not compare(base, candidate, {"default": Tolerance(absolute=1), "KLD": Tolerance()}).passed


def test_nan_equals_nan_and_nothing_else(base: Run) -> None:
    nowhere = shifted(base, 0, "sAUC", math.nan)
    assert compare(nowhere, nowhere).passed
    moved = compare(base, nowhere).moved
    assert any(m.what == "sAUC" and m.where != "run" and math.isnan(m.candidate) for m in moved)
    assert any(m.what == "sAUC, frames that define it" for m in moved)
    assert all(json.dumps(m.to_dict(), allow_nan=False) for m in moved)


def test_a_frame_whose_status_changed_is_found(base: Run, ds: Release) -> None:
    frames = base.frames.copy()
    at = frames.index[frames["status"] == "scored"][0]
    frames.loc[at, "status"] = "no_prediction"
    frames.loc[at, list(base.metrics)] = math.nan
    table = pa.Table.from_pandas(frames, schema=base.frame_table.schema, preserve_index=False)
    what = {(m.where, m.what) for m in compare(base, rebuilt(base, table)).moved}
    assert {("run", "frames, scored"), (ds.ids[0], "frames with another status"), (ds.ids[0], "frames, scored")} <= what


def test_points_are_compared_too(ds: Release) -> None:
    from ..submissions.test_submission import Gaze

    class Other(Gaze):
        def predict(self, frames: Any, stimulus: Any) -> Any:
            for p in super().predict(frames, stimulus):
                yield replace(p, xy=(p.xy[0], p.xy[1] + 1e-6))  # type: ignore[index]

    first = vidsal.evaluate(Gaze(), ds)
    assert compare(first, vidsal.evaluate(Gaze(), ds)).passed
    assert any(m.what == "angular error" for m in compare(first, vidsal.evaluate(Other(), ds)).moved)


def test_runs_of_different_things_are_not_compared(base: Run, ds: Release, tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="protocol: exact-1 in the baseline, dhf1k-1 in the candidate"):
        compare(base, vidsal.evaluate(Maps(), ds, "dhf1k-1"))
    with pytest.raises(WrongUse, match=f"coverage: 3 stimuli.*without {ds.ids[1]} and 1 more"):
        compare(base, vidsal.evaluate(Maps(), ds, limit=1))
    with pytest.raises(WrongUse, match="split: all in the baseline, train in the candidate"):
        compare(base, vidsal.evaluate(Maps(), vidsal.load(ds.root, "train")))
    other = vidsal.load(gaze_only(tmp_path, videos=4))
    with pytest.raises(WrongUse, match=r"content of the release.*coverage.*with scene_004"):
        compare(base, vidsal.evaluate(Maps(), other))
    truth = {**base.record, "truth": {**base.record["truth"], "sigma_px": 9.0}}
    with pytest.raises(WrongUse, match="truth recipe: {'sigma_px'"):
        compare(base, replace(base, record=truth))


def test_another_model_is_a_note(base: Run, ds: Release) -> None:
    verdict = compare(base, vidsal.evaluate(Maps(version="2"), ds))
    assert verdict.passed
    assert verdict.notes == ("model, version: 1 in the baseline, 2 in the candidate",)


def saved(ds: Release, out: Path, model: Any = None, protocol: str = "exact-1") -> Run:
    model = model or Maps()
    settings = Settings(protocols.protocol(protocol))
    return run(lambda: model, ModelRecord(model.info), ds, settings, partial=out / ".partial").save(out)


def test_folders_are_found(tmp_path: Path, ds: Release) -> None:
    one = saved(ds, tmp_path / "a")
    saved(ds, tmp_path / "b", protocol="dhf1k-1")
    two = saved(ds, tmp_path / "b")
    pair = find_pair(tmp_path / "a", tmp_path / "b")
    assert (pair[0].folder, pair[1].folder) == (one.folder, two.folder)
    assert one.folder is not None
    assert find_pair(one.folder / "run.json", tmp_path / "b")[1].folder == two.folder
    saved(ds, tmp_path / "a", protocol="dhf1k-1")
    with pytest.raises(WrongUse, match="2 pairs match"):
        find_pair(tmp_path / "a", tmp_path / "b")
    with pytest.raises(MissingData, match="no such results folder"):
        find_pair(tmp_path / "a", tmp_path / "c")
    (tmp_path / "c").mkdir()
    with pytest.raises(MissingData, match="no run is here"):
        find_pair(tmp_path / "a", tmp_path / "c")
    (one.folder / "frames.parquet").write_bytes(b"PAR1")
    with pytest.raises(BadData, match="damaged"):
        find_pair(one.folder, one.folder)


def test_a_file_of_tolerances(tmp_path: Path) -> None:
    path = tmp_path / "t.toml"
    path.write_text('[default]\nrelative = 1e-6\n[KLD]\nabsolute = 0.5\n["angular error"]\nrelative = 0\n')
    assert read_tolerances(path) == {
        "default": Tolerance(1e-9, 1e-6),
        "KLD": Tolerance(0.5, 1e-6),
        "angular error": Tolerance(1e-9, 0.0),
    }
    path = tmp_path / "t.json"
    path.write_text('{"NSS": {"absolute": 1}}')
    assert read_tolerances(path) == {"NSS": Tolerance(1.0, 1e-9)}


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("[NS]\nabsolute = 1", UnknownName, "did you mean 'NSS'"),
        ("[NSS]\nabsolut = 1", UnknownName, "did you mean 'absolute'"),
        ("[NSS]\nabsolute = -1", WrongUse, "expected a number from 0"),
        ("[NSS]\nabsolute = nan", WrongUse, "expected a number from 0"),
        ("[NSS]\nabsolute = true", WrongUse, "expected a number from 0"),
        ("NSS = 1", WrongUse, "expected a table"),
        ("[NSS", BadData, "not readable"),
    ],
)
def test_tolerances_that_are_none(tmp_path: Path, text: str, error: type[Exception], message: str) -> None:
    path = tmp_path / "t.toml"
    path.write_text(text)
    with pytest.raises(error, match=message):
        read_tolerances(path)
    with pytest.raises(MissingData, match="no such file"):
        read_tolerances(tmp_path / "none.toml")
    (tmp_path / "t.json").write_text('["NSS"]')
    with pytest.raises(WrongUse, match="expected a table for each metric"):
        read_tolerances(tmp_path / "t.json")


def test_tolerance_is_the_larger_of_both() -> None:
    assert Tolerance(0.1, 0.01).of(100, -200) == 2
    assert Tolerance(0.1, 0.01).of(1, 1) == 0.1
    assert Tolerance(0.1, 0.01).of(np.inf, 1) == 0.1


def test_a_move_is_better_or_worse_by_the_direction_of_its_metric(base: Run) -> None:
    for metric, by, change in (("NSS", 0.01, "better"), ("NSS", -0.01, "worse"), ("KLD", 0.01, "worse")):
        moved = [m for m in compare(base, shifted(base, 0, metric, by)).moved if m.what.startswith(metric)]
        assert moved
        assert {m.change for m in moved} == {change}


def test_one_sided_scores_may_only_rise(base: Run) -> None:
    for metric, better in (("NSS", 0.5), ("KLD", -0.5)):
        verdict = compare(base, shifted(base, 0, metric, better), one_sided=True)
        assert verdict.passed
        assert {m.change for m in verdict.improved} == {"better"}
        assert not compare(base, shifted(base, 0, metric, -better), one_sided=True).passed
        one = {metric: Tolerance(one_sided=True)}
        assert compare(base, shifted(base, 0, metric, better), one).passed
        assert not compare(base, shifted(base, 0, "CC", 0.5), one).passed
    fewer = shifted(base, 0, "sAUC", math.nan)
    assert not compare(base, fewer, one_sided=True).passed, "an undefined score is no better one"


def test_a_tolerance_of_one_stimulus(base: Run, ds: Release, tmp_path: Path) -> None:
    path = tmp_path / "t.toml"
    path.write_text(f"[stimuli.{ds.ids[1]}.NSS]\nabsolute = 0.1\n[NSS]\nabsolute = 0.04\n")
    allowed = read_tolerances(path)
    assert compare(base, shifted(base, 1, "NSS", 0.09), allowed).passed, "the mean moves by a third of it"
    assert [m.where for m in compare(base, shifted(base, 0, "NSS", 0.09), allowed).moved] == [ds.ids[0]]
    path.write_text("stimuli = 1")
    with pytest.raises(WrongUse, match="a table for each stimulus"):
        read_tolerances(path)
    path.write_text("[NSS]\none_sided = 1")
    with pytest.raises(WrongUse, match="expected true or false"):
        read_tolerances(path)


def test_the_newest_run_of_a_folder_counts(tmp_path: Path, base: Run) -> None:
    runs = []
    for k, by in ((1, 0.0), (3, 0.2), (2, 0.1)):
        run = shifted(base, 0, "NSS", by)
        run.record["time"] = f"2026-01-0{k}T00:00:00Z"
        runs.append(run.save(tmp_path / "candidate"))
    baseline = replace(base, record={**base.record, "time": "2026-01-01T00:00:00Z"}).save(tmp_path / "baseline")
    assert find_pair(tmp_path / "baseline", tmp_path / "candidate")[1].folder == runs[1].folder
    assert baseline.folder is not None
    assert find_pair(baseline.folder, tmp_path / "candidate")[1].folder == runs[1].folder
    assert runs[1].folder is not None
    withdraw(runs[1].folder, "a mistake")
    assert find_pair(tmp_path / "baseline", tmp_path / "candidate")[1].folder == runs[2].folder


def test_reports_for_build_servers(base: Run, ds: Release) -> None:
    evil = "<b>|`a`\x1b[2J"
    moved = shifted(base, 1, "NSS", -0.01)
    named, moved = (replace(run, record={**run.record, "split": evil}) for run in (base, moved))
    verdict = compare(named, moved)
    suite = ElementTree.fromstring(junit(verdict))
    assert suite.attrib == {"name": "vidsal gate", "tests": "4", "failures": "2", "errors": "0"}
    failed = [case.attrib["name"] for case in suite if len(case)]
    assert failed == ["run", ds.ids[1]]
    assert "NSS was" in (suite[0][0].text or "")
    text = markdown(verdict)
    assert "**Failed**: 3 of" in text
    assert "| worse |" in text
    assert "<b>" not in text
    assert not {"\x1b"} & set(text)
    assert "\\|" in text
    assert ElementTree.fromstring(junit(compare(base, base))).attrib["failures"] == "0"
    assert "**Passed**: nothing moved" in markdown(compare(base, base))

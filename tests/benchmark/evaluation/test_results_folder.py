"""A results folder: verified, merged, and what is said of runs afterwards."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from vidsal.benchmark.evaluation.results.folder import merge, of_model, standing, verify, withdraw
from vidsal.benchmark.evaluation.results.notices import read_notices
from vidsal.benchmark.evaluation.results.store import Run, load_run, place, read_runs
from vidsal.leaderboard.site import build
from vidsal.loaders.errors import BadData, MissingData, UnknownName, WrongUse

from ...leaderboard.conftest import build_run

OLD, NEW, LAST = (f"2026-0{k}-01T00:00:00Z" for k in (1, 2, 3))


def saved(out: Path, model: str = "tinyhd_s", *, seed: int = 0, time: str = OLD) -> Run:
    return build_run(model, seed=seed, time=time).save(out)


def where(run: Run) -> Path:
    assert run.folder is not None
    return run.folder


def content(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_saving_the_same_run_twice_leaves_the_first(tmp_path: Path) -> None:
    run = saved(tmp_path)
    withdraw(where(run), "wrong weights")
    before = content(tmp_path)
    assert build_run(time=OLD).save(tmp_path).notices[0].reason == "wrong weights"
    assert content(tmp_path) == before
    (where(run) / "frames.parquet").write_bytes(b"PAR1")
    saved(tmp_path)
    assert load_run(where(run)).record["digest"] == run.record["digest"], "a damaged one is mended"


def test_a_clock_that_was_put_back_makes_no_old_run_the_newest(tmp_path: Path) -> None:
    """Nor have two runs of one second no order; what lies there keeps its date."""
    build_run(seed=1, time="2037-12-31T23:59:59Z").save(tmp_path, newest=True)
    build_run(seed=3, time=OLD).save(tmp_path)  # as it is, where nothing is asked for
    times = [build_run(seed=n, time=OLD).save(tmp_path, newest=True).record["time"] for n in (2, 4)]
    assert times == ["2038-01-01T00:00:00Z", "2038-01-01T00:00:01Z"]
    again = build_run(seed=4, time=times[1]).save(tmp_path, newest=True)
    assert again.record["time"] == times[1]
    runs = [run for run in read_runs(tmp_path) if isinstance(run, Run)]
    assert [run.record["time"] for run in standing(runs)] == [times[1]]
    assert build_run("other", seed=1, time=OLD).save(tmp_path, newest=True).record["time"] == OLD


def test_merge_joins_without_doubles(tmp_path: Path) -> None:
    a, b, out = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    saved(a, seed=1)
    saved(a, "other", seed=2)
    saved(b, seed=1, time=NEW)  # the same result, scored again by somebody else
    saved(b, "third", seed=3)
    merged = merge([a, b], out)
    assert sorted(p.relative_to(out).parts[3] for p in merged.added) == ["other", "third", "tinyhd_s"]
    assert [p.is_relative_to(b) for p in merged.doubles] == [True]
    expected = {
        k: v for k, v in {**content(b), **content(a)}.items() if not (NEW[:7].replace("-", "") in k and "tinyhd" in k)
    }
    again = f"{NEW} scored {load_run(next(out.glob('*/*/*/tinyhd_s/*'))).record['digest']}\n".encode()
    expected = {k: v + again if k.endswith("LOG.txt") and "tinyhd" in k else v for k, v in expected.items()}
    assert content(out) == expected, "byte for byte, and nothing else but that it was scored again"
    repeated = merge([b, a], out)
    assert (repeated.added, len(repeated.doubles), repeated.faults) == ([], 4, [])
    assert content(out) == expected


def test_merge_names_what_it_leaves_out(tmp_path: Path) -> None:
    a, out = tmp_path / "a", tmp_path / "c"
    cut, linked = saved(a, "cut"), saved(a, "linked")
    saved(a, "good")
    (where(cut) / "frames.parquet").unlink()
    (tmp_path / "secret").write_text("secret")
    (where(linked) / "notes.txt").symlink_to(tmp_path / "secret")
    merged = merge([a], out)
    assert [p.relative_to(out).parts[3] for p in merged.added] == ["good"]
    assert [str(where(run)) in fault for run, fault in zip((cut, linked), merged.faults, strict=True)] == [True, True]
    assert not any(b"secret" in text for text in content(out).values())
    with pytest.raises(BadData, match="cut"):
        merge([a], tmp_path / "d", strict=True)
    with pytest.raises(MissingData, match="nowhere"):
        merge([a, tmp_path / "nowhere"], out)


def test_what_was_said_of_a_double_holds_for_the_one_that_stays(tmp_path: Path) -> None:
    saved(tmp_path / "a")
    withdraw(where(saved(tmp_path / "b", time=NEW)), "wrong weights")
    merge([tmp_path / "a", tmp_path / "b"], tmp_path / "c")
    (run,) = read_runs(tmp_path / "c")
    assert isinstance(run, Run)
    assert [n.reason for n in run.notices] == ["wrong weights"]


def test_verify_finds_what_lies_in_a_wrong_place(tmp_path: Path) -> None:
    good, moved, cut = saved(tmp_path, "good"), saved(tmp_path, "moved"), saved(tmp_path, "cut")
    assert all(isinstance(item, Run) for item in verify(tmp_path))
    shutil.move(where(moved), where(good).parent / "renamed")
    (where(cut) / "run.json").unlink()
    found = list(verify(tmp_path))
    assert [str(item.folder) for item in found if isinstance(item, Run)] == [str(where(good))]
    first, second = (str(item) for item in found if not isinstance(item, Run))
    assert "renamed: this run was moved or renamed" in first
    assert "cut off" in second


def test_a_withdrawn_run_stays_and_no_longer_stands(tmp_path: Path) -> None:
    results = tmp_path / "results"
    first, second = saved(results, seed=1), saved(results, seed=2, time=NEW)
    before = content(results)
    notice = withdraw(where(second), "wrong weights")
    after = content(results)
    assert all(after[k].startswith(v) if k.endswith("LOG.txt") else after[k] == v for k, v in before.items())
    assert (notice.kind, notice.run, notice.by) == ("withdrawn", second.record["digest"], None)
    assert standing(r for r in read_runs(results) if isinstance(r, Run))[0].record["time"] == first.record["time"]
    with pytest.raises(WrongUse, match="is withdrawn already"):
        withdraw(where(second), "another reason")
    assert load_run(where(second)).notices == (notice,)
    build(results, tmp_path / "site")
    (board,) = (tmp_path / "site" / "boards").iterdir()
    page = board.read_text(encoding="utf-8")
    assert f"{first.scores['NSS']:.9g}" in page
    assert f"{second.scores['NSS']:.9g}" not in page
    assert "wrong weights" in page


def test_a_superseded_run_names_the_other(tmp_path: Path) -> None:
    old, new = saved(tmp_path, seed=1), saved(tmp_path, seed=2, time=NEW)
    notice = withdraw(where(old), "the gaze was mended", where(new))
    assert (notice.kind, notice.by) == ("superseded", new.record["digest"])
    rival = saved(tmp_path, "rival", seed=3, time=NEW)
    with pytest.raises(WrongUse, match="another model"):
        withdraw(where(new), "it is better", where(rival))
    with pytest.raises(WrongUse, match="superseded itself"):
        withdraw(where(new), "x", where(old))
    with pytest.raises(WrongUse, match="it is the same run"):
        withdraw(where(new), "x", where(new))
    other = build_run(split="val").save(tmp_path)
    with pytest.raises(WrongUse, match="it is of another split"):
        withdraw(where(new), "x", where(other))
    with pytest.raises(WrongUse, match="give a reason"):
        withdraw(where(new), "  ")
    for reason in ("x" * 4001, "as the terminal gave it: \udcff"):
        with pytest.raises(WrongUse, match="at most 4000"):
            withdraw(where(new), reason)


@pytest.mark.parametrize(
    "change",
    [
        lambda n: {**n, "run": "0" * 64},
        lambda n: {**n, "kind": "superseded"},
        lambda n: {**n, "reason": ""},
        lambda n: {**n, "more": 1},
        lambda n: "{",
    ],
)
def test_a_damaged_notice_brings_no_run_back(tmp_path: Path, change: Callable[[dict[str, str]], object]) -> None:
    run = saved(tmp_path)
    withdraw(where(run), "wrong weights")
    path = where(run) / "withdrawn.json"
    made = change(json.loads(path.read_text()))
    path.write_text(made if isinstance(made, str) else json.dumps(made))
    with pytest.raises(BadData, match=r"withdrawn\.json"):
        load_run(where(run))


def test_a_notice_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = saved(tmp_path)
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        withdraw(where(run), "x")
    assert read_notices(where(run), run.record["digest"]) == ()
    left = sorted(p.name for p in where(run).iterdir())
    assert left == ["LOG.txt", "frames.parquet", "run.json", "stimuli.parquet"]


def test_a_model_by_its_name(tmp_path: Path) -> None:
    for time, seed in ((OLD, 1), (LAST, 2), (NEW, 3)):
        saved(tmp_path, seed=seed, time=time)
    build_run(protocol="dhf1k-1").save(tmp_path)
    runs = [r for r in read_runs(tmp_path) if isinstance(r, Run)]
    found = of_model(runs, "tinyhd_s", tmp_path)
    assert [(place(r.record).parts[2], r.record["time"]) for r in found] == [
        ("dhf1k-1", build_run().record["time"]),
        ("exact-1", LAST),
    ]
    with pytest.raises(UnknownName, match="did you mean 'tinyhd_s'"):
        of_model(runs, "tinyhd", tmp_path)
    only = [r for r in runs if r.record["time"] == LAST]
    withdraw(where(only[0]), "x")
    assert of_model([load_run(where(only[0]))], "tinyhd_s", tmp_path)[0].notices, "there is no other"

"""Building: the same bytes, nothing left over, nothing of others overwritten, no run left out in silence."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vidsal.benchmark.evaluation.results.store import Run, result_digest
from vidsal.cli import main
from vidsal.leaderboard import kept, place, site
from vidsal.leaderboard.place import MARKER
from vidsal.leaderboard.site import SiteSummary, build
from vidsal.loaders.errors import BadData, MissingData, WrongUse

MakeRun = Callable[..., Run]


def content(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def rewrite(run: Run, **changes: Any) -> None:
    """Change a stored record and give it the digest that fits."""
    assert run.folder is not None
    record = {**run.record, **changes}
    record["digest"] = result_digest(record)
    (run.folder / "run.json").write_text(json.dumps(record), encoding="utf-8")


def test_the_summary_counts_what_is_there(results: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    summary = build(results, tmp_path / "site", progress=lambda *a: seen.append(a))
    files = content(tmp_path / "site")
    pages = len([name for name in files if name.endswith((".html", ".xml"))])
    assert summary == SiteSummary(index=tmp_path / "site" / "index.html", pages=pages, runs=5, boards=2)
    taken = {name for name in files if name.startswith("downloads/")}
    assert len(taken) == 17, "seven for each board, the pairs of one, what was reported of the other, and the archive"
    assert set(files) == {MARKER, "site.css", "site.js", ".nojekyll", *(p for _, _, p in seen[5:]), *taken}
    assert [(a, b) for a, b, _ in seen] == [*((k, 5) for k in range(1, 6)), *((k, pages) for k in range(1, pages + 1))]


def test_two_builds_are_byte_equal(results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(results, tmp_path / "one")
    shutil.copytree(results, tmp_path / "elsewhere" / "moved results")
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("VIDSAL_CACHE", str(tmp_path / "empty"))
    build(Path("moved results"), Path("two"))
    assert content(tmp_path / "one") == content(tmp_path / "elsewhere" / "two")


def test_two_processes_build_the_same_and_name_the_same_fault(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = next(results.rglob("run.json"))
    victim.write_text(victim.read_text().replace('"frames"', '"frames "', 1))
    said = []
    for workers in ("1", "2"):
        monkeypatch.setenv("VIDSAL_CACHE", str(tmp_path / f"cache {workers}"))
        with pytest.raises(SystemExit, match="1"):
            main(["site", "build", str(results), "-o", str(tmp_path / workers), "--workers", workers, "-q"])
        said.append(capsys.readouterr().err)
    assert str(victim.parent) in said[0] == said[1]
    assert content(tmp_path / "1") == content(tmp_path / "2")


def test_no_page_of_an_earlier_build_is_left(results: Path, tmp_path: Path, make_run: MakeRun) -> None:
    late = make_run("late", seed=9).save(results)
    out = tmp_path / "site"
    build(results, out)
    assert any("late" in name for name in content(out))
    assert late.folder is not None
    shutil.rmtree(late.folder)
    build(results, out)
    assert not any("late" in name for name in content(out))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["results", "site"]


@pytest.mark.parametrize("prepare", ["mkdir", "nothing"])
def test_an_absent_or_empty_folder_is_taken(results: Path, tmp_path: Path, prepare: str) -> None:
    out = tmp_path / "a b" / "site"
    if prepare == "mkdir":
        out.mkdir(parents=True)
    assert build(results, out).index.is_file()


def test_a_folder_that_is_no_site_is_left_alone(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "thesis"
    out.mkdir()
    (out / "chapter.tex").write_text("years of work")
    with pytest.raises(WrongUse, match="not a site that this program built"):
        build(results, out)
    assert content(out) == {"chapter.tex": b"years of work"}


def test_what_others_put_into_a_site_is_not_deleted(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "site"
    build(results, out)
    (out / "CNAME").write_text("board.example.org")
    with pytest.raises(WrongUse, match="CNAME is no part of the site"):
        build(results, out)
    assert (out / "CNAME").is_file()


def test_a_file_in_the_way_is_named(results: Path, tmp_path: Path) -> None:
    (tmp_path / "site").write_text("")
    with pytest.raises(WrongUse, match="a file is in the way"):
        build(results, tmp_path / "site")


@pytest.mark.parametrize("below", [".", ".."])
def test_the_results_are_never_replaced(results: Path, below: str) -> None:
    before = content(results)
    with pytest.raises(WrongUse, match="the results lie in this folder"):
        build(results, results / below)
    assert content(results) == before


def test_a_site_may_lie_in_the_results(results: Path) -> None:
    first = build(results, results / "site")
    assert build(results, results / "site") == first


def test_a_build_that_fails_leaves_the_earlier_site(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "site"
    build(results, out)
    before = content(out)

    def fail(*_: object) -> dict[str, str]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(site, "assets", fail)
    with pytest.raises(OSError, match="No space"):
        build(results, out)
    assert content(out) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["results", "site"]


def test_an_interrupt_between_the_two_renames_brings_the_earlier_site_back(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "site"
    build(results, out)
    before = content(out)
    rename = Path.rename

    def interrupted(self: Path, target: Path) -> Path:
        if self.name.endswith(".new"):
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build(results, out)
    assert content(out) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["results", "site"]


def test_what_a_killed_build_left_is_swept(results: Path, tmp_path: Path) -> None:
    for name in (f".site.{os.getpid()}.new", ".site.1.new", ".site.99999999.old", ".site.notes.new", ".sites.1.new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "half.html").write_text("half")
    build(results, tmp_path / "site")
    assert "half.html" not in content(tmp_path / "site")
    kept = [".site.notes.new", ".sites.1.new"]
    assert sorted(p.name for p in tmp_path.iterdir()) == [*kept, "results", "site"], "only what a build leaves"


def test_what_another_build_holds_is_left_to_it(results: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from vidsal.leaderboard import place\n"
        "with place.replacing(Path(sys.argv[1])) as folder:\n"
        "    (folder / 'a').write_text('a'); print(flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "site")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        other.stdout.readline()
        (held,) = tmp_path.glob(".site.*.new")
        build(results, tmp_path / "site")
        assert (held / "a").is_file()
        other.kill()
    assert held.is_dir(), "it was killed"
    build(results, tmp_path / "site")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["results", "site"]


def test_a_site_that_a_killed_build_had_moved_away_comes_back(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "site"
    build(results, out)
    before = content(out)
    out.rename(tmp_path / ".site.4242.old")
    (tmp_path / ".site.4242.new").mkdir()
    place.sweep(out)
    assert content(out) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["results", "site"]


def test_the_same_bytes_without_docstrings_and_asserts(results: Path, tmp_path: Path) -> None:
    build(results, tmp_path / "plain")
    code = "import sys; from pathlib import Path; from vidsal.leaderboard.site import build; build(*map(Path, sys.argv[1:]))"
    command = [sys.executable, "-OO", "-c", code, str(results), str(tmp_path / "bare")]
    subprocess.run(command, check=True, env={**os.environ, "VIDSAL_CACHE": str(tmp_path / "empty")})
    assert content(tmp_path / "bare") == content(tmp_path / "plain")


def test_every_damaged_run_is_named(results: Path, tmp_path: Path, make_run: MakeRun) -> None:
    first, second = make_run("cut", seed=7).save(results), make_run("forged", seed=8).save(results)
    assert first.folder is not None
    assert second.folder is not None
    rows = (first.folder / "frames.parquet").read_bytes()
    (first.folder / "frames.parquet").write_bytes(rows[:100])
    record = json.loads((second.folder / "run.json").read_text())
    record["metrics"]["NSS"]["mean"] = 9.9
    (second.folder / "run.json").write_text(json.dumps(record))
    with pytest.raises(BadData, match="2 of its runs cannot be shown") as caught:
        build(results, tmp_path / "site", strict=True)
    assert str(first.folder) in str(caught.value)
    assert str(second.folder) in str(caught.value)
    assert not (tmp_path / "site").exists()
    summary = build(results, tmp_path / "site")
    assert summary.runs == 5, "the others are shown"
    assert [str(run.folder) in fault for run, fault in zip((first, second), summary.faults, strict=True)] == [True] * 2


def test_where_every_run_is_damaged_nothing_is_built(tmp_path: Path, make_run: MakeRun) -> None:
    run = make_run().save(tmp_path / "results")
    assert run.folder is not None
    (run.folder / "run.json").write_text("{")
    with pytest.raises(BadData, match="1 of its runs cannot be shown"):
        build(tmp_path / "results", tmp_path / "site")


def test_rows_without_a_record_are_named(results: Path, tmp_path: Path, make_run: MakeRun) -> None:
    run = make_run("killed", seed=7).save(results)
    assert run.folder is not None
    (run.folder / "run.json").unlink()
    with pytest.raises(BadData, match="rows without run.json"):
        build(results, tmp_path / "site", strict=True)
    (run.folder / "run.json").mkdir()
    (fault,) = build(results, tmp_path / "site").faults
    assert "run.json is a folder" in fault
    shutil.move(run.folder, results / ".partial" / "abc")
    assert build(results, tmp_path / "site").runs == 5


def test_a_copied_folder_is_shown_once_and_both_are_named(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = min(p.parent for p in results.rglob("run.json"))
    shutil.copytree(one, results / "z" / "copy")
    with pytest.raises(SystemExit, match="^0$"):
        main(["site", "build", str(results), "-o", str(tmp_path / "site")])
    (said,) = (line for line in capsys.readouterr().err.splitlines() if "note: " in line)
    assert f"{results / 'z' / 'copy'}: the same run as {one}, " in said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": 2}, "format"),
        ({"time": "yesterday"}, "time"),
        ({"time": "../../../etc"}, "time"),
        ({"time": "9999-99-99T99:99:99Z"}, "time: '9999-99-99T99:99:99Z' is no time of the calendar"),
        ({"time": "2026-01-02T03:04:05+01:00"}, "time"),
        ({"engine": None}, "engine"),
        ({"command": ["rm"]}, "command"),
        ({"release": {"id": "dhf1k"}}, "release.digest"),
    ],
)
def test_a_record_of_another_form_is_refused(
    results: Path, tmp_path: Path, make_run: MakeRun, changes: dict[str, Any], said: str
) -> None:
    run = make_run("odd", seed=7).save(results)
    rewrite(run, **changes)
    with pytest.raises(BadData, match=f"this run is damaged: run.json: not of format 1: {said}") as caught:
        build(results, tmp_path / "site", strict=True)
    assert str(run.folder) in str(caught.value)


def remember(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what is read in a cache of the test, of runs that were just written, too."""
    monkeypatch.setenv("VIDSAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(kept, "_FRESH", 0.0)


def test_a_build_reads_and_aggregates_each_run_once(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vidsal.benchmark.evaluation.results import store

    remember(tmp_path, monkeypatch)
    calls: list[str] = []
    for name in ("_load", "summarize"):
        plain = getattr(store, name)
        monkeypatch.setattr(store, name, lambda *a, plain=plain, name=name: calls.append(name) or plain(*a))
    n = build(results, tmp_path / "site").runs
    assert sorted(calls) == ["_load"] * n + ["summarize"] * n
    before = content(tmp_path / "site")
    build(results, tmp_path / "site")
    assert len(calls) == 2 * n, "a run whose files did not change is neither read nor aggregated again"
    assert content(tmp_path / "site") == before


def made_pages(results: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Build, and return the pages that were made anew."""
    with monkeypatch.context() as patch:
        made, plain = set[str](), site._write
        patch.setattr(site, "_write", lambda folder, name, text: made.add(name) or plain(folder, name, text))
        build(results, out)
    return {name for name in made if name.endswith(".html")}


def test_pages_whose_origin_did_not_change_are_taken_over(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_run: MakeRun
) -> None:
    remember(tmp_path, monkeypatch)
    out, alone = tmp_path / "site", {"boards", "stimuli", "runs", "compare", "models"}
    first = made_pages(results, out, monkeypatch)
    again = made_pages(results, out, monkeypatch)
    boards = {name.split("/")[1].removesuffix(".html") for name in first if name.startswith("boards/")}
    assert {n.split("/")[0] for n in again} & alone == {"compare", "models"}, "lists are made again"
    victim = sorted(n for n in content(out) if n.startswith("stimuli/") and n.count("/") == 2)[0]
    (out / victim).write_text("another number")
    assert victim in made_pages(results, out, monkeypatch), "a page that is not the one that was written is made again"
    make_run("late", seed=9).save(results)
    late = made_pages(results, out, monkeypatch)
    touched = {b for b in boards if any(n.startswith(f"stimuli/{b}") for n in late)}
    assert len(touched) == 1 < len(boards)
    assert len([n for n in late if n.startswith("runs/")]) == 1
    incremental = content(out)
    monkeypatch.setenv("VIDSAL_CACHE", str(tmp_path / "empty"))
    build(results, tmp_path / "anew")
    assert content(tmp_path / "anew") == incremental


@pytest.mark.parametrize("harm", [lambda b: b[:-1000], lambda b: b.replace(b"NSS", b"CC ", 1), lambda b: b""])
def test_what_was_kept_is_never_shown_for_something_else(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: Callable[[bytes], bytes]
) -> None:
    remember(tmp_path, monkeypatch)
    build(results, tmp_path / "site")
    before = content(tmp_path / "site")
    for path in (tmp_path / "cache" / "site" / "things").glob("*/*"):
        path.write_bytes(harm(path.read_bytes()))
    build(results, tmp_path / "other")
    assert content(tmp_path / "other") == before, "a damaged cache"
    rows = next(results.rglob("frames.parquet"))
    rows.write_bytes(rows.read_bytes()[:-1])
    assert "frames.parquet" in build(results, tmp_path / "site").faults[0], "a run that was damaged since"


def test_results_may_be_built_from_the_folder_above(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was kept of a run says where it lies in the results, and it lies elsewhere in these."""
    remember(tmp_path, monkeypatch)
    (tmp_path / "above").mkdir()
    results = results.rename(tmp_path / "above" / "inner")
    build(results, tmp_path / "site")
    build(results.parent, tmp_path / "other")
    monkeypatch.setenv("VIDSAL_CACHE", str(tmp_path / "empty"))
    build(results.parent, tmp_path / "anew")
    assert content(tmp_path / "other") == content(tmp_path / "anew")


def test_a_run_that_was_changed_and_dated_back_is_read_again(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember(tmp_path, monkeypatch)
    assert not build(results, tmp_path / "site").faults
    record = next(results.rglob("run.json"))
    before = record.stat()
    record.write_text(record.read_text().replace('"split": "train"', '"split": "tra1n"'))
    os.utime(record, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert record.stat().st_size == before.st_size
    assert str(record.parent) in build(results, tmp_path / "site").faults[0]


def test_rows_that_rot_on_the_disk_are_not_drawn(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No time tells of it: only the rows do."""
    remember(tmp_path, monkeypatch)
    monkeypatch.setattr(kept, "run_digest", lambda folder, results: sha256(str(folder).encode()).hexdigest())
    build(results, tmp_path / "site")
    rows = next(results.rglob("frames.parquet"))
    whole, table = rows.read_bytes(), pq.read_table(rows)
    values = table["NSS"].to_numpy().copy()
    values[-1] = np.nextafter(np.float32(values[-1]), np.inf)  # the least that a drawing can show
    pq.write_table(table.set_column(table.column_names.index("NSS"), "NSS", pa.array(values)), rows)
    other_value = rows.read_bytes()
    for content in (other_value, whole[:-1]):
        rows.write_bytes(content)
        with pytest.raises(BadData, match="the disk may be failing"):
            build(results, tmp_path / "other")
    rows.write_bytes(whole)
    build(results, tmp_path / "other")


def test_nothing_is_kept_of_a_run_that_may_be_written_to_without_another_time(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember(tmp_path, monkeypatch)
    monkeypatch.setattr(kept, "_FRESH", 3600.0)
    build(results, tmp_path / "site")
    assert not list((tmp_path / "cache" / "site").glob("things/*/*"))


def test_what_somebody_else_may_have_kept_is_not_believed(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is unpickled, so it could run."""
    remember(tmp_path, monkeypatch)
    build(results, tmp_path / "one")
    assert (tmp_path / "cache" / "site").stat().st_mode & 0o777 == 0o700
    things = list((tmp_path / "cache" / "site" / "things").glob("*/*"))
    assert things
    assert all(kept.load(path.name) for path in things)
    (tmp_path / "cache" / "site").chmod(0o770)
    assert not any(kept.load(path.name) for path in things)
    build(results, tmp_path / "two")
    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_a_cache_that_cannot_be_written_is_done_without(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(results, tmp_path / "one")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VIDSAL_CACHE", str(tmp_path / "file"))
    build(results, tmp_path / "two")
    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_an_unknown_metric_is_refused(results: Path, tmp_path: Path, make_run: MakeRun) -> None:
    run = make_run("future", seed=7).save(results)
    later = "nss[version=9]"
    metrics = {**run.record["metrics"], "NSS": {**run.record["metrics"]["NSS"], "id": later}}
    ids = [later if i.startswith("nss[") else i for i in run.record["protocol"]["metrics"]]
    rewrite(run, metrics=metrics, protocol={**run.record["protocol"], "metrics": ids})
    with pytest.raises(BadData, match=r"unknown metric 'nss\[version=9\]'.*newer version"):
        build(results, tmp_path / "site", strict=True)


def test_a_score_under_another_metrics_label_is_refused(results: Path, tmp_path: Path, make_run: MakeRun) -> None:
    """The mean absolute error was once published as KLD, because it stood in the sixth place."""
    run = make_run("swapped", seed=7).save(results)
    metrics, ids = dict(run.record["metrics"]), list(run.record["protocol"]["metrics"])
    metrics["CC"], metrics["SIM"] = ({**metrics[a], "id": metrics[b]["id"]} for a, b in (("CC", "SIM"), ("SIM", "CC")))
    rewrite(run, metrics=metrics)
    with pytest.raises(BadData, match="its scores are not those of its protocol: CC, SIM"):
        build(results, tmp_path / "site", strict=True)
    ids[3], ids[4] = ids[4], ids[3]
    rewrite(run, protocol={**run.record["protocol"], "metrics": ids}, metrics=metrics)
    with pytest.raises(BadData, match=r"CC is not the label of sim\[sum\], SIM is"):
        build(results, tmp_path / "site", strict=True)


def test_rows_that_the_coverage_does_not_name_are_refused(results: Path, tmp_path: Path, make_run: MakeRun) -> None:
    run = make_run("wide", seed=7).save(results)
    rewrite(run, coverage={**run.record["coverage"], "scored": ["003"]})
    with pytest.raises(BadData, match="rows of '002', which its coverage does not name"):
        build(results, tmp_path / "site", strict=True)


def test_no_results_is_missing_data(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="no such results folder"):
        build(tmp_path / "nowhere", tmp_path / "site")
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingData, match="no run is here"):
        build(tmp_path / "empty", tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_an_image_data_set_has_tables_and_no_plots(tmp_path: Path, make_run: MakeRun) -> None:
    make_run(stimuli={f"i{k}": 1 for k in range(5)}).save(tmp_path / "results")
    build(tmp_path / "results", tmp_path / "site")
    (page,) = (tmp_path / "site" / "runs").iterdir()
    text = page.read_text(encoding="utf-8")
    assert "nothing to plot over time" in text
    assert "<svg" not in text

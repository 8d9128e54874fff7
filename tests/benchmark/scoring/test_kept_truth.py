"""What the first run over a release keeps of its truth, and what a later one has of it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import vidsal
from vidsal.benchmark import protocols
from vidsal.benchmark.evaluation.results.store import Run
from vidsal.benchmark.evaluation.run import ModelRecord, Settings, run, with_frames_of
from vidsal.benchmark.scoring import kept_truth, truth_cache
from vidsal.benchmark.scoring.truth import TruthMap
from vidsal.benchmark.scoring.truth_cache import TruthCache
from vidsal.loaders.errors import BadData
from vidsal.loaders.release import truth as truths
from vidsal.loaders.release.release import Release

from ...cli.commands import vidsal as vidsal_command
from ..stored import SIZE, Maps, gaze_only


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gaze_only(tmp_path_factory.mktemp("kept"))


@pytest.fixture
def ds(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Release:
    """A release of its own, whose small frames are worth keeping."""
    monkeypatch.setattr(kept_truth, "_LEAST_FRAME", 1)
    monkeypatch.setattr(kept_truth, "_LEAST", 1)
    return vidsal.load(shutil.copytree(made, tmp_path / "rel"))


def scored(
    ds: Release, protocol: str = "exact-1", said: list[str] | None = None, model: Maps | None = None, **asked: object
) -> Run:
    asked = {"show": "maps", "keep_truth": True} | asked
    chosen = Settings(protocols.protocol(protocol), **asked)  # type: ignore[arg-type]
    model = model or Maps()
    return run(
        lambda: model, ModelRecord(model.info), ds, chosen, partial=ds.root.parent / "partial",
        note=said.append if said is not None else None,
    )  # fmt: skip


def files(ds: Release) -> list[Path]:
    return sorted((ds.root / ".cache").rglob("*.truth"))


@pytest.mark.parametrize("protocol", list(protocols.PROTOCOLS))
def test_the_first_run_and_those_after_it_are_equal_to_one_without(ds: Release, protocol: str) -> None:
    runs = [scored(ds, protocol, truth_cache=where, keep_truth=bool(where)) for where in (None, "auto", "auto")]
    assert len(files(ds)) == len(ds)
    for one in runs[1:]:
        for name in ("rows_digest", "stimuli_digest", "previews_digest", "input_digest", "metrics"):
            assert one.record[name] == runs[0].record[name], name


def test_eight_bit_maps_are_kept_and_not_made_again(ds: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    first = scored(ds, "dhf1k-1")
    before = {path: path.read_bytes() for path in files(ds)}
    assert not any(".small." in path.name for path in before)
    monkeypatch.setattr(truths, "density", None)
    assert scored(ds, "dhf1k-1").record["rows_digest"] == first.record["rows_digest"]
    assert {path: path.read_bytes() for path in files(ds)} == before


def test_of_other_maps_only_what_was_measured_is_kept(ds: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    first = scored(ds)
    frames = sum(s.n_frames for s in ds)
    assert sum(path.stat().st_size for path in files(ds)) < frames * SIZE[0] * SIZE[1]  # a quarter of the maps
    assert all(path.name.endswith(".small.truth") for path in files(ds))

    def measured(self: TruthMap) -> float:
        raise AssertionError("measured again")

    for name in ("_range", "_moments", "negentropy"):
        monkeypatch.setattr(getattr(TruthMap, name), "func", measured)
    assert scored(ds).record["rows_digest"] == first.record["rows_digest"]
    with pytest.raises(AssertionError, match="measured again"):
        scored(ds, truth_cache=None, keep_truth=False)


def test_what_nobody_asked_for_is_measured_later(ds: Release) -> None:
    """A protocol without a metric that needs it keeps a truth that serves one with it."""
    few = replace(protocols.EXACT_1, name="few-1", metrics={"CC": protocols.EXACT_1.metrics["CC"]})
    expected = scored(ds, truth_cache=None, keep_truth=False).record["rows_digest"]
    assert truth_cache.find(ds, few, None).folder == truth_cache.find(ds, protocols.EXACT_1, None).folder
    model = Maps()
    settings = Settings(few, keep_truth=True)
    run(lambda: model, ModelRecord(model.info), ds, settings, partial=ds.root.parent / "partial")
    opened = truth_cache.find(ds, few, None).open(ds[ds.ids[0]])
    assert opened is not None
    assert any(value is None for row in opened._measured for value in row)
    assert scored(ds).record["rows_digest"] == expected


def test_a_full_cache_replaces_a_small_one(ds: Release) -> None:
    scored(ds)
    truth_cache.build(ds, protocols.EXACT_1)
    assert len(files(ds)) == len(ds)
    assert not any(".small." in path.name for path in files(ds))
    scored(ds)
    assert len(files(ds)) == len(ds)


def test_nothing_is_kept_where_it_does_not_pay(ds: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, least in (("_LEAST_FRAME", SIZE[0] * SIZE[1] + 1), ("_LEAST", 7 * SIZE[0] * SIZE[1] + 1)):
        with monkeypatch.context() as patch:
            patch.setattr(kept_truth, name, least)
            scored(ds)
            assert not (ds.root / ".cache").exists(), name
    scored(ds)
    assert len(files(ds)) == len(ds)


def test_a_share_of_the_disk_is_the_most(ds: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    scored(ds, "dhf1k-1")
    taken = sum(p.stat().st_size for p in (ds.root / ".cache").rglob("*") if p.is_file())

    def free(size: float) -> None:
        monkeypatch.setattr(kept_truth.shutil, "disk_usage", lambda _: SimpleNamespace(free=size))

    free(taken / kept_truth.SHARE - taken - 1)  # the caches have their share already
    scored(ds)
    assert not any(".small." in path.name for path in files(ds))
    free((taken + 2000) / kept_truth.SHARE - taken)
    bytes_of = kept_truth.room(truth_cache.find(ds, protocols.EXACT_1, None), ds).bytes_of
    assert sum(bytes_of.values()) in range(1990, 2001)
    free(1e12)
    scored(ds)
    assert sum(".small." in path.name for path in files(ds)) == len(ds)


def test_a_stimulus_that_takes_more_than_its_part_is_left_out(ds: Release) -> None:
    cache = truth_cache.find(ds, protocols.protocol("dhf1k-1"), None)
    stimulus = ds[ds.ids[0]]
    for most, kept in ((100, False), (1 << 20, True)):
        keeper = kept_truth.Keeper(cache, stimulus, most)
        for frame, truth in truth_cache._truths(stimulus, cache):
            keeper.add(frame, truth)
        keeper.finish()
        assert (cache.find(stimulus) is not None) == kept


def test_a_stimulus_of_which_frames_are_missing_is_left_out(ds: Release) -> None:
    cache = truth_cache.find(ds, protocols.protocol("dhf1k-1"), None)
    stimulus = ds[ds.ids[0]]
    keeper = kept_truth.Keeper(cache, stimulus, 1 << 20)
    for frame, truth in list(truth_cache._truths(stimulus, cache))[1:]:
        keeper.add(frame, truth)
    keeper.finish()
    assert cache.find(stimulus) is None


def test_a_folder_that_cannot_be_written_switches_it_off(ds: Release) -> None:
    expected = scored(ds, truth_cache=None, keep_truth=False)
    cache = ds.root / ".cache"
    said: list[str] = []
    cache.write_text("in the way")
    assert scored(ds, said=said).record["rows_digest"] == expected.record["rows_digest"]
    cache.unlink()
    cache.symlink_to("/proc/nowhere")
    assert scored(ds, said=said).record["rows_digest"] == expected.record["rows_digest"]
    assert said == []


def test_a_disk_that_fills_meanwhile_costs_the_cache_only(ds: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(TruthCache, "begin", full)
    said: list[str] = []
    scored(ds, said=said)
    assert (files(ds), said) == ([], [])


def test_only_whole_stimuli_are_kept(ds: Release) -> None:
    class Failing(Maps):
        def values(self, stimulus: str, frame: int) -> np.ndarray:  # type: ignore[type-arg]
            if stimulus == ds.ids[1] and frame == 5:
                raise ValueError("enough")
            return super().values(stimulus, frame)

    with pytest.raises(BadData, match="enough"):
        scored(ds, model=Failing())
    cache = truth_cache.find(ds, protocols.EXACT_1, None)
    assert [cache.find(s) is not None for s in ds] == [True, False, False]
    said: list[str] = []
    scored(ds, said=said, model=Maps(name="other"))
    assert said[0].startswith("kept the truth of 2 stimuli")


def test_some_frames_or_no_wish_keep_nothing(ds: Release, tmp_path: Path) -> None:
    whole = vidsal.evaluate(Maps(), ds).save(tmp_path / "results")
    settings = with_frames_of(Settings(protocols.EXACT_1, keep_truth=True), whole.folder)
    model = Maps()
    run(lambda: model, ModelRecord(model.info), ds, settings, partial=tmp_path / "partial")
    assert not (ds.root / ".cache").exists()


def test_the_command_says_once_where_and_how_much(
    ds: Release, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("run", "center_prior", "--data", ds.root, "-o")
    assert vidsal_command(*command, tmp_path / "a", "--truth-cache", "off") == 0
    assert "kept" not in capsys.readouterr().err
    assert vidsal_command(*command, tmp_path / "b") == 0
    err = capsys.readouterr().err
    assert err.count("kept the truth of 3 stimuli for later runs in") == 1
    assert f"vidsal cache clear {ds.root}" in err
    assert vidsal_command(*command, tmp_path / "c") == 0
    assert "kept" not in capsys.readouterr().err
    tables = {next((tmp_path / name).rglob("frames.parquet")).read_bytes() for name in "abc"}
    assert len(tables) == 1
    assert vidsal_command("cache", "clear", ds.root) == 0
    assert not files(ds)
    assert vidsal_command(*command, tmp_path / "d", "--truth-cache", tmp_path / "own") == 0
    assert (len(list((tmp_path / "own").rglob("*.truth"))), files(ds)) == (3, [])


def test_what_a_killed_process_left_is_never_read_and_goes_after_a_day(ds: Release) -> None:
    scored(ds)
    path = files(ds)[0]
    half = path.read_bytes()[:100]
    old, young = (path.with_name(f".{path.name}.{word}.tmp") for word in ("old", "young"))
    for left in (old, young):
        left.write_bytes(half)
    path.unlink()
    os.utime(old, (time.time() - 90_000,) * 2)
    scored(ds)
    assert path.is_file()
    assert (old.exists(), young.exists()) == (False, True)


KILLED = """
import os, signal, sys
from vidsal.benchmark.scoring import kept_truth
from vidsal.cli.app import main
kept_truth._LEAST_FRAME = kept_truth._LEAST = 1
replace, count = os.replace, 0
def killed(source, target):
    global count
    if str(target).endswith(".truth"):
        count += 1
        if count == 2:
            os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)
os.replace = killed
main(sys.argv[1:])
"""


def test_killed_while_it_keeps(ds: Release, tmp_path: Path) -> None:
    expected = scored(ds, truth_cache=None, keep_truth=False)
    command = [sys.executable, "-c", KILLED, "run", "uniform", "--data", str(ds.root), "-o", str(tmp_path / "r")]
    assert subprocess.run(command, capture_output=True, check=False).returncode == -signal.SIGKILL
    assert len(files(ds)) == 1
    assert scored(ds).record["rows_digest"] == expected.record["rows_digest"]
    assert len(files(ds)) == 3


@pytest.mark.slow
def test_two_commands_with_two_workers_at_once(tmp_path: Path) -> None:
    from vidsal.loaders.conversion.convert import convert
    from vidsal.loaders.datasets.synthetic.write import generate

    generate(tmp_path / "src", videos=4, frames=12, width=640, height=360, observers=4, val=0, write_video=False)
    convert("synthetic", tmp_path / "src", tmp_path / "rel", workers=1)
    words = [sys.executable, "-m", "vidsal", "run", "center_prior", "--data", str(tmp_path / "rel"), "-q"]
    words += ["--protocol", "dhf1k-1", "-o"]
    at_once = [subprocess.Popen([*words, str(tmp_path / name), "--workers", "2"]) for name in ("a", "b")]
    assert [process.wait() for process in at_once] == [0, 0]
    ds = vidsal.load(tmp_path / "rel")
    assert len(files(ds)) == 4
    assert not list((tmp_path / "rel" / ".cache").rglob("*.tmp"))
    for name, more in (("c", []), ("d", ["--truth-cache", "off"])):
        subprocess.run([*words, str(tmp_path / name), *more], check=True)
    tables = {next((tmp_path / name).rglob("frames.parquet")).read_bytes() for name in "abcd"}
    assert len(tables) == 1

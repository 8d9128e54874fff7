from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

import vidsal
from vidsal.benchmark import protocols
from vidsal.benchmark.evaluation.results.store import Run
from vidsal.benchmark.evaluation.run import ModelRecord, Settings, run
from vidsal.benchmark.evaluation.split_negatives import split_negatives
from vidsal.benchmark.evaluation.stimulus import FrameScorer
from vidsal.benchmark.protocols import Protocol
from vidsal.benchmark.scoring import truth_cache, truth_file
from vidsal.benchmark.scoring.truth import MEASURED, TruthMap
from vidsal.benchmark.scoring.truth_cache import TruthCache
from vidsal.benchmark.submissions.predict import predict
from vidsal.benchmark.submissions.score import score
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets.synthetic.write import generate
from vidsal.loaders.errors import BadData, MachineFault
from vidsal.loaders.release import truth as truths
from vidsal.loaders.release.release import Release

from ...cli.commands import vidsal as vidsal_command
from ..stored import Maps, gaze_only


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gaze_only(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def ds(root: Path) -> Release:
    return vidsal.load(root)


def evaluated(ds: Release, protocol: str, cache: Path | None, out: Path) -> Run:
    model = Maps("log_density")
    settings = Settings(protocols.protocol(protocol), truth_cache=cache)
    return run(lambda: model, ModelRecord(model.info), ds, settings, partial=out)


@pytest.mark.parametrize("protocol", list(protocols.PROTOCOLS))
def test_scores_are_equal_with_and_without(tmp_path: Path, ds: Release, protocol: str) -> None:
    rules = protocols.protocol(protocol)
    without = evaluated(ds, protocol, None, tmp_path / "a")
    cache = truth_cache.build(ds, rules, None, tmp_path / "cache")
    assert len(list(cache.folder.glob("*.truth"))) == len(ds)
    within = evaluated(ds, protocol, tmp_path / "cache", tmp_path / "b")
    assert within.record["rows_digest"] == without.record["rows_digest"]
    assert within.record["input_digest"] == without.record["input_digest"]


@pytest.mark.parametrize("protocol", ["exact-1", "dhf1k-1", "salema-1"])
def test_what_is_stored_is_what_is_made(tmp_path: Path, ds: Release, protocol: str) -> None:
    rules = protocols.protocol(protocol)
    cache = truth_cache.build(ds, rules, None, tmp_path)
    for stimulus in ds:
        negatives = split_negatives(list(ds), (stimulus.height, stimulus.width), rules)
        own = negatives.of(stimulus)
        stored = FrameScorer(rules, None, negatives, cache.open(stimulus))
        made = FrameScorer(rules, None, negatives)
        for frame in range(stimulus.n_frames):
            a, b = made.truth(stimulus, frame, own), stored.truth(stimulus, frame, own)
            assert (a.shape, a.full_shape, a.n_out_of_bounds) == (b.shape, b.full_shape, b.n_out_of_bounds)
            assert a.fixated.dtype == b.fixated.dtype
            assert (a.fixated == b.fixated).all()
            assert (a.counts == b.counts).all()
            assert (a.negatives is None) == (b.negatives is None)
            if a.negatives is not None and b.negatives is not None:
                assert (a.negatives.weights == b.negatives.weights).all()
            assert (a.truth_map is None) == (b.truth_map is None)
            if a.truth_map is not None and b.truth_map is not None:
                assert None not in b.truth_map.measured
                assert a.truth_map.values.dtype == b.truth_map.values.dtype
                assert (a.truth_map.values == b.truth_map.values).all()
                assert a.truth_map.divisor == b.truth_map.divisor
                for name in (*MEASURED, "mean"):
                    assert getattr(a.truth_map, name) == getattr(b.truth_map, name), name


def test_it_is_really_used(tmp_path: Path, ds: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    truth_cache.build(ds, protocols.protocol("exact-1"), None, tmp_path)
    predict(Maps(), ds, tmp_path / "sub")
    expected = score(tmp_path / "sub", ds, truth_cache=None)

    def never(*_: object, **__: object) -> None:
        raise AssertionError("a density was made")

    monkeypatch.setattr(truths, "density", never)
    scored = score(tmp_path / "sub", ds, truth_cache=tmp_path)
    assert scored.record["rows_digest"] == expected.record["rows_digest"]
    with pytest.raises(AssertionError, match="a density was made"):
        score(tmp_path / "sub", ds, truth_cache="off")


def test_auto_uses_what_lies_with_the_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ds = vidsal.load(gaze_only(tmp_path / "data"))
    predict(Maps(), ds, tmp_path / "sub")
    score(tmp_path / "sub", ds)
    assert not (ds.root / ".cache").exists()
    first = score(tmp_path / "sub", ds, truth_cache="build")
    assert (ds.root / ".cache" / "truth").is_dir()
    monkeypatch.setattr(truths, "density", None)
    assert score(tmp_path / "sub", ds).record["rows_digest"] == first.record["rows_digest"]
    assert vidsal.evaluate(Maps(), ds).record["rows_digest"] == first.record["rows_digest"]
    from vidsal.loaders.inspect.verify import verify

    assert all(f.ok for f in verify(ds.root))


def test_the_key_follows_everything_that_the_truth_follows(ds: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    exact, dhf1k = protocols.protocol("exact-1"), protocols.protocol("dhf1k-1")
    first = truth_cache.find(ds, exact, None).folder
    assert truth_cache.find(ds, exact, ds.default_truth).folder == first
    assert truth_cache.find(ds, replace(exact, name="other-1", resize="bicubic-antialias"), None).folder == first
    assert truth_cache.find(ds, dhf1k, None).folder != first
    monkeypatch.setitem(ds.record["truth"]["recipes"][ds.default_truth], "sigma_px", 99.0)
    assert truth_cache.find(ds, exact, None).folder != first
    monkeypatch.undo()
    monkeypatch.setitem(ds.record, "digest", "0" * 64)
    assert truth_cache.find(ds, exact, None).folder != first
    monkeypatch.undo()
    monkeypatch.setattr(truth_cache, "_code", lambda: {"sources": "changed"})
    assert truth_cache.find(ds, exact, None).folder != first


class Watched(Protocol):
    """A protocol that notes which of its choices are read."""

    seen: ClassVar[set[str]] = set()

    def __getattribute__(self, name: str) -> Any:
        if name in Protocol.__dataclass_fields__:
            Watched.seen.add(name)
        return super().__getattribute__(name)


def test_no_other_choice_of_a_protocol_moves_a_truth(ds: Release) -> None:
    for rules in protocols.PROTOCOLS.values():
        watched = Watched(**{f.name: getattr(rules, f.name) for f in fields(rules)})
        Watched.seen.clear()
        assert list(truth_cache._truths(ds[ds.ids[0]], TruthCache(Path(), watched, None)))
        assert Watched.seen <= truth_cache._made_of(ds, rules, None).keys()


SOURCES = [
    f"{folder}/{path.relative_to(root).as_posix()}"
    for folder, package in (("loaders", vidsal.loaders), ("benchmark", vidsal.benchmark))
    for root in (Path(package.__path__[0]).resolve(),)
    for path in sorted(root.rglob("*.py"))
]


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's files, to be changed."""
    folder = tmp_path_factory.mktemp("package")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(vidsal.__path__[0]), folder / "vidsal", ignore=ignored)
    assert sources_digest(folder) == truth_cache._SOURCES
    return folder


def sources_digest(copied: Path) -> str:
    return truth_cache._digest([copied / "vidsal" / "loaders", copied / "vidsal" / "benchmark"])


@pytest.mark.parametrize("module", SOURCES)
def test_a_change_of_any_module_changes_the_key(copied: Path, module: str) -> None:
    path = copied / "vidsal" / module
    before = path.read_bytes()
    path.write_bytes(before + b"\n")
    assert sources_digest(copied) != truth_cache._SOURCES
    path.write_bytes(before)


def test_the_key_is_of_these_sources_libraries_and_this_machine(ds: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    first = truth_cache.find(ds, protocols.protocol("exact-1"), None).folder
    for name, value in (
        ("_SOURCES", "0" * 64),
        ("version", lambda name: f"{name} of tomorrow"),
        ("kernels", lambda: None),
        ("platform", SimpleNamespace(machine=lambda: "abacus")),
    ):
        truth_cache._code.cache_clear()
        with monkeypatch.context() as patch:
            patch.setattr(truth_cache, name, value)
            assert truth_cache.find(ds, protocols.protocol("exact-1"), None).folder != first, name
        truth_cache._code.cache_clear()
    assert truth_cache.find(ds, protocols.protocol("exact-1"), None).folder == first


SCRIPT = """
import json, sys
from pathlib import Path
import numpy as np
import vidsal
from vidsal.benchmark import ModelInfo, Prediction, protocol
from vidsal.benchmark.evaluation.run import ModelRecord, Settings, run
from vidsal.benchmark.scoring import truth_cache, truth_file

class Ramp:
    info = ModelInfo("ramp", needs_frames=False)
    def predict(self, frames, stimulus):
        for frame in frames:
            yield Prediction(frame.index, np.linspace(1, 2, 12).reshape(3, 4))

ds = vidsal.load(sys.argv[1])
build = sys.argv[2] == "build"
if build:
    truth_cache.build(ds, protocol("exact-1"))
found = []
for where in ("auto", None):
    settings = Settings(protocol("exact-1"), truth_cache=where, limit=1)
    result = run(Ramp, ModelRecord(Ramp.info), ds, settings, partial=Path(sys.argv[1]) / "partial")
    found.append(result.scores["SIM"])
files = sorted(getattr(m, "__file__", None) or "" for n, m in sys.modules.items() if n.split(".")[0] == "vidsal")
print(json.dumps([*found, files]))
"""


def test_what_older_code_made_is_not_served(copied: Path, tmp_path: Path) -> None:
    """A change in a module that a truth passes through: `auto` gives what is computed anew."""
    root = gaze_only(tmp_path, videos=2)
    environment = {**os.environ, "PYTHONPATH": str(copied), "NUMBA_DISABLE_JIT": "1"}

    def scored(*arguments: str) -> tuple[float, float, list[str]]:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(root), *arguments],
            env=environment, cwd=tmp_path, capture_output=True, text=True, check=True,
        )  # fmt: skip
        stored, made, files = json.loads(done.stdout)
        return stored, made, files

    stored, made, files = scored("build")
    assert stored == made
    package = copied / "vidsal"
    below = [Path(f).relative_to(package).parts[0] for f in files if f]
    assert set(below) == {"__init__.py", "_version.py", "loaders", "benchmark"}

    path = package / "benchmark" / "scoring" / "inputs.py"
    before = path.read_text()
    path.write_text(before.replace("        return values\n    scaled", "        return values**2\n    scaled"))
    assert path.read_text() != before
    changed, anew, _ = scored("use")
    path.write_text(before)
    assert changed == anew
    assert abs(changed - stored) > 1e-3


def test_what_is_there_is_not_made_again(tmp_path: Path, ds: Release) -> None:
    cache = truth_cache.build(ds, protocols.protocol("exact-1"), None, tmp_path)
    path = cache.path(ds[ds.ids[0]])
    before = path.read_bytes()
    path.unlink()
    stamp = cache.path(ds[ds.ids[1]]).stat().st_mtime_ns
    reported: list[tuple[int, int, str]] = []
    truth_cache.build(
        ds, protocols.protocol("exact-1"), None, tmp_path, threads=3, progress=lambda *a: reported.append(a)
    )
    assert path.read_bytes() == before
    assert cache.path(ds[ds.ids[1]]).stat().st_mtime_ns == stamp
    assert reported == [(n + 1, 3, i) for n, i in enumerate(ds.ids)]


@pytest.fixture
def cached(tmp_path: Path, ds: Release) -> TruthCache:
    return truth_cache.build(ds, protocols.protocol("dhf1k-1"), None, tmp_path)


@pytest.mark.parametrize("cut", [0, 5, 1000, -1])
def test_a_cut_file_is_reported(cached: TruthCache, ds: Release, cut: int) -> None:
    stimulus = ds[ds.ids[0]]
    data = cached.path(stimulus).read_bytes()
    cached.path(stimulus).write_bytes(data[:cut])
    with pytest.raises(BadData, match="remove it"):
        cached.open(stimulus)


def test_every_changed_byte_is_found(cached: TruthCache, ds: Release) -> None:
    stimulus = ds[ds.ids[0]]
    path = cached.path(stimulus)
    data = path.read_bytes()
    whole = cached.open(stimulus)
    assert whole is not None
    places = [p for p in whole._places if p[0] >= 0]
    inside = [p[0] + p[1] // 2 for p in places[:2]]
    table = [len(data) - 60, len(data) - 500, len(data) - 30]
    for at in [*inside, *table]:
        changed = bytearray(data)
        changed[at] ^= 4
        path.write_bytes(bytes(changed))
        with pytest.raises(BadData, match="remove it"):
            read_all(cached, stimulus.id, ds)
    path.write_bytes(data)
    read_all(cached, stimulus.id, ds)


def test_only_what_is_needed_is_made_and_only_where_it_fits(
    ds: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = ds.ids[1]
    cache = truth_cache.build(ds, protocols.protocol("exact-1"), root=tmp_path, only=[one])
    assert [cache.path(s).is_file() for s in ds] == [s.id == one for s in ds]
    needed = sum(4 * s.width * s.height * len(s.annotated_indices()) for s in ds if s.id != one)
    for free, fits in ((needed - 1, False), (needed, True)):
        usage = SimpleNamespace(total=0, used=0, free=free)
        monkeypatch.setattr(truth_cache.shutil, "disk_usage", lambda _, usage=usage: usage)
        if fits:
            truth_cache.build(ds, protocols.protocol("exact-1"), root=tmp_path)
        else:
            with pytest.raises(MachineFault, match="B are free; leave --truth-cache out"):
                truth_cache.build(ds, protocols.protocol("exact-1"), root=tmp_path)
    assert all(cache.path(s).is_file() for s in ds)


def read_all(cache: TruthCache, stimulus_id: str, ds: Release) -> None:
    truth = cache.open(ds[stimulus_id])
    assert truth is not None
    for frame in range(ds[stimulus_id].n_frames):
        truth.at(frame, None, "none")


def test_the_checksum_of_large_maps_sees_every_word() -> None:
    data = np.random.default_rng(0).bytes((1 << 18) + 77)
    first = truth_file._checksum(data)
    for at in (0, 511, 512, 100_003, (1 << 18) - 1, (1 << 18) + 76):
        changed = bytearray(data)
        changed[at] ^= 128
        assert truth_file._checksum(bytes(changed)) != first, at
    assert truth_file._checksum(memoryview(data)) == first


def test_frames_without_points_and_large_maps(tmp_path: Path) -> None:
    generate(tmp_path / "src", videos=2, frames=3, width=512, height=300, observers=1, seed=5, val=0, write_video=False)
    for text in (tmp_path / "src").rglob("O01.txt"):
        lines = text.read_text().splitlines(keepends=True)
        text.write_text("".join(lines[: len(lines) // 2]))
    convert("synthetic", tmp_path / "src", tmp_path / "rel", workers=1)
    ds = vidsal.load(tmp_path / "rel")
    cache = truth_cache.build(ds, protocols.protocol("exact-1"))
    model = Maps(shape=(300, 512))
    on, off = (evaluated_with(model, ds, c, tmp_path / "p") for c in ("auto", None))
    assert on.record["counts"]["no_fixation"] > 0
    assert on.record["rows_digest"] == off.record["rows_digest"]
    truth = cache.open(ds[ds.ids[0]])
    assert truth is not None
    first = truth.at(0, None, "")
    assert first is not None
    assert isinstance(first.truth_map, TruthMap)
    assert first.truth_map.values.nbytes > 1 << 18
    assert truth.at(99, None, "") is None


def evaluated_with(model: Maps, ds: Release, cache: str | None, partial: Path) -> Run:
    settings = Settings(protocols.protocol("exact-1"), truth_cache=cache)
    return run(lambda: model, ModelRecord(model.info), ds, settings, partial=partial)


def test_what_is_out_of_date_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ds = vidsal.load(gaze_only(tmp_path / "data", videos=2))
    with monkeypatch.context() as patch:
        patch.setattr(truth_cache, "_code", lambda: {"sources": "of last year"})
        old = truth_cache.build(ds, protocols.protocol("exact-1"))
        aside = truth_cache.build(ds, protocols.protocol("exact-1"), None, tmp_path / "aside")
    (old.folder.parent / "notes").mkdir()
    dhf1k = truth_cache.build(ds, protocols.protocol("dhf1k-1"))
    exact = truth_cache.build(ds, protocols.protocol("exact-1"))
    truth_cache.build(ds, protocols.protocol("exact-1"), None, tmp_path / "aside")
    assert not old.folder.exists()
    assert all(c.folder.is_dir() for c in (dhf1k, exact, aside))
    assert (old.folder.parent / "notes").is_dir()


def test_what_is_there_is_listed_and_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = gaze_only(tmp_path / "data", videos=2)
    ds = vidsal.load(root)
    aside = tmp_path / "aside"
    with monkeypatch.context() as patch:
        patch.setattr(truth_cache, "_code", lambda: {"sources": "of last year"})
        truth_cache.build(ds, protocols.protocol("exact-1"), None, aside)
    truth_cache.build(ds, protocols.protocol("dhf1k-1"), None, aside)
    (aside / "notes").mkdir()
    cache = truth_cache.build(ds, protocols.protocol("exact-1"))
    (found,) = truth_cache.contents(root)
    size = sum(p.stat().st_size for p in cache.folder.glob("*.truth"))
    assert (found.folder, found.stimuli, found.size, found.current) == (cache.folder, 2, size, True)
    assert sorted(c.current for c in truth_cache.contents(aside)) == [False, True]
    assert vidsal_command("cache", "clear", aside, "--stale") == 0
    assert [c.current for c in truth_cache.contents(aside)] == [True]
    assert vidsal_command("cache", "list", aside) == 0
    assert "uint8" in capsys.readouterr().out
    assert vidsal_command("cache", "clear", aside) == 0
    assert [p.name for p in aside.iterdir()] == ["notes"]
    assert vidsal_command("cache", "list", aside) == 0
    assert "no precomputed truth" in capsys.readouterr().out
    assert vidsal_command("cache", "list", tmp_path / "absent") == 3

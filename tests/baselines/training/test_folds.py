"""All folds of a recipe: equal weights wherever they are trained, and a fold that failed costs itself."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import vidsal
from vidsal.benchmark.evaluation.children import ChildFault
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets.synthetic.write import generate
from vidsal.loaders.errors import BadData, WrongUse
from vidsal.loaders.io.files import lock_folder
from vidsal.loaders.io.workers import Processes, Task

from ...benchmark.evaluation.machines import WAIT_S, machines, patient, until
from ...cli.commands import vidsal as command

RECIPE = "unisal-mit1003-1"
FILES = ("weights.pt", "best.pt", "history.jsonl", "epochs.jsonl", "training.json")


class Inline(Processes):
    """Does tasks in this process, the last first; those that are named come to harm."""

    def __init__(self, harm: Mapping[str, Exception] | None = None, *, away: bool = False) -> None:
        self.away = away
        self._harm = harm or {}
        self.done: list[str] = []

    def each(
        self, tasks: Sequence[Task], watch: Callable[[Mapping[int, int]], None] | None = None
    ) -> Iterator[tuple[int, Any]]:
        for number in reversed(range(len(tasks))):
            function, (order, where) = tasks[number]
            if watch:
                watch({number: 0})
            name = order.out.name
            if self.away:
                where = replace(where, token="a name that is not there")
            self.done.append(name)
            yield number, self._harm[name] if name in self._harm else function(order, where)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("folds")
    generate(folder / "source", videos=4, frames=2, width=64, height=48, observers=2)
    convert("synthetic", folder / "source", folder / "release", workers=1)
    return folder / "release"


def train(release: Path, out: Path, **how: Any) -> None:
    vidsal.train(RECIPE, release, out, smoke=True, threads=1, epochs=1, fold="all", **how)


@pytest.fixture(scope="module")
def trained(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process leaves."""
    out = tmp_path_factory.mktemp("one")
    train(release, out)
    return out


@pytest.fixture(scope="module")
def expected(trained: Path) -> dict[str, bytes]:
    return content(trained)


def content(out: Path) -> dict[str, bytes]:
    found = {f"fold{n}/{name}": (out / f"fold{n}" / name).read_bytes() for n in range(2) for name in FILES}
    return {**found, "folds.json": (out / "folds.json").read_bytes()}


@pytest.mark.parametrize("away", [False, True])
def test_a_fold_that_failed_costs_itself(release: Path, expected: dict[str, bytes], tmp_path: Path, away: bool) -> None:
    """The other is trained, there is no table; the same call does only what is missing. On a common disk or without."""
    notes: list[str] = []
    killed = Inline({"fold1": ChildFault("its process was killed twice by SIGKILL")}, away=away)
    with pytest.raises(
        BadData, match="fold1: its process was killed twice by SIGKILL. There is no table; 1 of 2 folds"
    ):
        train(release, tmp_path, children=killed, note=notes.append)
    assert notes == ["fold1: its process was killed twice by SIGKILL; the other folds go on"]
    assert killed.done == ["fold1", "fold0"]
    assert not (tmp_path / "folds.json").exists()
    before = (tmp_path / "fold0" / "weights.pt").stat().st_mtime_ns
    told: list[tuple[int, int, str]] = []
    again = Inline(away=away)
    train(release, tmp_path, children=again, progress=lambda *what: told.append(what))
    assert again.done == ["fold1"]
    assert told[-1] == (2, 2, "fold1")
    assert (tmp_path / "fold0" / "weights.pt").stat().st_mtime_ns == before
    assert content(tmp_path) == expected
    assert away != (tmp_path / "fold1" / "frames").exists()  # a cache stays where it was made


def test_the_first_that_fails_can_end_it(release: Path, tmp_path: Path) -> None:
    harmed = Inline({f"fold{n}": ChildFault("gone") for n in range(2)})
    with pytest.raises(BadData, match="^gone$"):
        train(release, tmp_path, children=harmed, fail_fast=True)
    assert harmed.done == ["fold1"]


def test_a_fault_that_is_no_folds_ends_it(release: Path, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="disk"):
        train(release, tmp_path, children=Inline({"fold1": OSError(28, "the disk is full")}))


def test_weights_that_are_gone_are_written_again(
    release: Path, trained: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    """A state that came before its weights, and no more."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    for name in ("weights.pt", "training.json"):
        (tmp_path / "fold0" / name).unlink()
    train(release, tmp_path)
    assert content(tmp_path) == expected


def test_folds_of_another_training_are_refused(release: Path, trained: Path) -> None:
    with pytest.raises(WrongUse, match="fold0 holds another training"):
        train(release, trained, seed=1)


def test_two_commands_and_wrong_words(release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with lock_folder(tmp_path / "state"), pytest.raises(WrongUse, match="another process is doing the same work"):
        train(release, tmp_path)
    common = ("train", RECIPE, "--smoke", "--data", release, "-o", tmp_path)
    for words, said in (
        (("--folds", "--option", "fold=1"), "--folds and --option fold=1 contradict each other"),
        (("--scheduler", "local:2"), "--scheduler: one training is not spread; it goes with --folds"),
        (("--fail-fast",), "--fail-fast: one training is not spread"),
        (("--folds", "--scheduler", "local:2", "--workers", 2), "--scheduler and --workers contradict each other"),
    ):
        assert command(*common, *words) == 2
        assert said in capsys.readouterr().err
    assert command("train", "salema-dhf1k-1", "--smoke", "--data", release, "-o", tmp_path, "--folds") == 2
    assert "--folds: salema-dhf1k-1-smoke has none" in capsys.readouterr().err


# Slow: in processes, for real


def children_of(pid: int) -> set[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return {p for p in map(int, text.split()) if b"spawn_main" in Path(f"/proc/{p}/cmdline").read_bytes()}


@pytest.mark.slow
@pytest.mark.parametrize("how", [("--workers", "2"), ("--scheduler", "local:2")])
def test_the_command_in_processes(release: Path, tmp_path: Path, how: tuple[str, ...]) -> None:
    if "--scheduler" in how:
        pytest.importorskip("distributed")
    line = ("train", RECIPE, "--smoke", "--data", release, "--folds", "--threads", 1, "-q")
    assert command(*line, "-o", tmp_path / "one" / "run") == 0
    assert command(*line, "-o", tmp_path / "many" / "run", *how) == 0
    assert content(tmp_path / "many" / "run") == content(tmp_path / "one" / "run")


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 2])
def test_a_fold_whose_process_was_killed(release: Path, tmp_path: Path, times: int) -> None:
    """Once: it is trained all the same. Twice: it is named, the other is trained."""
    line = [sys.executable, "-m", "vidsal", "train", RECIPE, "--smoke", "--data", str(release), "--folds", "-q"]
    line += ["--threads", "1", "--workers", "2", "-o", str(tmp_path / "run"), "--epochs", "3"]
    environment = {**os.environ, "PYTHONPATH": str(Path(vidsal.__file__).parents[1])}
    end = time.monotonic() + 300
    with subprocess.Popen(line, stderr=subprocess.PIPE, env=environment) as process:
        seen: set[int] = set()
        for _ in range(times):
            while not (now := children_of(process.pid) - seen) or (not seen and len(now) < 2):
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.02)
            os.kill(min(now) if not seen else max(now), signal.SIGKILL)
            seen |= now
        _, err = process.communicate(timeout=300)
    assert process.returncode == (0 if times == 1 else 1), err.decode()
    if times == 2:
        assert b"its process was killed twice by SIGKILL" in err
        assert b"1 of 2 folds are trained and kept" in err
        subprocess.run(line, env=environment, check=True)
    table = json.loads((tmp_path / "run" / "folds.json").read_text())
    assert [one["fold"] for one in table] == [0, 1]
    assert command(*line[3:-2], "--epochs", "3", "-o", tmp_path / "one" / "run", "--workers", 1) == 0
    assert content(tmp_path / "run") == content(tmp_path / "one" / "run")


@pytest.mark.slow
def test_a_cluster_by_its_address(release: Path, tmp_path: Path) -> None:
    """A scheduler and two workers that run already give the bytes of one process, also where a worker is killed and all
    of them are started again meanwhile."""
    pytest.importorskip("distributed")
    line = [sys.executable, "-m", "vidsal", "train", RECIPE, "--smoke", "--data", str(release), "--folds", "-q"]
    line += ["--threads", "1", "--epochs", "3", "-o"]
    environment = {**os.environ, "PYTHONPATH": str(Path(vidsal.__file__).parents[1])}
    environment["DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT"] = f"{WAIT_S}s"
    out = tmp_path / "many" / "run"

    def steps() -> int:
        return sum(path.read_bytes().count(b"\n") for path in out.rglob("history.jsonl"))

    with (
        patient(),
        machines(tmp_path) as made,
        subprocess.Popen(
            [*line, str(out), "--scheduler", made.address], stderr=subprocess.PIPE, env=environment
        ) as process,
    ):
        try:
            until(lambda: steps() > 0 or process.poll() is not None, 5 * WAIT_S)
            made.workers[0].kill()
            done = steps()
            until(lambda: steps() > done or process.poll() is not None, 5 * WAIT_S)
            assert process.poll() is None  # else nothing was broken
            made.restart()
            _, err = process.communicate(timeout=10 * WAIT_S)
        finally:
            process.kill()
    assert process.returncode == 0, err.decode()
    subprocess.run([*line, str(tmp_path / "one" / "run"), "--workers", "1"], env=environment, check=True)
    assert content(out) == content(tmp_path / "one" / "run")

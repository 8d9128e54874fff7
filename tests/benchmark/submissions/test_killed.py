"""A command that is killed at any stage of its writes, and two commands at once: nothing is lost, nothing is left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

import vidsal
from vidsal.benchmark.evaluation.results.store import find_runs, load_run
from vidsal.benchmark.submissions.pack import pack
from vidsal.benchmark.submissions.predict import predict
from vidsal.benchmark.submissions.score import score
from vidsal.cli import app
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets.synthetic.write import generate

from ..stored import Maps, gaze_only, opened

SCRIPT = Path(__file__).with_name("killed.py")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gaze_only(tmp_path_factory.mktemp("killed"), videos=2)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    generate(folder / "src", videos=4, frames=2, width=64, height=48, observers=2)
    convert("synthetic", folder / "src", folder / "rel", workers=1)
    return folder / "rel"


@pytest.fixture(scope="module")
def sub(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    out = tmp_path_factory.mktemp("made") / "sub"
    predict(Maps(), opened(root), out)
    pack(out, out.with_name("sub.zip"))
    result = score(out, opened(root))
    result.save(out.with_name("results"))
    return out


def environment() -> dict[str, str]:
    found = os.pathsep.join(map(str, (Path(vidsal.__file__).resolve().parents[1], SCRIPT.parents[2])))  # tests/warm.py
    return {**os.environ, "PYTHONPATH": found, "OMP_NUM_THREADS": "1"}


OF_SUBMISSIONS = ("predict", "import", "pack", "init", "score", "maps")
OTHERS = ("convert", "run", "site", "merge", "export", "video", "template", "gate")


OWN_MOUNTS = ["unshare", "--mount", "--map-root-user"]
"""What is mounted within is seen by nobody else, and gone with it."""


def killed(folder: Path, root: Path, sub: Path, sample: int, fault: str, *names: str) -> dict[str, Any]:
    words = [sys.executable, str(SCRIPT), str(folder), str(root), str(sub), str(sample), fault, *names]
    if fault == "FULL":
        words = [*OWN_MOUNTS, *words]
    done = subprocess.run(words, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    for name, of in found.items():
        assert of["wrong"] == [], name
    return found


def test_killed_at_some_stages_of_a_write(tmp_path: Path, root: Path, sub: Path) -> None:
    assert sum(of["tried"] for of in killed(tmp_path, root, sub, 11, "KILL", *OF_SUBMISSIONS).values()) > 5


@pytest.mark.slow
def test_killed_at_every_stage_of_a_write(tmp_path: Path, root: Path, sub: Path) -> None:
    found = killed(tmp_path, root, sub, 1, "KILL", *OF_SUBMISSIONS)
    assert found["predict"]["tried"] > 8
    assert found["score"]["tried"] > 8
    assert found["import"]["tried"] > 3
    assert found["pack"]["tried"] > 2
    assert found["init"]["tried"] > 1


def test_a_disk_that_fails_at_some_stages(tmp_path: Path, root: Path, sub: Path) -> None:
    """It is said, nothing half is left to be believed, and the same command ends as if nothing had happened."""
    assert sum(of["tried"] for of in killed(tmp_path, root, sub, 9, "ENOSPC", "run", "convert", "merge").values()) > 9


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["ENOSPC", "EIO", "EFBIG"])
def test_a_disk_that_fails_at_every_stage(tmp_path: Path, root: Path, videos: Path, sub: Path, fault: str) -> None:
    found = killed(tmp_path, root, sub, 1, fault, *OF_SUBMISSIONS, *OTHERS)
    (tmp_path / "of_training").mkdir()
    found |= killed(tmp_path / "of_training", videos, sub, 3, fault, "train")
    for name, of in found.items():
        assert of["tried"] > 0, name


@pytest.mark.slow
def test_a_disk_that_is_full(tmp_path: Path, root: Path, videos: Path, sub: Path) -> None:
    """A real one, of a few pages more each time: what was begun is said, believed by nobody, and done once there is room."""
    try:
        probe = [*OWN_MOUNTS, "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)]
        subprocess.run(probe, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"nobody may mount a tmpfs here: {error}")
    for name in (*OF_SUBMISSIONS, *OTHERS, "train"):
        (folder := tmp_path / name).mkdir()
        found = killed(folder, videos if name == "train" else root, sub, 5 if name == "train" else 3, "FULL", name)
        assert found[name]["tried"] > 0, name


def _score(words: list[str], said: Path) -> None:
    os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT), 2)
    raise SystemExit(app._run(words))


@pytest.mark.usefixtures("_nursery")
def test_two_processes_on_one_results_folder(tmp_path: Path, root: Path, sub: Path) -> None:
    words = ["score", f"{sub}.zip", "--data", str(root), "-o", str(tmp_path / "out"), "--protocol"]
    at_once = [
        get_context("forkserver").Process(target=_score, args=([*words, protocol], tmp_path / f"said{number}"))
        for number, protocol in enumerate(("exact-1", "dhf1k-1", "exact-1"))
    ]
    for child in at_once:
        child.start()
    for number, child in enumerate(at_once):
        child.join()
        said = (tmp_path / f"said{number}").read_text()
        assert child.exitcode == 0 or (child.exitcode == 2 and "another process is doing the same work" in said), said
    assert at_once[1].exitcode == 0
    runs = [load_run(path) for path in find_runs(tmp_path / "out")]
    assert {run.record["protocol"]["name"] for run in runs} == {"exact-1", "dhf1k-1"}
    assert len({run.record["rows_digest"] for run in runs if run.record["protocol"]["name"] == "exact-1"}) == 1
    assert not (tmp_path / "out" / ".unpacked").exists()

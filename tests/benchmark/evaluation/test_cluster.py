"""A Dask cluster on loopback: equal bytes, and every fault is one stimulus's, or said with what to check."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.cli.commands import small_release, vidsal

from vidsal.benchmark.evaluation import cluster as clusters, pool
from vidsal.benchmark.evaluation.cluster import Cluster
from vidsal.loaders.errors import BadData, MissingData, WrongUse
from vidsal.loaders.io.away import Shared, bring, leave

from .machines import WAIT_S, Machines, free_port, machines, patient, until

pytest.importorskip("distributed")


@pytest.fixture(scope="module", autouse=True)
def patience() -> Iterator[None]:
    with patient():
        yield


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with machines(tmp_path_factory.mktemp("cluster")) as made:
        yield made.address


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_release(tmp_path_factory.mktemp("release"), videos=4, frames=6)


@pytest.fixture(scope="module")
def expected(release: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    out = tmp_path_factory.mktemp("one")
    assert vidsal("run", "center_prior", "--data", release, "-o", out, "-q") == 0
    return frames(out)


def frames(out: Path) -> bytes:
    (found,) = out.rglob("frames.parquet")
    return found.read_bytes()


def own(path: Path, body: str) -> str:
    """Write a predictor whose code sees `stimulus` and a folder of its own, `here`."""
    path.write_text(
        "import os, signal, time\nfrom pathlib import Path\nimport numpy as np\n"
        "from vidsal.benchmark.predictor import ModelInfo, Prediction\n\n\n"
        f"here = Path({str(path.parent)!r})\n\n\n"
        "def first(name):\n    try:\n        (here / name).touch(exist_ok=False)\n        return True\n"
        "    except FileExistsError:\n        return False\n\n\n"
        "class Own:\n    info = ModelInfo('own', needs_frames=False)\n\n"
        "    def predict(self, frames, stimulus):\n"
        f"        {body}\n"
        "        for frame in frames:\n"
        "            yield Prediction(frame.index, np.eye(48, 64, dtype=np.float32), 'saliency')\n"
    )
    return f"{path}:Own"


def test_a_cluster_without_a_common_disk_gives_the_bytes_of_one_process(
    running: str, release: Path, expected: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def elsewhere(folder: Path) -> Iterator[Shared]:
        yield Shared(folder.resolve(), "a name that is not there")

    monkeypatch.setattr(pool, "shared", elsewhere)
    came: list[list[str]] = []
    monkeypatch.setattr(pool, "bring", lambda files, folder: (came.append(list(files)), bring(files, folder)))
    assert vidsal("run", "center_prior", "--data", release, "-o", tmp_path, "--scheduler", running, "-q") == 0
    assert frames(tmp_path) == expected
    assert len(came) == 4
    assert all(names[-1].endswith(".parquet.sha256") for names in came)  # the seal is the last


def test_a_worker_with_other_versions_is_refused(running: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Cluster(running) as cluster, monkeypatch.context() as patch:
        patch.setattr(clusters, "__version__", "9.9")
        clusters._versions.cache_clear()
        with pytest.raises(
            BadData, match=r"worker tcp://\S+ has other versions.*vidsal 0\.1\.0 .* there, 9\.9 .* here"
        ):
            cluster._check_workers()
        with pytest.raises(BadData, match=r"vidsal 9\.9 .* there, 0\.1\.0 .* here"):
            cluster.call(os.getpid)  # of a worker that joined since
    clusters._versions.cache_clear()


def test_a_gpu_is_asked_for_by_its_resource(running: str) -> None:
    with pytest.raises(MissingData, match=r"none of 2 workers declares a GPU"), Cluster(running, gpu=True):
        pass


@pytest.mark.parametrize("address", ["local:0", "local:", "somewhere", "host:8786", "local:2000000"])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(WrongUse, match="no address; give local:N"):
        Cluster(address)


def test_a_cluster_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    import dask

    with (
        dask.config.set({"distributed.comm.timeouts.connect": "300ms"}),
        pytest.raises(MissingData, match=r"no Dask scheduler answers in 0\.3 s .* Check that `dask scheduler` runs"),
        Cluster(f"tcp://127.0.0.1:{free_port()}"),
    ):
        pass


def test_two_numbers_of_processes_contradict(release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ("run", "uniform", "--data", release, "-o", tmp_path, "--scheduler", "local:2", "--workers", 2)
    assert vidsal(*command) == 2
    assert "--scheduler and --workers contradict each other" in capsys.readouterr().err


def test_work_is_left_in_the_folder_or_comes_back_in_the_order_of_writing(tmp_path: Path) -> None:
    def work(home: Path) -> None:
        for name in ("b/2", "a"):
            (home / name).parent.mkdir(exist_ok=True)
            (home / name).write_text((home / "read").read_text() + name)
            time.sleep(0.01)  # of a disk whose clock is coarse

    def prepare(home: Path) -> None:
        (home / "read").write_text("of ")

    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "token").touch()
    prepare(tmp_path / "here")
    assert leave(Shared(tmp_path / "here", "token"), work) is None
    for token in ("token", "token", "another"):  # what was prepared stays, what was made does not
        found = leave(Shared(tmp_path / "there", token), work, prepare)
        assert found == {"b/2": b"of b/2", "a": b"of a"}
        assert list(found) == ["b/2", "a"]
    bring(found, tmp_path / "came")
    assert (tmp_path / "came" / "b" / "2").read_text() == (tmp_path / "here" / "b" / "2").read_text()


# Slow: every command and every fault, for real


@pytest.mark.slow
def test_every_command_on_processes_of_its_own(release: Path, expected: bytes, tmp_path: Path) -> None:
    away = ("-q", "--scheduler", "local:2")
    source = release.parent / "source"
    assert vidsal("data", "convert", "synthetic", "--src", source, "-o", tmp_path / "rel", *away) == 0
    for name in ("fixations.parquet", "gaze.parquet", "stimuli.parquet", "release.json"):
        assert (tmp_path / "rel" / name).read_bytes() == (release / name).read_bytes()
    with socket.socket() as other:  # at the port at which Dask would show its pages; that is no matter, and no note
        with suppress(OSError):  # somebody has it already
            other.bind(("", 8787))
            other.listen()
        assert vidsal("run", "center_prior", "--data", release, "-o", tmp_path / "run", *away) == 0
    assert frames(tmp_path / "run") == expected
    for out, how in (("one", ("-q",)), ("two", away)):
        assert vidsal("predict", "center_prior", "--data", release, "-o", tmp_path / out, *how) == 0
    names = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*"))
    assert names == sorted(p.relative_to(tmp_path / "two") for p in (tmp_path / "two").rglob("*"))
    for name in names:
        if (tmp_path / "one" / name).is_file():
            assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert vidsal("score", tmp_path / "two", "--data", release, "-o", tmp_path / "scored", *away) == 0
    assert frames(tmp_path / "scored") == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("if stimulus.id == 'scene_002' and first('a'): os.kill(os.getpid(), signal.SIGSEGV)", 0, ""),
        ("if stimulus.id == 'scene_002': os.kill(os.getpid(), signal.SIGSEGV)", 1, "killed twice by SIGSEGV"),
        ("if stimulus.id == 'scene_002': os._exit(0)", 1, "ended itself with exit code 0"),
        ("if stimulus.id == 'scene_002': time.sleep(99)", 1, "no sign of life for 2 s of one frame"),
        ("if stimulus.id == 'scene_002': raise ValueError('odd')", 1, "ValueError: odd"),
        ("if first('a'): os.kill(os.getppid(), signal.SIGKILL)", 0, ""),  # the worker itself
        ("if stimulus.id == 'scene_002': os.kill(os.getppid(), signal.SIGKILL)", 4, "did not come back in 3 s"),
    ],
)
def test_a_fault_costs_its_stimulus(
    release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], body: str, code: int, said: str
) -> None:
    import dask

    model = own(tmp_path / "own.py", body)
    plain = own(tmp_path / "plain.py", "pass").replace("plain.py", "own.py")
    command = ("run", model, "--data", release, "-q", "--timeout", 2)
    with (
        machines(tmp_path) as made,
        dask.config.set({"distributed.comm.timeouts.connect": "3s" if code == 4 else "120s"}),
    ):
        assert vidsal(*command, "-o", tmp_path / "out", "--scheduler", made.address) == code
    err = capsys.readouterr().err
    assert said in err
    if code:
        assert not list(tmp_path.joinpath("out").rglob("frames.parquet"))
    if code == 1:
        assert "3 of 4 stimuli are finished and kept" in err
        assert "scene_002" in err
    if not code:
        assert vidsal(*command, "-o", tmp_path / "one") == 0
        assert frames(tmp_path / "out") == frames(tmp_path / "one")
    assert plain == model


@pytest.mark.slow
def test_fail_fast_stops_at_the_first(release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = own(tmp_path / "own.py", "(here / stimulus.id).touch(); raise ValueError('odd')")
    with machines(tmp_path, workers=1) as made:
        command = ("run", model, "--data", release, "-o", tmp_path / "out", "-q", "--scheduler", made.address)
        assert vidsal(*command, "--fail-fast") == 1
    assert "ValueError: odd" in capsys.readouterr().err
    assert len(list(tmp_path.glob("scene_*"))) < 4


@pytest.mark.slow
def test_a_cluster_without_workers(tmp_path: Path) -> None:
    import dask

    with (
        machines(tmp_path, workers=0) as made,
        dask.config.set({"distributed.comm.timeouts.connect": "8s"}),
        pytest.raises(MissingData, match=r"no worker has joined it; check that `dask worker` runs"),
        Cluster(made.address),
    ):
        pass


@contextmanager
def in_the_middle(folder: Path, release: Path, made: Machines) -> Iterator[tuple[subprocess.Popen[bytes], list[str]]]:
    """A command whose second stimulus waits for a file `go`; it has done one."""
    body = "n = len(list(here.glob('at_*'))); (here / f'at_{stimulus.id}').touch()\n"
    body += "        while n and not (here / 'go').exists(): time.sleep(0.05); continue"
    model = own(folder / "own.py", body)
    line = [sys.executable, "-m", "vidsal", "run", model, "--data", str(release), "-o", str(folder / "out"), "-q"]
    line += ["--scheduler", made.address]
    waiting = {**os.environ, "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": f"{WAIT_S}s"}
    with subprocess.Popen(line, stderr=subprocess.PIPE, env=waiting) as command:
        try:
            until(lambda: len(list(folder.glob("at_*"))) == 2 and any((folder / "out").rglob("*.parquet.sha256")))
            yield command, line
        finally:
            command.kill()


def mtime(path: Path) -> int:
    return path.stat().st_mtime_ns


@pytest.mark.slow
def test_a_scheduler_that_is_started_again(release: Path, tmp_path: Path) -> None:
    with machines(tmp_path, workers=1) as made, in_the_middle(tmp_path, release, made) as (command, _):
        made.restart()
        (tmp_path / "go").touch()
        _, err = command.communicate(timeout=WAIT_S)
        assert command.returncode == 0, err.decode()
    assert vidsal("run", f"{tmp_path / 'own.py'}:Own", "--data", release, "-o", tmp_path / "one", "-q") == 0
    assert frames(tmp_path / "out") == frames(tmp_path / "one")


@pytest.mark.slow
def test_a_command_that_was_killed_does_only_the_rest(release: Path, tmp_path: Path) -> None:
    with machines(tmp_path, workers=1) as made, in_the_middle(tmp_path, release, made) as (command, line):
        command.send_signal(signal.SIGKILL)
        command.wait()
        (first,) = {p.name for p in tmp_path.glob("at_*")} - {max(tmp_path.glob("at_*"), key=mtime).name}
        before = mtime(tmp_path / first)
        (tmp_path / "go").touch()
        again = subprocess.run(line, check=False, stderr=subprocess.PIPE)
        assert again.returncode == 0, again.stderr.decode()
    assert len(list(tmp_path.glob("at_*"))) == 4
    assert mtime(tmp_path / first) == before  # it was not done again
    assert vidsal("run", f"{tmp_path / 'own.py'}:Own", "--data", release, "-o", tmp_path / "one", "-q") == 0
    assert frames(tmp_path / "out") == frames(tmp_path / "one")


@pytest.mark.slow
def test_a_gpu_by_its_resource_and_no_child_is_left(tmp_path: Path) -> None:
    with machines(tmp_path, workers=0) as made:
        made.add_worker("--resources", "GPU=1")
        made.add_worker()
        with Cluster(made.address, gpu=True) as cluster:
            parents = {cluster.call(os.getppid) for _ in range(3)}
            child = cluster.call(os.getpid)
        assert parents == {made.workers[0].pid}
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)


@pytest.mark.slow
def test_two_commands_on_one_cluster(release: Path, expected: bytes, tmp_path: Path) -> None:
    """Those that do the same work: one does it, the other says so. Another one goes its own way."""
    with machines(tmp_path, workers=1) as made, in_the_middle(tmp_path, release, made) as (first, line):
        for _ in range(3):  # two that take the first command's other stimuli, and wait, too; one that is free
            made.add_worker()
        second = subprocess.run(line, check=False, stderr=subprocess.PIPE)
        assert second.returncode == 2, second.stderr.decode()
        assert b"another process is doing the same work; wait for it to end" in second.stderr
        (tmp_path / "go").touch()
        command = ("run", "center_prior", "--data", release, "-o", tmp_path / "other", "-q")
        assert vidsal(*command, "--scheduler", made.address) == 0
        _, err = first.communicate(timeout=WAIT_S)
        assert first.returncode == 0, err.decode()
    assert frames(tmp_path / "other") == expected
    assert vidsal("run", f"{tmp_path / 'own.py'}:Own", "--data", release, "-o", tmp_path / "one", "-q") == 0
    assert frames(tmp_path / "out") == frames(tmp_path / "one")


@pytest.mark.slow
def test_a_straggler(release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that stands still with a stimulus in its hands: another one does it, and the command ends."""
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL", "20s")
    body = "n = stimulus.id == 'scene_002' and first('a')\n"
    body += "        while n: os.kill(os.getppid(), signal.SIGSTOP); time.sleep(0.1)"
    model = own(tmp_path / "own.py", body)
    with machines(tmp_path) as made:
        command = ("run", model, "--data", release, "-q")
        assert vidsal(*command, "-o", tmp_path / "out", "--scheduler", made.address) == 0
    assert vidsal(*command, "-o", tmp_path / "one") == 0
    assert frames(tmp_path / "out") == frames(tmp_path / "one")

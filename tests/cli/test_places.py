"""Commands on addresses: the same bytes as on a folder of this machine, and nothing that counts before it is whole."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vidsal.loaders.datasets.synthetic.write import generate

from .commands import Say, small_release, vidsal

memory = pytest.importorskip("fsspec.implementations.memory").MemoryFileSystem
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_release(tmp_path_factory.mktemp("places"), videos=2, frames=6)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, release: Path) -> Iterator[dict[str, Any]]:
    """The names of a store in memory that holds a release, with a cache of its own."""
    monkeypatch.setenv("VIDSAL_CACHE", str(tmp_path / "cache"))
    memory.store.clear()
    upload(release, "/bucket/synthetic")
    yield memory.store
    memory.store.clear()


def upload(folder: Path, path: str) -> None:
    for file in folder.rglob("*"):
        if file.is_file():
            memory().pipe_file(f"{path}/{file.relative_to(folder).as_posix()}", file.read_bytes())


def stored(store: dict[str, Any], name: str) -> list[tuple[str, bytes]]:
    return [(path, store[path].getvalue()) for path in sorted(store) if path.endswith(f"/{name}")]


def without_time(content: bytes) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(content)
    for name in ("time", "duration_s", "digest"):
        record.pop(name)
    return record


def test_a_run_on_addresses_is_that_on_folders(store: dict[str, Any], release: Path, tmp_path: Path, say: Say) -> None:
    (tmp_path / "synthetic").symlink_to(release)
    assert say("run", "center_prior", "--data", tmp_path / "synthetic", "-o", tmp_path / "results")[0] == 0
    code, text = say("run", "center_prior", "--data", "memory://bucket/synthetic", "-o", "memory://bucket/results")
    assert code == 0, text
    [(place, record)], [(_, rows)] = stored(store, "run.json"), stored(store, "frames.parquet")
    assert f"-> memory:/{place.removesuffix('/run.json')}\n" in text
    assert str(tmp_path) not in text
    [here] = (tmp_path / "results").rglob("run.json")
    assert rows == (here.parent / "frames.parquet").read_bytes()
    assert without_time(record) == without_time(here.read_bytes())

    code, text = say("results", "list", "memory://bucket/results")
    assert (code, f"memory:/{place.removesuffix('/run.json')}" in text) == (0, True), text
    for what in (("center_prior", "--in", "memory://bucket/results"), (f"memory:/{os.path.dirname(place)}",)):
        code, text = say("results", "show", *what, "--json")
        assert (code, json.loads(text)["folder"]) == (0, f"memory:/{os.path.dirname(place)}")
    assert vidsal("site", "build", "memory://bucket/results", "-o", tmp_path / "site") == 0
    assert (tmp_path / "site" / "index.html").is_file()


def test_a_submission_at_an_address(store: dict[str, Any], release: Path, tmp_path: Path, say: Say) -> None:
    assert say("predict", "center_prior", "--data", "memory://bucket/synthetic", "-o", tmp_path / "sub")[0] == 0
    assert say("submit", "pack", tmp_path / "sub", "-o", tmp_path / "sub.zip")[0] == 0
    upload(tmp_path / "sub", "/bucket/sub")
    memory().pipe_file("/bucket/sub.zip", (tmp_path / "sub.zip").read_bytes())
    for address in ("memory://bucket/sub", "memory://bucket/sub.zip", "zip://::memory://bucket/sub.zip"):
        code, text = say("submit", "check", address, "--data", release)
        assert (code, text.startswith(f"{address} on synthetic")) == (0, True), text
        results = f"memory://{address.count('zip')}"  # of one second and one result there is one run
        assert say("score", address, "--data", release, "-o", results)[0] == 0
    tables = [content for _, content in stored(store, "frames.parquet")]
    assert (len(stored(store, "run.json")), len(tables), len(set(tables))) == (3, 3, 1)


def test_a_faulty_file_is_named_by_its_address(store: dict[str, Any], say: Say) -> None:
    rows = store["/bucket/synthetic/fixations.parquet"].getvalue()
    memory().pipe_file("/bucket/synthetic/fixations.parquet", rows[:-200] + b"\0" + rows[-199:])
    code, text = say("run", "uniform", "--data", "memory://bucket/synthetic", "-o", "memory://bucket/results")
    assert (code, "memory://bucket/synthetic/fixations.parquet" in text) == (1, True), text
    assert not stored(store, "run.json")


def test_a_conversion_between_addresses(store: dict[str, Any], tmp_path: Path, say: Say) -> None:
    generate(tmp_path / "source", videos=1, frames=4, width=64, height=48, observers=2)
    upload(tmp_path / "source", "/bucket/source")
    on_disk = ("--src", tmp_path / "source", "-o", tmp_path / "out", "--workers", 1)
    assert say("data", "convert", "synthetic", *on_disk)[0] == 0
    code, text = say("data", "convert", "synthetic", "--src", "memory://bucket/source", "-o", "memory://bucket/out")
    assert (code, "-> memory://bucket/out (" in text) == (0, True), text
    made = {path.removeprefix("/bucket/out/"): store[path].getvalue() for path in store if "/bucket/out/" in path}
    here = {p.relative_to(tmp_path / "out").as_posix(): p.read_bytes() for p in (tmp_path / "out").rglob("*.*")}
    assert made.keys() == {name for name in here if not name.startswith(".")}
    assert all(made[name] == here[name] for name in made if name != "local.json")
    assert say("run", "uniform", "--data", "memory://bucket/out", "-o", tmp_path / "r")[0] == 0


def test_a_place_that_cannot_be_written_is_found_before_the_work(
    store: dict[str, Any], release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, say: Say
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError("Access Denied")

    monkeypatch.setattr(memory, "pipe_file", refused)
    code, text = say("run", "uniform", "--data", release, "-o", "memory://bucket/results")
    assert (code, "memory://bucket/results: no permission" in text) == (2, True), text
    assert not list((tmp_path / "cache").rglob("*.parquet"))


def test_a_store_that_fails_at_the_end_keeps_the_run(
    store: dict[str, Any], release: Path, monkeypatch: pytest.MonkeyPatch, say: Say
) -> None:
    put = memory.put_file

    def failing(self: Any, local: str, path: str, **options: Any) -> None:
        if path.endswith("run.json"):
            raise ConnectionError("gone")
        put(self, local, path, **options)

    command = ("run", "uniform", "--data", release, "-o", "memory://bucket/results")
    with monkeypatch.context() as patch:
        patch.setattr(memory, "put_file", failing)
        code, text = say(*command)
    assert (code, "gone" in text, "the next command with this -o delivers it" in text) == (4, True, True), text
    assert stored(store, "frames.parquet")
    assert json.loads(say("results", "list", "memory://bucket/results", "--json")[1]) == []
    code, text = say("run", "center_prior", *command[2:])
    assert (code, "it is now" in text) == (0, True), text
    listed = json.loads(say("results", "list", "memory://bucket/results", "--json")[1])
    assert [run["model"]["name"] for run in listed] == ["center_prior", "uniform"]


# A real server


KILLED = """
import os, signal, sys
import s3fs
put = s3fs.S3FileSystem.put_file
def cut(self, local, path, **options):
    if path.endswith("run.json"):
        os.kill(os.getpid(), signal.SIGKILL)
    return put(self, local, path, **options)
s3fs.S3FileSystem.put_file = cut
from vidsal.cli import main
main(sys.argv[1:])
"""


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a server on loopback that speaks S3, with a bucket."""
    pytest.importorskip("s3fs")
    pytest.importorskip("moto.server")
    started = "from moto.server import ThreadedMotoServer as S; s = S('127.0.0.1', 0, verbose=False); s.start(); " \
        "print(s.get_host_and_port()[1], flush=True); input()"  # fmt: skip
    server = subprocess.Popen([sys.executable, "-c", started], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        address = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        yield {
            **os.environ,
            "PYTHONPATH": str(ROOT / "src"),
            "AWS_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "VIDSAL_CACHE": str(tmp_path / "cache"),
        }
    finally:
        server.kill()
        server.communicate()


@pytest.mark.slow
def test_a_server_that_speaks_s3(s3: dict[str, str], tmp_path: Path) -> None:
    def python(*arguments: object, text: str | None = None) -> subprocess.CompletedProcess[str]:
        words = ["-c", text] if text else ["-m", "vidsal"]
        return subprocess.run(
            [sys.executable, *words, *map(str, arguments)], cwd=tmp_path, env=s3, capture_output=True, text=True
        )

    def done(*arguments: object) -> str:
        run = python(*arguments)
        assert run.returncode == 0, (arguments, run.stderr)
        return run.stdout

    no_bucket = python("run", "uniform", "--data", "s3://lab/synthetic", "-o", "s3://lab/results")
    assert (no_bucket.returncode, "s3://lab/results: nothing is there" in no_bucket.stderr) == (3, True), (
        no_bucket.stderr
    )
    made = python(text="import s3fs; s3fs.S3FileSystem().mkdir('lab')")
    assert made.returncode == 0, made.stderr
    generate(tmp_path / "source", videos=2, frames=6, width=64, height=48, observers=3)
    done("data", "convert", "synthetic", "--src", "source", "-o", "synthetic", "--workers", "1")
    putting = "import s3fs, sys; s3fs.S3FileSystem().put(sys.argv[1], sys.argv[2], recursive=True)"
    assert python("source/", "lab/source/", text=putting).returncode == 0
    done("data", "convert", "synthetic", "--src", "s3://lab/source", "-o", "s3://lab/synthetic", "--workers", "1")
    release = ("--data", "s3://lab/synthetic", "-o", "s3://lab/results")
    done("run", "center_prior", "--data", "synthetic", "-o", "results")

    killed = python("run", "center_prior", *release, text=KILLED)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    names = python(text="import s3fs; print(*s3fs.S3FileSystem().find('lab/results'))").stdout
    assert "frames.parquet" in names
    assert "run.json" not in names
    assert json.loads(done("results", "list", "s3://lab/results", "--json")) == []
    faults = python("site", "build", "s3://lab/results", "-o", "empty")
    assert not list((tmp_path / "empty").rglob("center_prior*")), faults.stderr

    done("run", "center_prior", *release, "--workers", "2")
    listed = json.loads(done("results", "list", "s3://lab/results", "--json"))
    assert len(listed) == 2  # the killed command's, delivered now, and this one's
    assert all(run["folder"].startswith("s3://lab/results/synthetic/") for run in listed)
    done("site", "build", "s3://lab/results", "-o", "site")
    assert (tmp_path / "site" / "index.html").is_file()
    [here] = (tmp_path / "results").rglob("frames.parquet")
    there = list((tmp_path / "cache" / "mirrors").rglob("frames.parquet"))
    assert len(there) == 2
    assert all(table.read_bytes() == here.read_bytes() for table in there)

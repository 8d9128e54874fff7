from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vidsal.loaders.errors import WrongUse
from vidsal.loaders.io.files import atomic_write, canonical, file_to_fill, lock_folder, naming, write_json


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.txt"
    with atomic_write(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    with pytest.raises(RuntimeError):
        _write_half(path)
    assert path.read_text() == "new"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


def _write_half(path: Path) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError


class Foreign(OSError):
    """An error of a library that lets nobody change what file it names."""

    filename = property(lambda _: None)


@pytest.mark.parametrize("error", [OSError, Foreign])
def test_what_has_no_room_names_its_place(tmp_path: Path, error: type[OSError]) -> None:
    for place, hold in ((tmp_path / "a.txt", atomic_write), (tmp_path / "work", lock_folder), (tmp_path, naming)):
        with pytest.raises(OSError, match="No space") as said, hold(place):
            raise error(errno.ENOSPC, os.strerror(errno.ENOSPC))
        assert (said.value.errno, said.value.filename) == (errno.ENOSPC, str(place))
    with pytest.raises(OSError, match="No space") as said, atomic_write(tmp_path / "b.txt") as temporary:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(temporary))
    assert said.value.filename == str(tmp_path / "b.txt")
    with pytest.raises(OSError, match="Input") as said, naming(tmp_path):  # reading fails so, too, and elsewhere
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    assert said.value.filename is None


@pytest.mark.parametrize("library", ["numpy", "torch", "itself"])
def test_a_disk_that_fails_is_told_by_its_number_and_place(tmp_path: Path, library: str) -> None:
    """NumPy says "2000 requested and 512 written", torch "enforce fail"; neither says what failed."""
    values = np.arange(100_000)
    path = tmp_path / "made"
    save: Callable[[Any], object] = {
        "numpy": lambda file: np.save(file, values),
        "torch": lambda file: pytest.importorskip("torch").save({"a": values.tolist()}, file),
        "itself": lambda file: file.write(values.tobytes()),
    }[library]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(OSError) as caught, atomic_write(path) as temporary, file_to_fill(temporary) as file:
            save(file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(path))
    assert list(tmp_path.iterdir()) == []
    with atomic_write(path) as temporary, file_to_fill(temporary) as file:
        save(file)
    with pytest.raises(RuntimeError, match="of ours"), file_to_fill(path):
        raise RuntimeError("of ours")


def test_json_is_canonical_and_holds_no_nan(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 1, "a": "\u00fc"})
    assert (tmp_path / "a.json").read_text() == '{\n "a": "\u00fc",\n "b": 1\n}\n'
    with pytest.raises(ValueError):
        canonical({"a": float("nan")})


def test_two_processes_do_not_share_unfinished_work(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from vidsal.loaders.io.files import lock_folder\nwith lock_folder(Path(sys.argv[1])): pass"
    command = [sys.executable, "-c", code, str(tmp_path)]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3] / "src")}
    with lock_folder(tmp_path):
        done = subprocess.run(command, env=env, capture_output=True, text=True)
        assert done.returncode == 1
        assert "another process is doing the same work" in done.stderr
        with pytest.raises(WrongUse), lock_folder(tmp_path):
            pass
    assert subprocess.run(command, env=env).returncode == 0

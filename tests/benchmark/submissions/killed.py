"""Run commands that are killed, or whose disk fails, at every stage of their writes; a script of its own: it forks.

python killed.py FOLDER RELEASE SUBMISSION SAMPLE FAULT NAME ...: prints what was found as JSON. SAMPLE: every so many
stages are tried. FAULT: KILL, ENOSPC (the disk is full) or EIO at a stage, or EFBIG: no file may grow beyond 512 bytes, 1 KiB,
and so on, or FULL: a disk (a tmpfs, mounted over FOLDER) that has no page left, one, two, three, four, six, and so on. NAMES: of
commands.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from PIL import Image

from vidsal.cli import app as cli

_STAGES = ("replace", "fsync", "rename", "mkdir", "rmdir", "unlink")
_FAILING = ("replace", "fsync", "rename", "mkdir")
"""What needs room on a disk."""


PAGE = 4096
"""Bytes of the least that a file takes of a tmpfs."""

SAID = {
    "ENOSPC": "the disk is full",
    "FULL": "the disk is full (",  # and then where
    "EIO": "the machine failed: Input/output error",
    "EFBIG": "a file may not become so large",
}


def main(folder: Path, release: str, submission: str, sample: int, fault: str, names: list[str]) -> dict[str, Any]:
    """Return for each command how many stages were tried, and what was wrong."""
    import_module("warm")
    if fault == "FULL":
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", str(folder)], check=True)
    data = ["--data", release]
    source, results = Path(release).parent / "src", Path(submission).parent / "results"
    commands = {
        "predict": ["predict", "center_prior", *data, "-o", "out"],
        "import": ["submit", "import", submission, *data, "-o", "out"],
        "pack": ["submit", "pack", submission, "-o", "out.zip"],
        "init": ["submit", "init", "out", *data],
        "score": ["score", f"{submission}.zip", *data, "-o", "out"],
        "convert": ["data", "convert", "synthetic", "--src", str(source), "-o", "out", "--workers", "1"],
        "run": ["run", "center_prior", *data, "-o", "out"],
        "site": ["site", "build", str(results), "-o", "out"],
        "merge": ["results", "merge", str(results), "-o", "out"],
        "export": ["data", "export", release, "--to", "pysaliency", "-o", "out"],
        "video": ["data", "view", release, "scene_001", "--video", "-o", "out.mp4"],
        "template": ["model", "template", "out.py"],
        "gate": ["gate", "--init", "out"],
        "train": ["train", "unisal-mit1003-1", "--smoke", *data, "-o", "out", "--threads", "1", "--epochs", "1"],
    }
    frames = folder / "clip"
    frames.mkdir()
    for number in range(2):
        Image.new("RGB", (16, 12), (number, 90, 9)).save(frames / f"{number}.png")
    commands["maps"] = ["predict", "center_prior", str(frames), "-o", "out"]
    return {name: _try(folder / name, [*commands[name], *QUIET.get(name, ["-q"])], sample, fault) for name in names}


QUIET: dict[str, list[str]] = {"init": [], "export": [], "video": [], "template": [], "gate": []}


def _read(modules: Path) -> None:
    """Import what a command imported in its fork, so that no other fork does it again."""
    for name in modules.read_text().split():
        with suppress(ImportError):
            import_module(name)


def _try(folder: Path, words: list[str], sample: int, fault: str) -> dict[str, Any]:
    folder.mkdir()
    os.chdir(folder)
    code, said = _call(words, None, fault)
    assert code == 0, said
    _read(folder.parent / "modules")
    expected = _content(folder)
    _clear(folder)
    tried, wrong = 0, []
    for stage in _stages(fault, sample, folder, words):
        code, said = _call(words, stage, fault)
        if code == 0 and _content(folder) == expected:  # nothing that counts failed
            _clear(folder)
            if fault in ("KILL", "EFBIG", "FULL"):
                break
            continue
        tried += 1
        if fault == "KILL" and code != -signal.SIGKILL:
            wrong.append(f"stage {stage}: ended with {code}: {said}")
        if fault in SAID and (code != 4 or SAID[fault] not in said):
            wrong.append(f"stage {stage}: ended with {code}: {said}")
        if fault in SAID and (left := [p.name for p in folder.rglob("*.tmp")]):
            wrong.append(f"stage {stage}: left {left}")
        code, said = _call(words, None, fault)
        found = _content(folder)
        if code != 0 and set(found) != set(expected):
            wrong.append(f"stage {stage}: the same command ended with {code}: {said}")
        elif found != expected:
            other = sorted(name for name in found if found[name] != expected.get(name))
            wrong.append(f"stage {stage}: {sorted(set(found) ^ set(expected)) or other}")
        _clear(folder)
    return {"tried": tried, "wrong": wrong}


def _stages(fault: str, sample: int, folder: Path, words: list[str]) -> Iterator[int]:
    """Yield the stages to be tried; the caller stops where all are done."""
    if fault == "KILL":
        yield from range(1, 10_000, sample)
    elif fault == "EFBIG":
        yield from (2**power for power in range(9, 30, sample))
    elif fault == "FULL":
        yield 0
        yield from (pages * PAGE << doubled for doubled in range(0, 15, sample) for pages in (2, 3))
    else:
        _call(words, -1, fault)
        count = int((folder.parent / "stages").read_text())
        _clear(folder)
        yield from range(1, count + 1, sample)


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _call(words: list[str], stage: int | None, fault: str) -> tuple[int, str]:
    """Run a command in a fork that meets a fault at a stage; return its exit code, negative for a signal, and stderr."""
    ballast = Path.cwd().parent / "ballast"
    if stage is not None and fault == "FULL":
        free = os.statvfs(".")
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, free.f_bavail * free.f_bsize - stage))
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(write, 2)
        if stage is not None and fault == "EFBIG":
            resource.setrlimit(resource.RLIMIT_FSIZE, (stage, resource.RLIM_INFINITY))
        elif stage is not None and fault != "FULL":
            _fail_at(stage, fault)
        code = cli._run(words)
        if stage is None:
            (Path.cwd().parent / "modules").write_text("\n".join(sys.modules))
        if stage == -1:
            (Path.cwd().parent / "stages").write_text(str(_count))
        os._exit(code)
    os.close(write)
    with os.fdopen(read, errors="replace") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    ballast.unlink(missing_ok=True)
    return os.waitstatus_to_exitcode(status), said.strip()[-400:]


_count = 0


def _fail_at(stage: int, fault: str) -> None:
    def counted(real: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            global _count
            _count += 1
            if _count == stage and fault == "KILL":
                os.kill(os.getpid(), signal.SIGKILL)
            if _count == stage:
                number = getattr(errno, fault)
                raise OSError(number, os.strerror(number))
            return real(*arguments, **named)

        return call

    for name in _STAGES if fault == "KILL" else _FAILING:
        setattr(os, name, counted(getattr(os, name)))


def _content(folder: Path) -> dict[str, str]:
    """Digest of every file; runs are dated, and their time is no content. A hidden file that was never finished, and a
    run that never got its name, are none either: no reader sees them."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if (path.name.startswith(".") and path.name.endswith(".tmp")) or ".saved/" in name or path.name == ".lock.new":
            continue
        if path.name in (".lock", "local.json") or path.parent.name == "state":
            continue
        if path.is_file() and path.name in ("run.json", "LOG.txt"):
            found[path.name] = "dated"
        elif path.is_file():
            undated = "/".join(part for part in name.split("/") if "Z-" not in part)
            found[undated] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


if __name__ == "__main__":
    folder, release, submission, sample, fault, *names = sys.argv[1:]
    json.dump(main(Path(folder), release, submission, int(sample), fault, names), sys.stdout)

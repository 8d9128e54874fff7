"""Run commands that are killed at every stage of their writes; a script of its own, because it forks.

python killed.py FOLDER RELEASE SUBMISSION SAMPLE: prints what was found as JSON. SAMPLE: every so many stages are tried.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from PIL import Image

from vidsal.cli import app as cli

_READ_ONCE = (
    "cli.predict",
    "cli.score",
    "cli.submit",
    "models",
    "benchmark.submissions.score",
    "benchmark.scoring.frame",
)
_READ_ONCE += ("benchmark.submissions.importing", "benchmark.submissions.pack", "benchmark.submissions.predict")
_READ_ONCE += ("benchmark.footage.predict",)
_READ_ONCE += ("benchmark.submissions.schema", "baselines.registry", "guarded")
"""Modules of all commands, so that no fork imports them again."""

_STAGES = ("replace", "fsync", "rename", "mkdir", "rmdir", "unlink")


def main(folder: Path, release: str, submission: str, sample: int) -> dict[str, Any]:
    """Return for each command how many stages were tried, and what was wrong."""
    for name in _READ_ONCE:
        import_module(f"vidsal.{name}")
    data = ["--data", release]
    commands = {
        "predict": ["predict", "center_prior", *data, "-o", "out"],
        "import": ["submit", "import", submission, *data, "-o", "out"],
        "pack": ["submit", "pack", submission, "-o", "out.zip"],
        "init": ["submit", "init", "out", *data],
        "score": ["score", f"{submission}.zip", *data, "-o", "out"],
    }
    frames = folder / "clip"
    frames.mkdir()
    for number in range(2):
        Image.new("RGB", (16, 12), (number, 90, 9)).save(frames / f"{number}.png")
    commands["maps"] = ["predict", "center_prior", str(frames), "-o", "out"]
    return {name: _try(folder / name, words, sample) for name, words in commands.items()}


def _try(folder: Path, words: list[str], sample: int) -> dict[str, Any]:
    folder.mkdir()
    os.chdir(folder)
    _call(words, None)
    expected = _content(folder)
    _clear(folder)
    tried, wrong, stage = 0, [], 1
    while _call(words, stage) == -signal.SIGKILL:
        tried += 1
        code = _call(words, None)
        found = _content(folder)
        if code != 0 and set(found) != set(expected):
            wrong.append(f"stage {stage}: the same command ended with {code}")
        elif found != expected:
            wrong.append(f"stage {stage}: {sorted(set(found) ^ set(expected)) or 'other bytes'}")
        _clear(folder)
        stage += sample
    return {"tried": tried, "wrong": wrong}


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _call(words: list[str], stage: int | None) -> int:
    """Run a command in a fork that is killed at a stage; return its exit code, negative for a signal."""
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        if stage is not None:
            _kill_at(stage)
        os._exit(cli._run(words))
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _kill_at(stage: int) -> None:
    count = 0

    def counted(real: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal count
            count += 1
            if count == stage:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **named)

        return call

    for name in _STAGES:
        setattr(os, name, counted(getattr(os, name)))


def _content(folder: Path) -> dict[str, str]:
    """Digest of every file; runs are dated, and their time is no content. A hidden file that was never finished, and a
    run that never got its name, are none either: no reader sees them."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if (path.name.startswith(".") and path.name.endswith(".tmp")) or ".saved/" in name or path.name == ".lock.new":
            continue
        if path.is_file() and path.name in ("run.json", "LOG.txt"):
            found[path.name] = "dated"
        elif path.is_file():
            undated = "/".join(part for part in name.split("/") if "Z-" not in part)
            found[undated] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


if __name__ == "__main__":
    json.dump(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])), sys.stdout)

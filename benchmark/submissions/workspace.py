"""Folders for work that is thrown away: locked while they are used, removed at the end, swept after a kill."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import IO

_LOCK = ".lock"
_UNLOCKED_S = 3600
"""How old a folder without a lock is before it is taken for left: its maker was killed before it could lock it."""


@contextmanager
def temporary_folder(base: Path) -> Iterator[Path]:
    """Give an empty folder in `base`, removed at the end; what killed processes left in `base` is removed first.

    Raises:
        OSError: `base` cannot be made or written to.
    """
    _sweep(base)
    folder, lock = _locked(base)
    try:
        yield folder
    finally:
        _remove(folder)
        lock.close()
        with suppress(OSError):
            base.rmdir()  # fails where others work


def _locked(base: Path) -> tuple[Path, IO[str]]:
    """Make a folder and hold its lock, which shows its name only once it is held."""
    for _ in range(100):
        base.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # another process has just removed the empty base
            folder = Path(mkdtemp(prefix="work-", dir=base))
            break
    new = folder / f"{_LOCK}.new"
    file = new.open("w")
    fcntl.flock(file, fcntl.LOCK_EX)
    os.replace(new, folder / _LOCK)
    return folder, file


def _remove(folder: Path) -> None:
    """Remove a folder, its lock last: whoever is killed meanwhile leaves what can be swept."""
    with suppress(OSError):
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != _LOCK:
                path.unlink()
    shutil.rmtree(folder, ignore_errors=True)


def _sweep(base: Path) -> None:
    """Remove the folders whose makers are gone."""
    if not base.is_dir():
        return
    for folder in base.glob("work-*"):
        if folder.is_symlink() or not folder.is_dir():
            continue
        try:
            with (folder / _LOCK).open("r+") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(folder)
        except BlockingIOError:
            continue
        except FileNotFoundError:
            with suppress(FileNotFoundError):
                if time.time() - folder.stat().st_mtime > _UNLOCKED_S:
                    shutil.rmtree(folder, ignore_errors=True)

"""Folders for work that is thrown away: locked while they are used, removed at the end, swept after a kill.

The lock lies beside the folder and is there before it, so that a folder whose lock nobody holds is left by the dead;
no clock is asked.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from vidsal.loaders.io.files import naming

_LOCK = ".lock"


@contextmanager
def temporary_folder(base: Path) -> Iterator[Path]:
    """Give an empty folder in `base`, removed at the end; what killed processes left in `base` is removed first.

    Raises:
        OSError: `base` cannot be made or written to.
    """
    _sweep(base)
    folder, lock = _locked(base)
    try:
        with naming(folder):
            yield folder
    finally:
        _remove(folder, lock)
        with suppress(OSError):
            base.rmdir()  # fails where others work


def _locked(base: Path) -> tuple[Path, IO[str]]:
    """Make a folder, its lock first; again, if a sweeper took the lock for one that was left."""
    while True:
        base.mkdir(parents=True, exist_ok=True)
        folder = base / f"work-{secrets.token_hex(6)}"
        with (
            suppress(FileNotFoundError),
            ExitStack() as stack,
        ):  # somebody removed the empty base, or the lock
            lock = stack.enter_context(_lock_of(folder).open("x"))
            fcntl.flock(lock, fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(lock.fileno()), _lock_of(folder).stat()):
                folder.mkdir()
                stack.pop_all()
                return folder, lock


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}{_LOCK}")


def _remove(folder: Path, lock: IO[str]) -> None:
    """Remove a folder, then its lock: whoever is killed meanwhile leaves what can be swept."""
    shutil.rmtree(folder, ignore_errors=True)
    _lock_of(folder).unlink(missing_ok=True)
    lock.close()


def _sweep(base: Path) -> None:
    """Remove the folders whose makers are gone."""
    left = {path.with_name(path.name.removesuffix(_LOCK)) for path in base.glob("work-*") if not path.is_symlink()}
    for folder in left:
        with suppress(BlockingIOError), _lock_of(folder).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(folder, lock)

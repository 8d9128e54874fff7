"""One process at a time writes predictions into a folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vidsal.loaders.errors import WrongUse
from vidsal.loaders.io.files import lock_folder, naming

PARTIAL = ".partial"
"""Folder of unfinished work, in the folder of the predictions."""
_LOCK = ".lock"


@contextmanager
def held(out: Path) -> Iterator[Path]:
    """Hold a folder of predictions until the work ends, or this process does; yield its folder of unfinished work.

    What was begun stays for the next call; where nothing was, nothing is left behind.

    Raises:
        WrongUse: another process writes there; nothing of its work is touched.
    """
    partial, new = out / PARTIAL, not out.exists()
    lock = lock_folder(partial)
    try:
        lock.__enter__()
    except WrongUse:
        raise WrongUse(
            f"{out}: another process is writing predictions into this folder; wait for it to end, then start the same "
            "command again, or name another folder"
        ) from None
    try:
        with naming(out):
            yield partial
    finally:
        if not unfinished(partial):
            shutil.rmtree(partial, ignore_errors=True)
            if new:
                with suppress(OSError):
                    out.rmdir()  # only if nothing came of it
        lock.__exit__(None, None, None)


def unfinished(partial: Path) -> list[str]:
    """Return what was begun there and is not finished, by name."""
    return sorted(p.name for p in partial.iterdir() if p.name != _LOCK) if partial.is_dir() else []

"""A folder of unfinished work that workers on other machines see or not: results are left in it, or come back."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from .files import atomic_write

Files = dict[str, bytes]
"""Files of a result: path below the folder, content; in the order in which they were written."""


@dataclass(frozen=True)
class Shared:
    """A folder, and how another machine tells whether it is the same there.

    Attributes:
        folder: absolute path.
        token: name of a file in it that exists nowhere else.
    """

    folder: Path
    token: str

    def is_here(self) -> bool:
        """Whether this machine sees the folder."""
        return (self.folder / self.token).is_file()


@contextmanager
def shared(folder: Path) -> Iterator[Shared]:
    """Mark a folder while work for it goes on elsewhere."""
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / f".seen.{secrets.token_hex(16)}.tmp"
    mark.touch()
    try:
        yield Shared(folder.resolve(), mark.name)
    finally:
        mark.unlink(missing_ok=True)


def leave(where: Shared, do: Callable[[Path], None], prepare: Callable[[Path], None] | None = None) -> Files | None:
    """Do work that leaves files in a folder; where it is not the folder of this machine, in one that stands for it.

    Args:
        where: the folder.
        do: the work, given the folder.
        prepare: makes what the work reads in a folder that stands for the real one, and what stays there.

    Returns:
        None where the files are in the folder; else the files, which are no longer here.
    """
    if where.is_here():
        do(where.folder)
        return None
    home = Path(_stand_in(where).name)
    if prepare:
        prepare(home)
    before = set(home.rglob("*"))
    do(home)
    made = sorted((p for p in home.rglob("*") if p not in before and p.is_file()), key=lambda p: p.stat().st_mtime_ns)
    files = {path.relative_to(home).as_posix(): path.read_bytes() for path in made}
    for path in made:
        path.unlink()
    return files


_stand_ins: dict[Shared, TemporaryDirectory[str]] = {}


def _stand_in(where: Shared) -> TemporaryDirectory[str]:
    """The folder of this process that stands for another machine's; there is one, that of the present command."""
    if where not in _stand_ins:
        while _stand_ins:
            _stand_ins.popitem()[1].cleanup()
        _stand_ins[where] = TemporaryDirectory(prefix="vidsal-")
    return _stand_ins[where]


def bring(files: Files | None, folder: Path) -> None:
    """Write the files that came back, each whole, in the order in which they were made."""
    for name, content in (files or {}).items():
        with atomic_write(folder / name) as temporary:
            temporary.write_bytes(content)

"""The errors that a user can meet, and the exit code of each.

    VidsalError
    ├── WrongUse(ValueError)             2   an option, a name or an argument is wrong
    │   └── UnknownName                  2   lists the known names and the nearest
    ├── MissingData(FileNotFoundError)   3   data, frames or a checkpoint are not there; says how to get them
    ├── BadData(ValueError)              1   a file cannot be read or contradicts itself
    │   └── NonFinite                    1   a map holds NaN or +inf
    ├── MissingExtra(ModuleNotFoundError) 3  an optional package is not installed; says the command that installs it
    └── MachineFault(OSError)            4   the disk or the memory failed us

A message says what was found, where, and how to fix it.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from difflib import get_close_matches

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Numbers of the operating system's errors that only writing meets."""

MACHINE = NO_ROOM | {errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EROFS}
"""Numbers of the operating system's errors by which a machine fails, whatever asked it."""


class VidsalError(Exception):
    """Whatever this package raises on purpose."""

    exit_code = 1


class WrongUse(VidsalError, ValueError):
    """An option, a name or an argument is wrong."""

    exit_code = 2


class UnknownName(WrongUse):
    """A name is not in its registry; the message lists the known ones and the nearest."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        self._made_of = (kind, name, names)
        near = get_close_matches(name, names, n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        super().__init__(f"unknown {kind} {name!r}{hint} Known: {', '.join(names)}")

    def __reduce__(self) -> tuple[type[UnknownName], tuple[str, str, list[str]]]:
        return type(self), self._made_of


class MissingData(VidsalError, FileNotFoundError):
    """Data, frames or a checkpoint are not there; the message says how to get them."""

    exit_code = 3


class MissingExtra(VidsalError, ModuleNotFoundError):
    """An optional package is not installed; the message holds the command that installs it."""

    exit_code = 3


class BadData(VidsalError, ValueError):
    """A file cannot be read, or contradicts itself or its neighbours."""

    exit_code = 1


class NonFinite(BadData):
    """A prediction holds NaN or +inf (or -inf where it is not a log density)."""


class MachineFault(VidsalError, OSError):
    """The disk, the memory or a worker failed us."""

    exit_code = 4

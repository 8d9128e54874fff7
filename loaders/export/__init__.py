"""From a release to the forms that other people's programs read: one module for each form, named in this registry.

Adding a form: a module with `TITLE`, `OPTIONS` and `write`, and its name in `TARGETS`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from ..errors import UnknownName, WrongUse
from ..io.files import naming
from ..io.progress import Progress, silent

if TYPE_CHECKING:
    from ..release.release import Release

TARGETS = ("csv", "bids", "pysaliency", "dhf1k", "gazelabels")
"""The forms; each is a module of this package by its name."""


@dataclass(frozen=True)
class Options:
    """Options of some forms; None = the form's default.

    Attributes:
        recipe: truth recipe of the densities.
        size: width and height to which positions are scaled.
        workers: processes.
    """

    recipe: str | None = None
    size: tuple[int, int] | None = None
    workers: int | None = None


class Exporter(Protocol):
    """What the module of a form offers.

    Attributes:
        TITLE: one line.
        OPTIONS: names of the options that it knows.
    """

    TITLE: str
    OPTIONS: frozenset[str]

    def write(self, release: Release, out: Path, options: Options, step: Progress) -> list[str]:
        """Write everything into the empty folder `out`; return what the user must know about it.

        Raises:
            WrongUse: the form cannot hold this release; the message says why and names one that can.
        """
        ...


def exporter(target: str) -> Exporter:
    """Import the module of a form.

    Raises:
        UnknownName: there is none.
    """
    if target not in TARGETS:
        raise UnknownName("form", target, TARGETS)
    return cast(Exporter, import_module(f"{__name__}.{target}"))


def export(
    release: Release,
    target: str,
    out: str | Path,
    options: Options | None = None,
    progress: Progress = silent,
) -> list[str]:
    """Write a release, or the split of it that is open, in another form, atomically.

    Args:
        release: an open release.
        target: name of a form, see `TARGETS`.
        out: a new or empty folder.
        options: of the form.
        progress: called after each stimulus.

    Returns:
        What the user must know: what the form cannot hold, what was assumed; a sentence each.

    Raises:
        UnknownName: no such form.
        WrongUse: `out` holds something, an option belongs to another form, or the form cannot hold this release.
    """
    module = exporter(target)
    options = options or Options()
    for field in fields(options):
        if getattr(options, field.name) is not None and field.name not in module.OPTIONS:
            own = [name for name in TARGETS if field.name in exporter(name).OPTIONS]
            raise WrongUse(f"{field.name} means nothing to {target}; it belongs to {' and '.join(own)}")
    with _whole_folder(Path(out)) as folder:
        return module.write(release, folder, options, progress)


@contextmanager
def _whole_folder(out: Path) -> Iterator[Path]:
    """Give an empty folder beside `out` that becomes `out` at the end, or vanishes if something fails."""
    if out.exists() and not out.is_dir():
        raise WrongUse(f"{out} is a file; name a new folder")
    if out.is_dir() and any(out.iterdir()):
        raise WrongUse(f"{out} is not empty; name a new folder, or empty it")
    unfinished = out.resolve().with_name(f".{out.resolve().name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        with naming(out):
            yield unfinished
        if out.is_dir():
            out.rmdir()
        os.replace(unfinished, out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)

"""Where a site goes: replaced at once, when the new one is whole; what holds anything else is left as it is."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vidsal.loaders.errors import WrongUse
from vidsal.loaders.io.files import canonical, naming, parse_json

MARKER = ".vidsal-site.json"
"""Lists the files of a built site. Only a folder that holds it, and nothing else than they, is ever replaced."""

_FORMAT = 1


def write_marker(folder: Path, files: Iterable[str]) -> None:
    """Say of a folder that it is a site, of which files."""
    text = canonical({"format": _FORMAT, "made_by": "vidsal", "files": sorted(files)})
    (folder / MARKER).write_text(text, encoding="utf-8")


def check_replaceable(target: Path) -> None:
    """Raise WrongUse unless the place is free, empty, or holds a site of ours and nothing else."""
    if not target.exists():
        return
    if not target.is_dir():
        raise WrongUse(f"{target}: a file is in the way; a site is a folder, give another name")
    here = set(_files(target))
    if not here:
        return
    if MARKER not in here:
        raise WrongUse(
            f"{target}: not empty, and not a site that this program built ({MARKER} is missing); it is left as it is. "
            "Give another folder, or empty this one"
        )
    foreign = sorted(here - _listed(target / MARKER) - {MARKER})
    if foreign:
        raise WrongUse(
            f"{target}: {foreign[0]} is no part of the site ({len(foreign)} such), and a build would delete it; "
            "move it away, or give another folder"
        )


def _files(target: Path) -> Iterator[str]:
    """Yield what is no folder below a place, relative to it, with `/`; a link to a folder is none."""
    for at, below, names in os.walk(target):
        links = [name for name in below if os.path.islink(os.path.join(at, name))]
        for name in (*names, *links):
            yield Path(os.path.relpath(os.path.join(at, name), target)).as_posix()


def _listed(marker: Path) -> set[str]:
    try:
        content = parse_json(marker.read_text(encoding="utf-8"))
        return {str(name) for name in content["files"]}
    except (ValueError, KeyError, TypeError) as error:
        raise WrongUse(f"{marker}: damaged ({error}); delete this site by hand, or give another folder") from error


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Give an empty folder beside `target`; it takes its place at the end, or vanishes if something fails."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.{os.getpid()}.new")
    old = target.with_name(f".{target.name}.{os.getpid()}.old")
    sweep(target)
    fresh.mkdir()
    with _held(fresh), naming(target):
        try:
            yield fresh
            if target.exists():
                target.rename(old)
            fresh.rename(target)
        finally:
            if old.exists() and not target.exists():
                old.rename(target)
            shutil.rmtree(fresh, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)


def sweep(target: Path) -> None:
    """Delete what killed builds of this site left beside it; what another build holds stays.

    One that was killed while the sites changed places has moved the earlier site away: that is brought back.
    """
    name = re.compile(rf"\.{re.escape(target.name)}\.(\d+)\.(new|old)")
    left = [p for p in target.parent.iterdir() if name.fullmatch(p.name) and p.is_dir() and not p.is_symlink()]
    for folder in left:
        try:
            with _held(folder.with_suffix(".new") if folder.with_suffix(".new") in left else folder):
                if folder.suffix == ".old" and not target.exists():
                    folder.rename(target)
                shutil.rmtree(folder, ignore_errors=True)
        except (BlockingIOError, FileNotFoundError):
            continue  # a build is at work, or has just ended


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold a folder for this process; the hold ends with the process, however it ends."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)

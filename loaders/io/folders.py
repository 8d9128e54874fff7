"""Looking into folders: what is data there, in order, without what systems and file managers leave behind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from .names import is_left_behind


def entries(folder: Path) -> list[Path]:
    """Return the files and folders in a folder, sorted by name; none where there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not is_left_behind(path.name))


def files(folder: Path, *suffixes: str) -> list[Path]:
    """Return the files in a folder, sorted; of these suffixes (lower case, with their dot) where some are named."""
    found = (path for path in entries(folder) if not suffixes or path.suffix.lower() in suffixes)
    return [path for path in found if path.is_file()]


def folders(folder: Path) -> list[Path]:
    """Return the folders in a folder, sorted."""
    return [path for path in entries(folder) if path.is_dir()]


def matching(root: Path, *patterns: str) -> list[Path]:
    """Return what the patterns of `Path.glob` find below a folder, sorted, each once; nothing below `__MACOSX`."""
    return sorted(set(_matches(root, patterns)))


def any_matching(root: Path, *patterns: str) -> bool:
    """Return whether a pattern finds anything; stops at the first."""
    return next(_matches(root, patterns), None) is not None


def _matches(root: Path, patterns: Iterable[str]) -> Iterator[Path]:
    for pattern in patterns:
        for path in root.glob(pattern):
            if not any(is_left_behind(part) for part in path.relative_to(root).parts):
                yield path

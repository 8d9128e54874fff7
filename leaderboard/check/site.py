"""A whole site: every page and file is read once, every fault is found, then links are followed."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidsal.loaders.errors import MissingData, WrongUse
from vidsal.loaders.io.progress import Progress
from vidsal.loaders.io.workers import pool

from .addresses import folder_of, resolve
from .budgets import size_faults
from .colors import contrast_faults, pair_faults
from .faults import Fault, folded
from .files import STYLE, name_faults
from .reading import Known, read_files
from .style import requests, themes

_PART = 2_000_000
"""Bytes that are read at once."""

_SMALL = 6
"""With fewer parts the start of processes costs more than they save."""

_NOT_LINKED = frozenset({"404.html"})
"""Pages that a server shows by itself."""


@dataclass(frozen=True)
class Report:
    """What was found.

    Attributes:
        pages, files, size: how many pages and files were read, and their bytes.
        faults: in the order of the files.
    """

    pages: int
    files: int
    size: int
    faults: tuple[Fault, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: counts, and equal faults as one."""
        joined = [
            {"rule": f.rule, "what": f.what, "count": f.count, "places": list(f.places)} for f in folded(self.faults)
        ]
        return {"pages": self.pages, "files": self.files, "bytes": self.size, "faults": joined}


def check(folder: Path, *, workers: int = 1, progress: Progress | None = None) -> Report:
    """Check a built site.

    Args:
        folder: of the site, with its index.html.
        workers: how many processes read a large site.
        progress: called with (done, total, file) after a few files.

    Raises:
        MissingData: there is no such folder, or no index.html in it. WrongUse: it is a file.
    """
    if folder.is_file():
        raise WrongUse(f"{folder}: a file; give the folder of a site")
    if not folder.is_dir():
        raise MissingData(f"{folder}: no such folder; build a site with `vidsal site build RESULTS -o {folder}`")
    if not (folder / "index.html").is_file():
        raise MissingData(f"{folder}: no site is here (index.html is missing); `vidsal site build` makes one")
    files, odd = _files(folder)
    faults = list(name_faults([*files, *odd], odd))
    if ".nojekyll" not in files:
        faults.append(Fault("file.nojekyll", "it is missing", "."))
    known = []
    for part in _parts(folder, files, workers):
        known += part
        if progress:
            progress(len(known), len(files), part[-1].file)
    faults += [fault for one in known for fault in one.faults]
    faults += _style_faults(known, files)
    faults += _link_faults([one for one in known if one.page], files)
    faults += [Fault("size", what, where) for what, where in size_faults(files, {k.file: k.rows for k in known})]
    return Report(sum(k.page for k in known), len(files), sum(files.values()), tuple(faults))


def _parts(folder: Path, files: Mapping[str, int], workers: int) -> Iterator[list[Known]]:
    """Read all files, in order, a few at once; a large site by several processes."""
    parts: list[list[str]] = [[]]
    room = _PART
    for file, size in files.items():
        if room < 0:
            parts.append([])
            room = _PART
        parts[-1].append(file)
        room -= size
    if workers < 2 or len(parts) < _SMALL:
        yield from (read_files(folder, part) for part in parts)
        return
    with pool(workers) as executor:
        yield from executor.map(read_files, [folder] * len(parts), parts)


def _files(folder: Path) -> tuple[dict[str, int], list[str]]:
    """Return the size of every plain file, sorted, and what is no plain file."""
    sizes, odd = {}, []
    for where, folders, names in os.walk(folder):
        odd += [Path(where, n).relative_to(folder).as_posix() for n in folders if Path(where, n).is_symlink()]
        for name in names:
            path = Path(where, name)
            place = path.relative_to(folder).as_posix()
            if path.is_symlink() or not path.is_file():
                odd.append(place)
            else:
                sizes[place] = path.stat().st_size
    return dict(sorted(sizes.items())), sorted(odd)


def _style_faults(known: Iterable[Known], files: Container[str]) -> Iterator[Fault]:
    declared: dict[str, dict[str, str]] = {}
    styles: dict[str, str] = {}
    for one in known:
        for style in one.styles:
            styles.setdefault(style, one.file)
    for style, file in styles.items():
        for address in requests(style):
            if address.startswith(("#", "data:image/")):
                continue
            target, _ = resolve(folder_of(file), address)
            if target not in files:
                yield Fault("offline", f"a style sheet requests {address[:60]}", file)
        found = themes(style)
        for name, theme in found.items():
            if name == "light" or theme != found["light"]:
                for what in contrast_faults(theme, "dark" in name):
                    yield Fault("style.contrast", f"{what} ({name})", file)
            declared.setdefault(name, {}).update(theme)
    where = next(iter(styles.values()), STYLE)
    yield from (Fault("style.pairs", what, where) for what in pair_faults(declared))


def _link_faults(pages: Sequence[Known], files: Iterable[str]) -> Iterator[Fault]:
    """Follow every link, and find pages that none leads to."""
    by_case = {file.lower(): file for file in files}
    exact = set(files)
    ids = {page.file: page.ids for page in pages}
    leads: dict[str, set[str]] = {}
    for page in pages:
        leads[page.file], folder = set(), folder_of(page.file)
        for address in page.links:
            target, fragment = resolve(folder, address)
            target = page.file if target == "" else target
            if target is None:
                yield Fault("offline", f"an address leads out of the site: {address[:60]}", page.file)
            elif target not in exact:
                other = by_case.get(target.lower())
                why = f"is spelled {other}" if other else "is not there"
                yield Fault("link.target", f"{target[:200]} {why}", page.file)
            else:
                leads[page.file].add(target)
                if fragment and not _leads(ids, target, fragment):
                    yield Fault("link.anchor", f"{target[:200]} has no id {fragment[:60]!r}", page.file)
    reached, left = {"index.html"}, deque(["index.html"])
    while left:
        for target in leads.get(left.popleft(), ()):
            if target not in reached:
                reached.add(target)
                left.append(target)
    for file in leads:
        if file not in reached and file not in _NOT_LINKED:
            yield Fault("file.unlinked", "no way leads from index.html to this page", file)


def _leads(ids: Mapping[str, Container[str]], target: str, fragment: str) -> bool:
    """Whether a fragment is an id of its page, or the state of one (`name=value&...`), or a place in another file."""
    return target not in ids or fragment in ids[target] or "=" in fragment

"""Results to a static site: plain files that open from disk, the same bytes from the same results."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vidsal.loaders.errors import MissingData, WrongUse
from vidsal.loaders.io.files import canonical, parse_json
from vidsal.loaders.io.progress import Progress

from .boards import make_boards
from .collect import collect, compared
from .render import index_page, run_page

MARKER = ".vidsal-site.json"
"""Lists the files of a built site. Only a folder that holds it, and nothing else than they, is ever replaced."""

_FORMAT = 1


@dataclass(frozen=True)
class SiteSummary:
    """What was built.

    Attributes:
        index: the page to open.
        pages, runs, boards: how many there are.
        faults: a sentence for each damaged run, which is left out.
    """

    index: Path
    pages: int
    runs: int
    boards: int
    faults: tuple[str, ...] = ()


def build(results: Path, out: Path, *, strict: bool = False, progress: Progress | None = None) -> SiteSummary:
    """Build the site of a results folder: one leaderboard page, and one page a run.

    The site is built beside `out` and takes its place when it is whole, so no page of an earlier build is left over.

    Args:
        results: folder of runs, as `Run.save` writes it.
        out: where the site goes; its entry page is `out/index.html`. It may be absent, empty, or an earlier site.
        strict: a damaged run stops the build; else it is left out, and named in `SiteSummary.faults`.
        progress: called with (done, total, page) after each page.

    Raises:
        MissingData: there are no results.
        BadData: with `strict`, or where nothing else is there: runs are damaged; the message names each of them.
        WrongUse: `out` holds something else than a site, or holds the results.
    """
    results, target = Path(results), Path(out).resolve()
    if not results.is_dir():
        raise MissingData(
            f"{results}: no such results folder; make one with `vidsal run MODEL --data DIR -o {results}`"
        )
    if results.resolve().is_relative_to(target):
        raise WrongUse(f"{out}: the results lie in this folder, and a build replaces it; give the site another one")
    _check_replaceable(target)
    faults: list[str] = []
    runs = collect(results, None if strict else faults)
    boards = make_boards(run.entry for run in runs)
    if not boards:
        raise MissingData(f"{results}: every run here is withdrawn or superseded, so no board has a row")
    board_of = {e.page: board for board in boards for shared in board.history.values() for e in shared}
    runs = [run for run in runs if run.entry.page in board_of]
    total = 1 + len(runs)
    written = []
    with _replacing(target) as folder:
        for done, run in enumerate(runs, 1):
            page = run.entry.page
            written.append(_write(folder, page, run_page(run, board_of[page])))
            if progress:
                progress(done, total, page)
        written.append(_write(folder, "index.html", index_page(boards, compared(boards, results))))
        _write(folder, MARKER, canonical({"format": _FORMAT, "made_by": "vidsal", "files": sorted(written)}))
        if progress:
            progress(total, total, "index.html")
    return SiteSummary(Path(out) / "index.html", total, len(runs), len(boards), tuple(faults))


def _write(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode("utf-8"))
    return name


def _check_replaceable(target: Path) -> None:
    """Raise WrongUse unless the place is free, empty, or holds a site of ours and nothing else."""
    if not target.exists():
        return
    if not target.is_dir():
        raise WrongUse(f"{target}: a file is in the way; a site is a folder, give another name")
    here = {p.relative_to(target).as_posix() for p in target.rglob("*") if not p.is_dir() or p.is_symlink()}
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


def _listed(marker: Path) -> set[str]:
    try:
        content = parse_json(marker.read_text(encoding="utf-8"))
        return {str(name) for name in content["files"]}
    except (ValueError, KeyError, TypeError) as error:
        raise WrongUse(f"{marker}: damaged ({error}); delete this site by hand, or give another folder") from error


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """Give an empty folder beside `target`; it takes its place at the end, or vanishes if something fails."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.{os.getpid()}.new")
    old = target.with_name(f".{target.name}.{os.getpid()}.old")
    _sweep(target)
    fresh.mkdir()
    with _held(fresh):
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


def _sweep(target: Path) -> None:
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

"""Results to a static site: plain files that open from disk, the same bytes from the same results."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vidsal.benchmark.evaluation.previews.record import FOLDER as PREVIEWS
from vidsal.loaders.errors import MissingData, WrongUse
from vidsal.loaders.io.files import canonical, parse_json
from vidsal.loaders.io.progress import Progress, silent

from .boards import make_boards
from .collect import Loaded, collect, compared
from .config import Config, read_config
from .content import Content
from .downloads.write import Download, write_archive, write_downloads
from .links import sprite
from .pages.all import pages_of
from .pages.environment import assets
from .standing import standing

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


def build(
    results: Path, out: Path, *, config: Path | None = None, strict: bool = False, progress: Progress | None = None
) -> SiteSummary:
    """Build the site of a results folder: its boards, and a page for each model, run, stimulus, metric and protocol.

    The site is built beside `out` and takes its place when it is whole, so no page of an earlier build is left over.

    Args:
        results: folder of runs, as `Run.save` writes it.
        out: where the site goes; its entry page is `out/index.html`. It may be absent, empty, or an earlier site.
        config: a `site.toml`; None = the one in the results folder, if there is one.
        strict: a damaged run stops the build; else it is left out, and named in `SiteSummary.faults`.
        progress: called with (done, total, what) after each run that is read, and after each page.

    Raises:
        MissingData: there are no results.
        BadData: with `strict`, or where nothing else is there: runs are damaged; the message names each of them.
        WrongUse: `out` holds something else than a site, or holds the results.
    """
    results, target, progress = Path(results), Path(out).resolve(), progress or silent
    if not results.is_dir():
        raise MissingData(
            f"{results}: no such results folder; make one with `vidsal run MODEL --data DIR -o {results}`"
        )
    if results.resolve().is_relative_to(target):
        raise WrongUse(f"{out}: the results lie in this folder, and a build replaces it; give the site another one")
    _check_replaceable(target)
    said = read_config(config, results)
    faults: list[str] = []
    runs = collect(results, None if strict else faults, progress)
    content = content_of(runs, results, said)
    written = []
    with _replacing(target) as folder:
        downloads = _downloads(folder, content)
        written += [d.path for found in downloads.values() for d in found]
        written += _copy_pictures(folder, content, results)
        pages = list(pages_of(content, downloads))
        for done, (name, made) in enumerate(pages, 1):
            written.append(_write(folder, name, made()))
            progress(done, len(pages), name)
        written += [_write(folder, name, text) for name, text in {**assets(), ".nojekyll": ""}.items()]
        _write(folder, MARKER, canonical({"format": _FORMAT, "made_by": "vidsal", "files": sorted(written)}))
    return SiteSummary(Path(out) / "index.html", len(pages), len(content.runs), len(content.boards), tuple(faults))


def content_of(runs: Sequence[Loaded], results: Path, config: Config) -> Content:
    """Return everything that pages are made from.

    Raises:
        MissingData: no run stands on a board.
    """
    by_page = {run.entry.page: run for run in runs}
    boards = make_boards(run.entry for run in runs)
    if not boards:
        raise MissingData(f"{results}: every run here is withdrawn or superseded, so no board has a row")
    known = {e.page for board in boards for shared in board.history.values() for e in shared}
    kept = {page: run for page, run in by_page.items() if page in known}
    common = compared(boards, kept, results)
    means = {page: run.stimuli for page, run in kept.items()}
    standings = {board.id: standing(board, means) for board in boards}
    standings |= {board.id: standing(board, shared) for board, shared in common}
    return Content(config, tuple(boards), tuple(board for board, _ in common), standings, kept)


def _copy_pictures(folder: Path, content: Content, results: Path) -> list[str]:
    """Copy the pictures of every run that a board shows, equal ones once."""
    found: dict[str, Path] = {}
    for board in content.boards:
        for entry in board.shown:
            for preview in content.runs[entry.page].previews.values():
                for group in preview.groups:
                    for one in group.sprites:
                        found[sprite(one)] = results / entry.folder / PREVIEWS / one.file
    for name, source in found.items():
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(source, folder / name)
    return list(found)


def _downloads(folder: Path, content: Content) -> dict[str, list[Download]]:
    """Write what can be taken along; return it by the id of its board, and the archive of all under an empty one."""
    found: dict[str, list[Download]] = {}
    for board in (*content.boards, *content.comparisons):
        by = board.sort_column.name
        ranks = {
            e.record.digest: {by: content.standings[board.id].ranks[e.page]}
            for e in board.models
            if e.page in content.standings[board.id].ranks
        }
        each = None if board.common else ((e, content.runs[e.page].table()) for e in board.shown)
        found[board.id] = write_downloads(folder, board, ranks, each)
    found[""] = [write_archive(folder, [d for of_board in found.values() for d in of_board])]
    return found


def _write(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
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

"""Results to a static site: plain files that open from disk, the same bytes from the same results."""

from __future__ import annotations

import fcntl
import os
import pickle
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from vidsal.benchmark.evaluation.previews.record import FOLDER as PREVIEWS
from vidsal.loaders.errors import MissingData, WrongUse
from vidsal.loaders.io.files import canonical, parse_json, sha256_text
from vidsal.loaders.io.progress import Progress, silent
from vidsal.loaders.io.workers import pool

from . import kept
from .boards import Board, make_boards
from .collect import Each, Loaded, Stimuli, collect, compared
from .config import Config, read_config
from .content import Content
from .downloads.write import Download, write_archive, write_downloads
from .held_out import check_known, held_back
from .links import sprite
from .pages.all import Page, pages_of
from .pages.environment import assets
from .rows import spool
from .standing import Standing, standing

MARKER = ".vidsal-site.json"
"""Lists the files of a built site. Only a folder that holds it, and nothing else than they, is ever replaced."""

_FORMAT = 1
_MANY = 200_000_000
"""Bytes of rows from which the start of processes is worth its time."""
_TOGETHER = 40
"""Pages that a process makes before it says so."""


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
    results: Path,
    out: Path,
    *,
    config: Path | None = None,
    strict: bool = False,
    workers: int = 1,
    progress: Progress | None = None,
) -> SiteSummary:
    """Build the site of a results folder: its boards, and a page for each model, run, stimulus, metric and protocol.

    The site is built beside `out` and takes its place when it is whole, so no page of an earlier build is left over.

    Args:
        results: folder of runs, as `Run.save` writes it.
        out: where the site goes; its entry page is `out/index.html`. It may be absent, empty, or an earlier site.
        config: a `site.toml`; None = the one in the results folder, if there is one.
        strict: a damaged run stops the build; else it is left out, and named in `SiteSummary.faults`.
        workers: number of processes; the site does not depend on it. More than one needs a guarded main module.
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
    with _replacing(target) as folder:
        with spool(folder / ".work") as work, _crew(workers) as each:
            runs = collect(results, None if strict else faults, progress, spool=work, each=each)
            content = content_of(runs, results, said, each)
            downloads = _downloads(folder, content)
            written = [d.path for found in downloads.values() for d in found]
            written += _copy_pictures(folder, content, results)
            stored = work / "content"
            known = kept.pages_of(target)
            stored.write_bytes(pickle.dumps((content, downloads, known), pickle.HIGHEST_PROTOCOL))
            total = len(pages_of(content, downloads))
            pages = {made.address: made for made in _write_pages(folder, target, stored, total, progress, each)}
        written += [*pages, *(_write(folder, name, text) for name, text in {**assets(), ".nojekyll": ""}.items())]
        _write(folder, MARKER, canonical({"format": _FORMAT, "made_by": "vidsal", "files": sorted(written)}))
    kept.save_pages(target, {name: (made.key, made.digest) for name, made in pages.items() if made.key})
    kept.sweep()
    return SiteSummary(Path(out) / "index.html", len(pages), len(content.runs), len(content.boards), tuple(faults))


def workers_for(results: Path) -> int:
    """Return how many processes are worth their start: one for each core where there is much to read, else one."""
    size = sum(path.stat().st_size for path in results.rglob("frames.parquet"))
    return (os.cpu_count() or 1) if size > _MANY else 1


@contextmanager
def _crew(count: int) -> Iterator[Each]:
    """Give what does something with each of many: this process, or several."""
    if count < 2:
        yield map
        return
    with pool(count) as executor:
        yield executor.map


class _Written(NamedTuple):
    """A page that was written: where, what it was made from, and what it is."""

    address: str
    key: str
    digest: str


def _write_pages(
    folder: Path, earlier: Path, stored: Path, total: int, progress: Progress, each: Each
) -> Iterator[_Written]:
    """Write all pages of the content that is stored in a file, some at a time; yield each.

    Args:
        folder: of the new site.
        earlier: where the earlier one lies; its pages that were made from the same are taken over.
        stored: the content, and what is known of the earlier pages.
        total: number of pages.
        progress: told of each page.
        each: who writes.
    """
    done = 0
    try:
        for some in each(partial(_make_pages, folder, earlier, stored), range(0, total, _TOGETHER)):
            for made in some:
                done += 1
                progress(done, total, made.address)
                yield made
    finally:
        _pages.cache_clear()


def _make_pages(folder: Path, earlier: Path, stored: Path, first: int) -> list[_Written]:
    """Write some pages, from the first one on."""
    pages, known = _pages(stored)
    out = []
    for page in pages[first : first + _TOGETHER]:
        origin, digest = known.get(page.address, ("", ""))
        if not page.key or page.key != origin or not _taken_over(folder, earlier, page.address, digest):
            text = page.made()
            digest = sha256_text(text)
            _write(folder, page.address, text)
        out.append(_Written(page.address, page.key, digest))
    return out


def _taken_over(folder: Path, earlier: Path, name: str, digest: str) -> bool:
    """Take a page over from an earlier site, if it is still the one that was written."""
    try:
        content = (earlier / name).read_bytes()
    except OSError:
        return False
    if sha256(content).hexdigest() != digest:
        return False
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(earlier / name, folder / name)
    except OSError:  # no links on this disk
        (folder / name).write_bytes(content)
    return True


@lru_cache(maxsize=1)
def _pages(stored: Path) -> tuple[Sequence[Page], Mapping[str, tuple[str, str]]]:
    """Return all pages of a site whose content was stored in a file by this very build, and what an earlier one said of
    its own."""
    found = pickle.loads(stored.read_bytes())  # noqa: S301 - our own, in a folder that nobody else writes
    content, downloads, known = found
    return pages_of(content, downloads), known


def content_of(runs: Sequence[Loaded], results: Path, config: Config, each: Each = map) -> Content:
    """Return everything that pages are made from; `each` computes the standings.

    Raises:
        MissingData: no run stands on a board.
    """
    by_page = {run.entry.page: run for run in runs}
    check_known(config.held_out, runs)
    boards = make_boards(run.entry for run in runs)
    if not boards:
        raise MissingData(f"{results}: every run here is withdrawn or superseded, so no board has a row")
    known = {e.page for board in boards for shared in board.history.values() for e in shared}
    ours = {page: run for page, run in by_page.items() if page in known}
    common = compared([b for b in boards if b.release.id not in config.held_out], ours, results)
    means = {page: run.stimuli for page, run in ours.items()}
    tables = [
        *((board, {e.page: means[e.page] for e in board.shown}, _key(board, ours)) for board in boards),
        *((*one, "") for one in common),
    ]
    found = each(_standing, tables)
    standings = {board.id: one for (board, _, _), one in zip(tables, found, strict=True)}
    shown = {p: held_back(r) if r.entry.record.release.id in config.held_out else r for p, r in ours.items()}
    return Content(config, tuple(boards), tuple(board for board, _ in common), standings, shown)


def _key(board: Board, runs: Mapping[str, Loaded]) -> str:
    """Return the digest of what the standing of a board follows from; empty where one of its runs has none."""
    keys = [runs[entry.page].key for entry in board.shown]
    return sha256_text(canonical(["standing", board.id, keys])) if all(keys) else ""


def _standing(table: tuple[Board, Mapping[str, Stimuli], str]) -> Standing:
    board, stimuli, key = table
    there = kept.load(key) if key else None
    if there is not None:
        known: Standing = there[0]
        return known
    made = standing(board, stimuli)
    if key:
        kept.save(key, made, b"")
    return made


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

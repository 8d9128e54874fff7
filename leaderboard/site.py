"""Results to a static site: plain files that open from disk, the same bytes from the same results."""

from __future__ import annotations

import gc
import os
import pickle
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from vidsal.benchmark.evaluation.previews.record import FOLDER as PREVIEWS
from vidsal.loaders.errors import MissingData, WrongUse
from vidsal.loaders.io.files import sha256_text
from vidsal.loaders.io.progress import Progress, silent
from vidsal.loaders.io.workers import pool

from . import kept
from .boards import Board, Entry, make_boards
from .collect import Each, Loaded, Stimuli, collect, compared, spooled
from .config import Config, read_config
from .content import Content, pair_key
from .downloads.tables import Ranks
from .downloads.write import Download, write_archive, write_downloads
from .held_out import check_known, held_back
from .links import sprite, stimuli_page
from .pages.all import Page, pages_of
from .pages.beside import tables_of
from .pages.environment import assets
from .place import check_replaceable, replacing, write_marker
from .rows import Known, StoredRows, spool
from .standing import Tested, pairs_of, standing, tested

T = TypeVar("T")

_MANY = 200_000_000
"""Bytes of rows from which the start of processes is worth its time."""
_PAIRS = 50
"""Pairs of models that a process tests before it says so."""
_TOGETHER = 40
"""Pages that a process makes before it says so."""


@dataclass(frozen=True)
class SiteSummary:
    """What was built.

    Attributes:
        index: the page to open.
        pages, runs, boards: how many there are.
        faults: a sentence for each damaged run, which is left out.
        notes: a sentence for each copy of a run.
    """

    index: Path
    pages: int
    runs: int
    boards: int
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


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
    check_replaceable(target)
    said = read_config(config, results)
    faults, notes = list[str](), list[str]()
    with replacing(target) as folder:
        with spool(folder / ".work") as work, _crew(workers) as each:
            runs = collect(results, None if strict else faults, progress, notes=notes, spool=work, each=each)
            content = content_of(runs, results, said, each)
            downloads = _downloads(folder, target, content, each)
            written = [d.path for found in downloads.values() for d in found]
            written += _copy_pictures(folder, content, results)
            pages = _write_pages(folder, target, content, downloads, work, progress, each)
        written += [*pages, *(_write(folder, name, text) for name, text in {**assets(), ".nojekyll": ""}.items())]
        write_marker(folder, written)
    kept.save_pages(target, {name: one for name, one in pages.items() if one.origin})
    kept.sweep()
    counts = len(pages), len(content.runs), len(content.boards)
    return SiteSummary(Path(out) / "index.html", *counts, tuple(faults), tuple(notes))


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
        started = False

        def each(do: Callable[[Any], Any], many: Iterable[Any]) -> Iterator[Any]:
            nonlocal started
            tasks = list(many)
            if tasks and not started:
                started = True
                for _ in range(count):  # all at once, also where the first thing to do is for one
                    executor.submit(_ready)
            return executor.map(do, tasks)

        yield each


def _ready() -> None:
    """Nothing: a process that has come so far has read the code."""


def _write_pages(
    folder: Path,
    earlier: Path,
    content: Content,
    downloads: Mapping[str, Sequence[Download]],
    work: Path,
    progress: Progress,
    each: Each,
) -> dict[str, kept.KeptPage]:
    """Write all pages, some at a time.

    Args:
        folder: of the new site.
        earlier: where the earlier one lies; its pages that were made from the same are taken over.
        content: what they are made from.
        downloads: what they lead to.
        work: for files of this build alone.
        progress: told of each page.
        each: who writes.

    Returns:
        What is known of each page, by address, in their order.
    """
    pages, known, found = pages_of(content, downloads), kept.pages_of(earlier), dict[str, str]()

    def wrote(some: Iterable[tuple[str, str]]) -> None:
        for name, digest in some:
            found[name] = digest
            progress(len(found), len(pages), name)

    same = [p.address for p in pages if p.key and p.address in known and known[p.address].origin == p.key]
    with ThreadPoolExecutor() as threads:  # the disk is waited for, and what is hashed is hashed at once
        for some in threads.map(partial(_take_over, folder, earlier, known), _few(same)):
            wrote(some)
    missing = [k for k, page in enumerate(pages) if page.address not in found]
    ready = _with_rows(content, [pages[k].address for k in missing], work, each)
    if ready is content and len(missing) <= _TOGETHER:
        wrote(_made_page(folder, pages[k]) for k in missing)
    else:
        stored = work / "content"
        stored.write_bytes(pickle.dumps((ready, downloads), pickle.HIGHEST_PROTOCOL))
        try:
            for some in each(partial(_make_pages, folder, stored), _few(missing)):
                wrote(some)
        finally:
            _pages.cache_clear()
            gc.unfreeze()
    return {p.address: kept.KeptPage(p.key, found[p.address], kept.stamp(folder / p.address)) for p in pages}


def _few(many: Sequence[T]) -> list[Sequence[T]]:
    return [many[k : k + _TOGETHER] for k in range(0, len(many), _TOGETHER)]


def _make_pages(folder: Path, stored: Path, places: Sequence[int]) -> list[tuple[str, str]]:
    """Write some of the pages of a content; return the address of each, and its digest."""
    return [_made_page(folder, _pages(stored)[place]) for place in places]


def _made_page(folder: Path, page: Page) -> tuple[str, str]:
    """Write a page; return its address, and its digest."""
    text = page.made()
    _write(folder, page.address, text)
    return page.address, sha256_text(text)


def _take_over(
    folder: Path, earlier: Path, known: Mapping[str, kept.KeptPage], names: Sequence[str]
) -> list[tuple[str, str]]:
    """Take over those pages of an earlier site that are still as they were written; return them, and their digests."""
    return [(n, known[n].own) for n in names if _taken_over(folder, earlier, n, known[n].own, known[n].stamp)]


def _taken_over(folder: Path, earlier: Path, name: str, digest: str, stamp: str = "") -> bool:
    """Take a file over from an earlier site, if it is still the one that was written: by its stamp, or its digest."""
    source, target = earlier / name, folder / name
    try:
        if kept.stamp(source) != stamp and sha256(source.read_bytes()).hexdigest() != digest:
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target)
        except OSError:  # no links on this disk
            shutil.copyfile(source, target)
    except OSError:
        return False
    return True


@lru_cache(maxsize=1)
def _pages(stored: Path) -> Sequence[Page]:
    """Return all pages of a site whose content was stored in a file by this very build."""
    content, downloads = pickle.loads(stored.read_bytes())  # noqa: S301 - our own, where nobody else writes
    gc.freeze()  # it stays to the end: nobody needs to look through it for garbage again and again
    return pages_of(content, downloads)


def _with_rows(content: Content, missing: Iterable[str], work: Path, each: Each) -> Content:
    """Return the content with the rows of every run at hand that stands on pages of stimuli which must be made; the
    content itself where there is none."""
    folders = {address.rpartition("/")[0] for address in missing}
    boards = [board for board in content.boards if stimuli_page(board).removesuffix(".html") in folders]
    pages = [e.page for board in boards for e in board.shown if isinstance(content.runs[e.page].rows, StoredRows)]
    if not pages:
        return content
    known, rows = Known(), each(partial(spooled, spool=work), [content.runs[page].rows for page in pages])
    found = {p: replace(content.runs[p], rows=of.sharing(known)) for p, of in zip(pages, rows, strict=True)}
    return replace(content, runs={**content.runs, **found})


def content_of(runs: Sequence[Loaded], results: Path, config: Config, each: Each = map) -> Content:
    """Return everything that pages are made from; `each` computes the standings and tests.

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
    public = {p: held_back(r) if r.entry.record.release.id in config.held_out else r for p, r in ours.items()}
    standings = _kept_or_made(
        standing, [_of_board(board, ours) for board in boards] + [("", one) for one in common], each
    )
    by_board = dict(zip([board.id for board in (*boards, *(board for board, _ in common))], standings, strict=True))
    return Content(
        config,
        tuple(boards),
        tuple(board for board, _ in common),
        by_board,
        _tests(boards, public, results, each),
        public,
        {board.id: means for board, means in common},
    )


Task = tuple[str, tuple[Any, ...]]
"""The digest of what something follows from, empty where it is not known; the arguments of what makes it."""


def _of_board(board: Board, runs: Mapping[str, Loaded]) -> Task:
    """Return the task of finding the standing of a board."""
    keys = [runs[entry.page].key for entry in board.shown]
    key = kept.digest_of("standing", board.id, keys) if all(keys) else ""
    return key, (board, _stimuli_of(board.shown, runs))


def _stimuli_of(entries: Iterable[Entry], runs: Mapping[str, Loaded]) -> dict[str, Stimuli]:
    return {entry.page: runs[entry.page].stimuli for entry in entries}


def _tests(
    boards: Sequence[Board], runs: Mapping[str, Loaded], results: Path, each: Each
) -> dict[str, list[list[Tested]]]:
    """Return the differences of the pairs of every board; those of pairs that did not change are kept."""
    keys = {board.id: [pair_key(board, pair, runs) for pair in pairs_of(board)] for board in boards}
    places = {b: kept.digest_of("tests", kept.code_digest(), str(results.resolve()), b) for b in keys}
    known: dict[str, dict[str, list[Tested]]] = {b: kept.load(place) or {} for b, place in places.items()}
    found: dict[str, list[Any]] = {b: [known[b].get(key) for key in some] for b, some in keys.items()}
    tasks, owners = list[tuple[Any, ...]](), list[tuple[str, list[int]]]()
    for board in boards:
        pairs, missing = pairs_of(board), [k for k, there in enumerate(found[board.id]) if there is None]
        for some in (missing[k : k + _PAIRS] for k in range(0, len(missing), _PAIRS)):
            these = [pairs[k] for k in some]
            tasks.append((board, _stimuli_of([board.shown[0], *chain.from_iterable(these)], runs), these))
            owners.append((board.id, some))
    for (of, some), made in zip(owners, each(partial(_made, tested), tasks), strict=True):
        for place, difference in zip(some, made, strict=True):
            found[of][place] = difference
    for b in dict.fromkeys(of for of, _ in owners):
        if those := {key: one for key, one in zip(keys[b], found[b], strict=True) if key}:
            kept.save(places[b], those)
    return found


def _kept_or_made(make: Callable[..., Any], tasks: Sequence[Task], each: Each) -> list[Any]:
    """Return what each task makes: what an earlier build kept, else made by `each`, and kept."""
    found = [kept.load(key) if key else None for key, _ in tasks]
    missing = [k for k, known in enumerate(found) if known is None]
    for k, made in zip(missing, each(partial(_made, make), [tasks[k][1] for k in missing]), strict=True):
        found[k] = made
        if tasks[k][0]:
            kept.save(tasks[k][0], made)
    return found


def _made(make: Callable[..., Any], given: tuple[Any, ...]) -> Any:
    return make(*given)


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


def _downloads(folder: Path, earlier: Path, content: Content, each: Each) -> dict[str, list[Download]]:
    """Write what can be taken along, or take it over; return it by the id of its board, and the archive of all under an
    empty one."""
    boards = (*content.boards, *content.comparisons)
    keys = {board.id: content.key_of("downloads", content.board_keys.get(board.id, "")) for board in boards}
    found: dict[str, list[Download]] = {board.id: [] for board in boards}
    for board in boards:
        known: list[tuple[Download, str]] | None = kept.load(keys[board.id]) if keys[board.id] else None
        if known and all(_taken_over(folder, earlier, download.path, digest) for download, digest in known):
            found[board.id] = [download for download, _ in known]
    missing = [board for board in boards if not found[board.id]]
    for board, made in zip(
        missing, each(partial(_download, folder), [_rows(content, b) for b in missing]), strict=True
    ):
        found[board.id] = made
        if keys[board.id]:
            kept.save(keys[board.id], [(d, sha256((folder / d.path).read_bytes()).hexdigest()) for d in made])
    found[""] = [write_archive(folder, [d for of_board in found.values() for d in of_board])]
    return found


ForDownloads = tuple[Board, Ranks, list[tuple[Entry, Loaded]], list[list[Tested]]]
"""A board, its ranks, its runs, and the differences of its pairs."""


def _rows(content: Content, board: Board) -> ForDownloads:
    by, ranks = board.sort_column.name, content.standings[board.id].ranks
    placed = {e.record.digest: {by: ranks[e.page]} for e in board.models if e.page in ranks}
    runs = [(e, replace(content.runs[e.page], stimuli=content.stimuli(board, e))) for e in board.shown]
    return board, placed, runs, content.tests.get(board.id, [])


def _download(folder: Path, given: ForDownloads) -> list[Download]:
    board, ranks, runs, tests = given
    beside = tables_of(board, {entry.page: run.stimuli for entry, run in runs}, tests)
    return write_downloads(folder, board, ranks, ((entry, run.table()) for entry, run in runs), beside)


def _write(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("utf-8"))
    return name

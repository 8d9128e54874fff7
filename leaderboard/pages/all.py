"""Every page of a site, by its address; each is made when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial

from .. import links
from ..boards import Board
from ..content import Content
from ..downloads.write import Download
from . import about, board, compare, index, models, reference, run, stimuli

Made = Callable[[], str]


def pages_of(content: Content, downloads: Mapping[str, Sequence[Download]]) -> list[tuple[str, Made]]:
    """Return the address of each page, and what makes it; nothing is computed before it is asked for.

    Args:
        content: the site.
        downloads: what can be taken along, by the id of a board; of all boards under an empty one.
    """
    return list(_all(content, downloads))


def _all(content: Content, downloads: Mapping[str, Sequence[Download]]) -> Iterator[tuple[str, Made]]:
    for one in (*content.boards, *content.comparisons):
        yield links.board_page(one), partial(board.board_page, content, one, downloads[one.id])
    for one in content.boards:
        yield from _of_board(content, one)
    yield links.MODELS, partial(models.models_page, content)
    for address in content.models:
        yield address, partial(models.model_page, content, address)
    for address in content.runs:
        yield address, partial(run.run_page, content, address)
    yield links.COMPARE, partial(compare.compare_page, content)
    yield links.METRICS, partial(reference.metrics_page, content)
    for address, variants in reference.families(content).items():
        yield address, partial(reference.metric_page, content, address, variants)
    yield links.PROTOCOLS, partial(reference.protocols_page, content)
    for address, boards in content.protocols.items():
        yield address, partial(reference.protocol_page, content, address, boards)
    yield links.DATA, partial(reference.data_pages, content)
    for address, (release, boards) in content.releases.items():
        yield address, partial(reference.data_page, content, address, release, boards)
    yield links.ABOUT, partial(about.about_page, content, downloads[""])
    yield links.CHANGES, partial(about.changes_page, content)
    yield links.FEED, partial(about.feed, content)
    yield links.NOT_FOUND, partial(about.not_found_page, content)
    yield links.INDEX, partial(index.index_page, content)


def _of_board(content: Content, one: Board) -> Iterator[tuple[str, Made]]:
    yield links.stimuli_page(one), partial(stimuli.stimuli_page, content, one)
    names = cache(partial(stimuli.name_cells, one))
    for name in stimuli.stimuli_of(content, one):
        yield links.stimulus_page(one, name), partial(stimuli.stimulus_page, content, one, name, names)
    yield links.compare_board_page(one), partial(compare.board_compare_page, content, one)
    pairs = compare.pairs_of(one)
    tested = cache(partial(compare.tested, content, one, pairs))
    for place, pair in enumerate(pairs):
        yield links.compare_page(one, pair), partial(compare.pair_page, content, one, pair, tested, place)

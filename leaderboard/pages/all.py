"""Every page of a site, by its address; each is made when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import NamedTuple

from .. import links
from ..boards import Board
from ..content import Content
from ..downloads.write import Download
from ..standing import pairs_of
from . import about, board, compare, index, models, reference, run, stimuli


class Page(NamedTuple):
    """A page to be.

    Attributes:
        address: relative to the site.
        made: makes it.
        key: digest of everything that it is made from; empty where that is not known.
    """

    address: str
    made: Callable[[], str]
    key: str = ""


def pages_of(content: Content, downloads: Mapping[str, Sequence[Download]]) -> list[Page]:
    """Return every page; nothing is computed before it is asked for.

    Args:
        content: the site.
        downloads: what can be taken along, by the id of a board; of all boards under an empty one.
    """
    return list(_all(content, downloads))


def _all(content: Content, downloads: Mapping[str, Sequence[Download]]) -> Iterator[Page]:
    for one in (*content.boards, *content.comparisons):
        files = downloads[one.id]
        key = "" if content.comparison_of(one) else content.key_of("board", content.board_keys.get(one.id), files)
        yield Page(links.board_page(one), partial(board.board_page, content, one, files), key)
    for one in content.boards:
        yield from _of_board(content, one)
    yield Page(links.MODELS, partial(models.models_page, content))
    for address, found in content.models.items():
        key = content.key_of(address, *(content.board_keys[of.id] for of, _ in found))
        yield Page(address, partial(models.model_page, content, address), key)
    for address in content.runs:
        yield Page(address, partial(run.run_page, content, address), content.run_key(address))
    yield Page(links.COMPARE, partial(compare.compare_page, content))
    yield Page(links.METRICS, partial(reference.metrics_page, content))
    for address, variants in reference.families(content).items():
        yield Page(address, partial(reference.metric_page, content, address, variants))
    yield Page(links.PROTOCOLS, partial(reference.protocols_page, content))
    for address, boards in content.protocols.items():
        yield Page(address, partial(reference.protocol_page, content, address, boards))
    yield Page(links.DATA, partial(reference.data_pages, content))
    for address, (release, boards) in content.releases.items():
        yield Page(address, partial(reference.data_page, content, address, release, boards))
    yield Page(links.ABOUT, partial(about.about_page, content, downloads[""]))
    yield Page(links.CHANGES, partial(about.changes_page, content))
    yield Page(links.FEED, partial(about.feed, content))
    yield Page(links.NOT_FOUND, partial(about.not_found_page, content))
    yield Page(links.INDEX, partial(index.index_page, content))


def _of_board(content: Content, one: Board) -> Iterator[Page]:
    key = content.board_keys[one.id]
    yield Page(links.stimuli_page(one), partial(stimuli.stimuli_page, content, one), key)
    scores = cache(partial(stimuli.scores_of, content, one))
    for name in stimuli.stimuli_of(content, one):
        yield Page(links.stimulus_page(one, name), partial(stimuli.stimulus_page, content, one, name, scores), key)
    if len(one.models) > 1:
        yield Page(links.compare_board_page(one), partial(compare.board_compare_page, content, one), key)
    for place, pair in enumerate(pairs_of(one)):
        address = links.compare_page(one, pair)
        made = partial(compare.pair_page, content, one, pair, place)
        yield Page(address, made, content.pair_key(one, pair, address))

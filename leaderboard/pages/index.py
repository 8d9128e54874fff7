"""The entry page: what this is, and each board as a card."""

from __future__ import annotations

from dataclasses import dataclass

from vidsal.benchmark.evaluation.results.ranking import CENTER, HUMAN

from .. import links
from ..boards import Board, Entry
from ..charts.forest import SMALL, Forest, Value, forest
from ..content import Content
from ..film.stills import MOST
from .environment import page
from .pictures import CARD, still

TOP = 3


@dataclass(frozen=True)
class Card:
    """A board in short: its best models, people, and where they stand on one scale."""

    board: Board
    top: tuple[Entry, ...]
    human: Entry | None
    plot: Forest | None
    picture: str


def index_page(content: Content) -> str:
    """Return the entry page."""
    scored = {(board.release.digest, c.scored) for board in content.boards for c in board.coverages}
    return page(
        "index.html",
        links.INDEX,
        content.config,
        cards=[
            card(b, still(content, b, links.INDEX, CARD if len(content.boards) > 1 else MOST)) for b in content.boards
        ],
        comparisons=[card(b, "") for b in content.comparisons],
        models=len(content.models),
        runs=len(content.runs),
        stimuli=len({(digest, name) for digest, names in scored for name in names}),
        newest=content.newest,
        latest=latest(content),
    )


def card(board: Board, picture: str) -> Card:
    """Return a board in short."""
    by = board.sort_column
    rivals = [e for e in board.ranked if e.record.model.kind != "reference"] or list(board.ranked or board.models)
    best: dict[str, Entry] = {}
    for entry in rivals:
        best.setdefault(entry.record.model.name, entry)
    top = tuple(best.values())[:TOP]
    human = next((e for e in board.humans if e.record.model.name == HUMAN), None)
    shown = [*top, *(e for e in board.models if e.record.model.name == CENTER and e not in top)]
    values = [
        Value(e.record.model.name, m.mean_stimuli, m.low, m.high, e.record.model.kind == "reference")
        for e in [*shown, *([human] if human else [])]
        if (m := e.record.metrics[by.name]).mean_stimuli is not None
    ]
    said = f"{by.label}, mean over stimuli" + (
        ", with its 95 % interval" if any(v.low is not None for v in values) else ""
    )
    return Card(board, top, human, forest(by, values, [], said, SMALL), picture)


def latest(content: Content, most: int = 8) -> list[Entry]:
    """Return the newest runs."""
    every = [e for board in content.boards for runs in board.history.values() for e in runs]
    return sorted(every, key=lambda e: e.age_key, reverse=True)[:most]

"""The page of a stimulus: every model on one video; and the list of a board's stimuli."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from .. import links
from ..boards import Board, Entry
from ..collect import Floats
from ..content import Content
from .environment import cells, page, part
from .pictures import film


@dataclass(frozen=True)
class Line:
    """A stimulus in short: over the models that its board ranks, by the column of the order."""

    id: str
    page: str
    frames: int
    middle: float | None
    low: float | None
    high: float | None
    best: Entry | None


def stimuli_of(content: Content, board: Board) -> tuple[str, ...]:
    """Return the stimuli of a board, in the order of its first run."""
    return content.runs[board.shown[0].page].stimuli.ids


def stimuli_page(content: Content, board: Board) -> str:
    """Return the list of a board's stimuli."""
    return page("stimuli.html", links.stimuli_page(board), content.config, board=board, lines=lines(content, board))


def lines(content: Content, board: Board) -> list[Line]:
    """Return a line a stimulus."""
    by = board.sort_column
    column = board.columns.index(by)
    ids = stimuli_of(content, board)
    frames = content.runs[board.shown[0].page].stimuli.scored
    rivals = board.ranked or board.shown
    table = np.array([content.runs[e.page].stimuli.at(ids)[:, column] for e in rivals])
    table = np.where(np.isfinite(table), table, np.nan)
    out = []
    for k, name in enumerate(ids):
        values = table[:, k]
        some = values[~np.isnan(values)]
        if not len(some):
            out.append(Line(name, links.stimulus_page(board, name), frames[k], None, None, None, None))
            continue
        best = rivals[int(np.nanargmax(values) if by.metric.higher_is_better else np.nanargmin(values))]
        ends = float(some.min()), float(some.max())
        out.append(Line(name, links.stimulus_page(board, name), frames[k], float(np.median(some)), *ends, best))
    return out


class Scores(NamedTuple):
    """The scores of every run of a board on every stimulus; its pages of stimuli show a part each.

    Attributes:
        names: the first cell of the line of each run.
        means: float64 (stimuli, runs, columns); NaN where a value is undefined.
        scored: how many frames are scored, int (stimuli, runs); -1 where a run has no such stimulus.
    """

    names: list[Markup]
    means: Floats
    scored: npt.NDArray[np.int64]


def scores_of(content: Content, board: Board) -> Scores:
    """Return the scores of a board."""
    ids, address = stimuli_of(content, board), links.stimulus_page(board, "")
    runs = [content.runs[entry.page].stimuli for entry in board.shown]
    return Scores(
        [part("model_cell.html", address, entry=e, board=board) for e in board.shown],
        np.stack([s.at(ids) for s in runs], axis=1),
        np.stack([s.scored_at(ids) for s in runs], axis=1),
    )


def _rows(scores: Scores, place: int) -> Markup:
    """Return a line for each run that has a stimulus."""
    scored = scores.scored[place].tolist()
    lines = zip(scores.names, cells(scores.means[place]), scored, strict=True)
    return Markup(  # noqa: S704 - of cells that are escaped
        "".join([f'<tr>{name}{line}<td class="number">{n}</td></tr>\n' for name, line, n in lines if n >= 0])
    )


def stimulus_page(content: Content, board: Board, name: str, scores: Callable[[], Scores]) -> str:
    """Return the page of a stimulus; `scores` gives those of its board."""
    ids = stimuli_of(content, board)
    place = ids.index(name)
    first = content.runs[board.shown[0].page].stimuli
    attributes = first.attributes[first.place(name) or 0]
    return page(
        "stimulus.html",
        links.stimulus_page(board, name),
        content.config,
        board=board,
        name=name,
        rows=_rows(scores(), place),
        film=film(content, board.shown, name, links.stimulus_page(board, name)),
        attributes=attributes,
        before=ids[place - 1] if place else None,
        after=ids[place + 1] if place + 1 < len(ids) else None,
    )

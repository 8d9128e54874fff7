"""The page of a stimulus: every model on one video; and the list of a board's stimuli."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from .. import links
from ..boards import Board, Entry
from ..content import Content
from .environment import cells, page, part
from .pictures import film


@dataclass(frozen=True)
class Line:
    """A stimulus in short: over the models of its board, by the column of the order."""

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
    rivals = board.models or board.humans
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


def name_cells(board: Board) -> list[Markup]:
    """Return the first cell of the line of each run; it is the same on the pages of all stimuli."""
    address = links.stimulus_page(board, "")
    return [part("model_cell.html", address, entry=e, board=board) for e in board.shown]


def _rows(content: Content, board: Board, name: str, names: Sequence[Markup]) -> Markup:
    """Return a line for each run that has a stimulus."""
    runs = [content.runs[entry.page].stimuli for entry in board.shown]
    here = [(cell, s, k) for cell, s in zip(names, runs, strict=True) if (k := s.place(name)) is not None]
    lines = cells(np.array([s.means[k] for _, s, k in here]))
    return Markup(  # noqa: S704 - of cells that are escaped
        "".join(
            f'<tr>{cell}{line}<td class="number">{s.scored[k]}</td></tr>\n'
            for (cell, s, k), line in zip(here, lines, strict=True)
        )
    )


def stimulus_page(content: Content, board: Board, name: str, names: Callable[[], Sequence[Markup]]) -> str:
    """Return the page of a stimulus; `names` gives the cells of `name_cells`."""
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
        rows=_rows(content, board, name, names()),
        film=film(content, board, name),
        attributes=attributes,
        before=ids[place - 1] if place else None,
        after=ids[place + 1] if place + 1 < len(ids) else None,
    )

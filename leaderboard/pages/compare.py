"""Two models of a board, stimulus by stimulus: pages of neighbors, and one on which any two are chosen."""

from __future__ import annotations

from base64 import b64encode

import numpy as np

from .. import links
from ..boards import Board, Entry
from ..charts.paired import Paired, paired
from ..collect import Floats
from ..content import Content
from ..sanitize import script_safe, visible
from ..standing import pairs_of
from .environment import page

LISTED = 15
"""Stimuli at each end that a page of two models lists."""


def _table(content: Content, board: Board, entry: Entry) -> Floats:
    ids = content.runs[board.shown[0].page].stimuli.ids
    return content.runs[entry.page].stimuli.at(ids)


def pair_page(content: Content, board: Board, pair: tuple[Entry, Entry], place: int) -> str:
    """Return the page of two models; they are the pair at a place of `pairs_of`."""
    a, b = pair
    by = board.sort_column
    column = board.columns.index(by)
    differences = _table(content, board, a)[:, column] - _table(content, board, b)[:, column]
    ids = content.runs[board.shown[0].page].stimuli.ids
    order = [k for k in np.argsort(differences, kind="stable").tolist() if np.isfinite(differences[k])]
    most = order if len(order) <= 2 * LISTED else [*order[:LISTED], *order[-LISTED:]]
    drawing: Paired | None = paired(differences[order]) if order else None
    return page(
        "pair.html",
        links.compare_page(board, pair),
        content.config,
        board=board,
        a=a,
        b=b,
        lines=content.tests[board.id][place],
        drawing=drawing,
        listed=[(ids[k], float(differences[k])) for k in reversed(most)],
        wins=(int((differences[order] > 0).sum()), int((differences[order] < 0).sum())),
        n=len(order),
        label=content.label,
    )


def board_compare_page(content: Content, board: Board) -> str:
    """Return the page on which any two models of a board are compared: a script computes, and a table leads to the
    pairs that have pages of their own."""
    return page(
        "compare_board.html",
        links.compare_board_page(board),
        content.config,
        board=board,
        pairs=pairs_of(board),
        data=script_safe(_data(content, board)),
        label=content.label,
    )


def _data(content: Content, board: Board) -> dict[str, object]:
    """Return the means of all models and stimuli, each metric in 16 bits with its scale, for the script."""
    ids = content.runs[board.shown[0].page].stimuli.ids
    table = np.array([_table(content, board, e) for e in board.models])
    metrics = {}
    for c, column in enumerate(board.columns):
        values = table[:, :, c]
        finite = np.isfinite(values)
        low, high = (float(values[finite].min()), float(values[finite].max())) if finite.any() else (0.0, 1.0)
        span = high - low or 1.0
        levels = np.where(finite, np.rint(np.where(finite, values - low, 0) / span * 65534), 65535).astype("<u2")
        metrics[column.name] = {
            "label": column.label, "up": column.metric.higher_is_better, "low": low, "span": span,
            "levels": b64encode(levels.tobytes()).decode(),
        }  # fmt: skip
    return {
        "models": [visible(content.label(e)) for e in board.models],
        "stimuli": list(map(visible, ids)),
        "pages": [links.stimulus_page(board, name) for name in ids],
        "groups": list(content.runs[board.shown[0].page].stimuli.groups),
        "first": board.sort_column.name,
        "metrics": metrics,
    }


def compare_page(content: Content) -> str:
    """Return the page that leads to the comparisons of each board."""
    return page("compare.html", links.COMPARE, content.config, boards=content.boards)

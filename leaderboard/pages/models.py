"""The page of a model: all of its boards, where it does well and badly, its runs; and the list of all models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .. import links
from ..boards import Board, Column, Entry
from ..content import Content
from .environment import page
from .pictures import best_and_worst

EXTREMES = 5


@dataclass(frozen=True)
class Part:
    """A model on one board.

    Attributes:
        place: its rank by the column of the order; None for people.
        best, worst: stimuli with their means by that column.
        attributes: name, number of stimuli, mean of the model, median over the models of the board.
    """

    board: Board
    entry: Entry
    place: int | None
    best: tuple[tuple[str, float], ...]
    worst: tuple[tuple[str, float], ...]
    attributes: tuple[tuple[str, int, float, float], ...]


def models_page(content: Content) -> str:
    """Return the list of all models."""
    lines = [(address, found[0][1], found) for address, found in content.models.items()]
    return page("models.html", links.MODELS, content.config, lines=lines, places=content.standings)


def model_page(content: Content, address: str) -> str:
    """Return the page of a model."""
    found = content.models[address]
    return page(
        "model.html",
        address,
        content.config,
        entry=found[0][1],
        parts=[_part(content, board, entry) for board, entry in found],
        columns=columns_of(found),
        pictures={board.id: best_and_worst(content, board, entry, address) for board, entry in found},
    )


def columns_of(found: Sequence[tuple[Board, Entry]]) -> list[Column]:
    """Return the columns of any of some boards, each label once."""
    return list({c.name: c for board, _ in found for c in board.columns}.values())


def _part(content: Content, board: Board, entry: Entry) -> Part:
    run, by = content.runs[entry.page], board.sort_column
    column = board.columns.index(by)
    values = run.stimuli.means[:, column]
    order = [k for k in np.argsort(values, kind="stable").tolist() if np.isfinite(values[k])]
    if by.metric.higher_is_better:
        order.reverse()
    most = min(EXTREMES, len(order) // 2)
    ids = run.stimuli.ids
    others = [content.runs[e.page].stimuli.by_attribute for e in board.models]
    attributes = []
    for name, (n, means) in run.stimuli.by_attribute.items():
        middle = [o[name][1][column] for o in others if name in o and np.isfinite(o[name][1][column])]
        attributes.append((name, n, float(means[column]), float(np.median(middle)) if middle else float("nan")))
    return Part(
        board,
        entry,
        content.standings[board.id].places.get(entry.page, {}).get(by.name),
        tuple((ids[k], float(values[k])) for k in order[:most]),
        tuple((ids[k], float(values[k])) for k in order[: -most - 1 : -1]) if most else (),
        tuple(attributes),
    )

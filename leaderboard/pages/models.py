"""The page of a model: all of its boards, where it does well and badly, its runs; and the list of all models."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from vidsal.benchmark.evaluation.results.model_index import index_of

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


@dataclass(frozen=True)
class MeanRank:
    """A model's rank by one metric on each of several boards, and the mean of these."""

    mean: float
    ranks: tuple[int, ...]


@dataclass(frozen=True)
class MeanRanks:
    """The ranks of the models that stand on a board of each of several data sets, all scored under one protocol.

    Attributes:
        columns: the metrics of the ranks, `by` the one that orders the lines.
        boards: one a data set.
        lines: page of the model, its run on the first board, and by each metric its rank among these models on each
            board with their mean, None where a board does not rank it by this metric; the best mean first.
        others: models that stand on several of the boards, but not on all.
    """

    columns: tuple[Column, ...]
    by: Column
    boards: tuple[Board, ...]
    lines: tuple[tuple[str, Entry, tuple[MeanRank | None, ...]], ...]
    others: int


def models_page(content: Content) -> str:
    """Return the list of all models."""
    lines = [(address, found[0][1], found) for address, found in content.models.items()]
    return page(
        "models.html",
        links.MODELS,
        content.config,
        lines=lines,
        places=content.standings,
        labels=content.labels,
        ranks=mean_ranks(content),
    )


def mean_ranks(content: Content) -> list[MeanRanks]:
    """Return the mean rank over data sets, by protocol; values of different data sets are never averaged.

    Of each data set the board with the most models counts. A model that lacks one of them has no mean rank.
    """
    found = []
    for boards in content.protocols.values():
        fullest: dict[str, Board] = {}
        for board in sorted(boards, key=lambda b: -len(b.models)):
            fullest.setdefault(board.release.dataset, board)
        chosen = tuple(board for board in boards if fullest[board.release.dataset] is board)
        by, columns = chosen[0].sort_column, chosen[0].columns
        models = _models(content, chosen, by)
        if len(chosen) < 2 or len(models[0]) < 2:
            continue
        common = dict(sorted(models[0].items(), key=lambda item: (item[1].record.model.name, item[0])))
        of = {column.name: _mean_ranks(content, chosen, column, common) for column in columns}
        lines = [(address, e, tuple(of[c.name].get(address) for c in columns)) for address, e in common.items()]
        lines.sort(key=lambda line: of[by.name][line[0]].mean)
        found.append(MeanRanks(columns, by, chosen, tuple(lines), models[1]))
    return found


def _models(content: Content, boards: Sequence[Board], column: Column) -> tuple[dict[str, Entry], int]:
    """Return the models that all boards rank by a metric, by page of the model, each with its run on the first board;
    and how many more several, but not all, of them rank."""
    on = [_places(content, board, column) for board in boards]
    several = {address for places in on for address in places if sum(address in other for other in on) > 1}
    common = {address: e for address, (_, e) in on[0].items() if all(address in places for places in on)}
    return common, len(several - common.keys())


def _mean_ranks(
    content: Content, boards: Sequence[Board], column: Column, models: Iterable[str]
) -> dict[str, MeanRank]:
    """Return the ranks by a metric of the models that all boards rank by it, among these, by page of the model."""
    on = [_places(content, board, column) for board in boards]
    among = [address for address in models if all(address in places for places in on)]
    found = {}
    for address in among:
        ranks = tuple(1 + sum(places[other][0] < places[address][0] for other in among) for places in on)
        found[address] = MeanRank(float(np.mean(ranks)), ranks)
    return found


def _places(content: Content, board: Board, column: Column) -> dict[str, tuple[int, Entry]]:
    """Return the rank of each model of a board by a metric, and its run, by page of the model."""
    places = content.standings[board.id].places
    return {
        links.model_page(e): (places[e.page][column.name], e)
        for e in board.models
        if column.name in places.get(e.page, {})
    }


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
        card=None if found[0][1].record.human else index_of([entry.record for _, entry in found]),
        pictures={board.id: best_and_worst(content, board, entry, address) for board, entry in found},
    )


def columns_of(found: Sequence[tuple[Board, Entry]]) -> list[Column]:
    """Return the columns of any of some boards, each label once."""
    return list({c.name: c for board, _ in found for c in board.columns}.values())


def _part(content: Content, board: Board, entry: Entry) -> Part:
    run, by = content.runs[entry.page], board.sort_column
    column = board.columns.index(by)
    values = run.stimuli.means[:, column]
    finite = np.isfinite(values)
    order = [k for k in np.argsort(values, kind="stable").tolist() if finite[k]]
    if by.metric.higher_is_better:
        order.reverse()
    most = min(EXTREMES, len(order) // 2)
    ids = run.stimuli.ids
    middles = content.middles[board.id]
    attributes = [
        (name, n, float(means[column]), middles.get(name, float("nan")))
        for name, (n, means) in run.stimuli.by_attribute.items()
    ]
    return Part(
        board,
        entry,
        content.standings[board.id].places.get(entry.page, {}).get(by.name),
        tuple((ids[k], float(values[k])) for k in order[:most]),
        tuple((ids[k], float(values[k])) for k in order[: -most - 1 : -1]) if most else (),
        tuple(attributes),
    )

"""The page of a board: one table, how sure it is, and everything that belongs under it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vidsal.benchmark.evaluation.results.ranking import CENTER, HUMAN

from .. import format as words, links
from ..boards import OTHER_TRUTH, Board, Column, Entry
from ..charts.forest import SMALL, WIDTH, Forest, Value, forest
from ..charts.speed import Fast, Speed, speed_plot
from ..content import Content
from ..downloads.write import Download
from ..held_out import submitted
from ..standing import Standing
from .beside import Stated, elsewhere, speeds
from .environment import page
from .pictures import CARD, still

REFERENCES = ("uniform", CENTER, "shuffled_prior", HUMAN)
"""What every table should hold beside its models, from chance to people."""
BRACKETS = 12
"""Most bars beside each other that a table draws of groups of models that are not told apart."""


@dataclass(frozen=True)
class Cell:
    """A value of a table.

    Attributes:
        mean: as the protocol averages; None where it is undefined, with its `reason`.
        low, high, note: interval of the mean over stimuli, or why there is none.
        share: 0 to 100, of the way from the center prior to people; None where there is no such way.
        place: rank by this metric.
        best: whether no model is better.
        other_truth: whether it was measured against another truth than the models.
    """

    mean: float | None
    reason: str | None
    low: float | None
    high: float | None
    note: str | None
    share: int | None
    place: int | None
    best: bool
    other_truth: bool


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        marks: for each bar's place whether the model is in its group (`in`), between the members (`by`), or neither.
        alike: names of the models that it is not told apart from.
        variant: whether a better run of the same name stands above it.
    """

    entry: Entry
    ranks: tuple[int, int] | None
    marks: tuple[str, ...]
    alike: tuple[str, ...]
    cells: tuple[Cell, ...]
    qualifiers: tuple[str, ...]
    badges: tuple[str, ...]
    variant: bool
    human: bool


def board_page(content: Content, board: Board, downloads: Sequence[Download] = ()) -> str:
    """Return the page of a board.

    Args:
        content: the site.
        board: one of its boards or comparisons.
        downloads: what can be taken along.
    """
    standing = content.standings[board.id]
    return page(
        "board.html",
        links.board_page(board),
        content.config,
        board=board,
        standing=standing,
        groups=rows(board, standing),
        brackets=len(lanes(board, standing)),
        plot=forest_of(content, board),
        narrow=forest_of(content, board, SMALL),
        attributes=attributes(content, board),
        extremes=extremes(content, board),
        elsewhere=elsewhere(board),
        other=None if board.common else content.comparison_of(board),
        picture="" if board.common else still(content, board, links.board_page(board), CARD),
        parts=[content.board_of[e.page] for e in board.models] if board.common else [],
        lacking=() if board.common else lacking(board),
        submitted=submitted(board) if board.release.id in content.config.held_out else None,
        downloads=downloads,
        speeds=(stated := speeds(board.models)),
        speed_plots=speed_plots(content, board, stated),
        filters=filters(board),
        label=content.label,
    )  # fmt: skip


_FILTERS = (
    ("seen", "not", "saw this data set", "Hide those that saw this data set"),
    ("ahead", "not", "not causal|not stated whether causal", "Only causal"),
    ("audio", "not", "uses audio", "Without audio"),
    ("open", "has", "open code", "Only open code"),
    ("reference", "not", "reference predictor", "Hide reference predictors"),
)
"""Filters by badges: the name in the address, whether a row must have one of them or must not, these, what it says."""


def filters(board: Board) -> list[tuple[str, str, str, str]]:
    """Return those filters that would hide some rows of a board, and not all."""
    rows = [[*words.earned(e.record), *words.badges(e.record)] for e in board.shown]

    def divides(some: str) -> bool:
        having = sum(any(part in badge for badge in badges for part in some.split("|")) for badges in rows)
        return 0 < having < len(rows)

    return [one for one in _FILTERS if divides(one[2])]


def lacking(board: Board) -> tuple[str, ...]:
    """Return the reference predictors and people that nobody ran on a board."""
    ours = {e.record.model.name for e in board.shown if e.record.model.kind in ("reference", "human")}
    return tuple(name for name in REFERENCES if name not in ours)


def rows(board: Board, standing: Standing) -> list[tuple[str, list[Row]]]:
    """Return the lines of a board: models and reference predictors, then people."""
    order = [e.page for e in board.models]
    name_of, bars = {e.page: e.record.model.name for e in board.models}, lanes(board, standing)
    seen: set[str] = set()
    models = []
    for entry in board.models:
        models.append(_row(board, standing, entry, order, name_of, bars, entry.record.model.name in seen))
        seen.add(entry.record.model.name)
    humans = [_row(board, standing, entry, order, name_of, bars, False) for entry in board.humans]
    return [
        (title, found)
        for title, found in (("Models and reference predictors", models), ("Human references", humans))
        if found
    ]


def lanes(board: Board, standing: Standing) -> list[list[tuple[int, ...]]]:
    """Return the groups of models that are not told apart, by place of each, in as few bars beside each other as do not
    touch."""
    place = {e.page: k for k, e in enumerate(board.models)}
    found: list[list[tuple[int, ...]]] = []
    for group in sorted(tuple(sorted(place[name] for name in group)) for group in standing.groups):
        lane = next((lane for lane in found if lane[-1][-1] + 1 < group[0]), None)
        if lane is not None:
            lane.append(group)
        elif len(found) < BRACKETS:
            found.append([group])
    return found


def _row(
    board: Board,
    standing: Standing,
    entry: Entry,
    order: list[str],
    name_of: dict[str, str],
    bars: Sequence[Sequence[tuple[int, ...]]],
    variant: bool,
) -> Row:
    marks, alike, place = [], dict[str, str](), order.index(entry.page) if entry.page in name_of else None
    for lane in bars:
        here = next((g for g in lane if place is not None and g[0] <= place <= g[-1]), ())
        marks.append("in" if place in here else "by" if here else "")
        alike |= {order[k]: name_of[order[k]] for k in here if place in here and k != place}
    return Row(
        entry,
        standing.ranks.get(entry.page),
        tuple(marks),
        tuple(alike.values()),
        tuple(_cell(board, standing, entry, column) for column in board.columns),
        tuple(words.qualifiers(entry, board.shown)),
        (*words.earned(entry.record), *words.badges(entry.record), *words.partly(board, entry)),
        variant,
        entry.record.human,
    )


def _cell(board: Board, standing: Standing, entry: Entry, column: Column) -> Cell:
    metric = entry.record.metrics[column.name]
    share = standing.shares.get(entry.page, {}).get(column.name)
    place = standing.places.get(entry.page, {}).get(column.name)
    return Cell(
        metric.mean,
        metric.reason,
        metric.low,
        metric.high,
        metric.note,
        None if share is None else max(0, min(100, round(100 * share))),
        place,
        place == 1,
        entry.record.truth.points == "single-observer" and column.name in OTHER_TRUTH,
    )


def forest_of(content: Content, board: Board, width: int = WIDTH) -> Forest | None:
    """Draw the means over stimuli by which the board is ordered, with their intervals; people as lines."""
    by = board.sort_column
    values, marks = [], []
    for entry in board.models:
        metric = entry.record.metrics[by.name]
        if metric.mean_stimuli is not None:
            other = entry.record.model.kind == "reference"
            values.append(Value(content.label(entry), metric.mean_stimuli, metric.low, metric.high, other))
    for entry in (*board.models, *board.humans):
        mean = entry.record.metrics[by.name].mean_stimuli
        if entry.record.model.name in (CENTER, HUMAN) and mean is not None:
            marks.append(("center prior" if entry.record.model.name == CENTER else "one vs rest", mean))
    said = "Mean over stimuli of each model" + (
        ", with its 95 % interval" if any(v.low is not None for v in values) else ""
    )
    return forest(
        by, values, marks, f"{said}: {by.label}, {words.direction(by)}. Rings are reference predictors.", width
    )


def attributes(content: Content, board: Board) -> tuple[list[tuple[str, int]], list[tuple[Entry, list[float]]]]:
    """Return what stimuli have in common, each with how many they are; and the means of the first ten models by it."""
    by = board.columns.index(board.sort_column)
    found = [(entry, content.stimuli(board, entry).by_attribute) for entry in board.models[:10]]
    names = sorted({(name, n) for _, means in found for name, (n, _) in means.items()})
    return names, [(e, [float(means[n][1][by]) if n in means else np.nan for n, _ in names]) for e, means in found]


def extremes(content: Content, board: Board, most: int = 4) -> list[tuple[str, list[tuple[str, float]]]]:
    """Return the stimuli on which the models do best and worst: the median over models of the column of the order."""
    if not board.models:
        return []
    by = board.columns.index(board.sort_column)
    ids = content.stimuli(board, board.models[0]).ids
    table = np.array([content.stimuli(board, e).at(ids)[:, by] for e in board.models])
    here = np.isfinite(table).any(axis=0)
    middle = np.full(len(ids), np.nan)
    middle[here] = np.nanmedian(np.where(np.isfinite(table[:, here]), table[:, here], np.nan), axis=0)
    order = [k for k in np.argsort(middle, kind="stable").tolist() if np.isfinite(middle[k])]
    if board.sort_column.metric.higher_is_better:
        order = order[::-1]
    if len(order) <= 2 * most:
        return [("From the easiest to the hardest", [(ids[k], float(middle[k])) for k in order])]
    return [
        ("Easiest", [(ids[k], float(middle[k])) for k in order[:most]]),
        ("Hardest", [(ids[k], float(middle[k])) for k in order[: -most - 1 : -1]]),
    ]


def speed_plots(content: Content, board: Board, stated: Sequence[Stated]) -> list[Speed]:
    """Return a drawing for each machine of which several models state a speed; those of two machines do not compare."""
    by, found = board.sort_column, dict[str, list[Fast]]()
    for one in stated:
        mean = one.entry.record.metrics[by.name].mean
        if one.speed and mean is not None:
            found.setdefault(one.hardware, []).append(Fast(content.label(one.entry), one.speed, mean))
    plots = [speed_plot(by, models, hardware) for hardware, models in found.items()]
    return [plot for plot in plots if plot is not None]

"""Two models of a board, stimulus by stimulus: pages of neighbors, and one on which any two are chosen."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from vidsal.benchmark.statistics import Difference, holm, paired_differences
from vidsal.benchmark.statistics.intervals import RESAMPLES
from vidsal.benchmark.statistics.paired import LEVEL

from .. import links
from ..boards import Board, Column, Entry
from ..charts.paired import Paired, paired
from ..collect import Floats
from ..content import Content
from ..sanitize import script_safe, visible
from ..standing import DRAWS, EVERY_PAIR, FEWER, neighbors, seed_for
from .environment import page

LISTED = 15
"""Stimuli at each end that a page of two models lists."""


@dataclass(frozen=True)
class Tested:
    """The difference of two models in one metric, first minus second.

    Attributes:
        a, b: both means over the stimuli for which both have a value; None where there is none.
        found: their difference.
        p_holm: its p, corrected for the number of metrics; None without one.
        better: the page of the run that is better, None where the test does not tell them apart.
    """

    column: Column
    a: float | None
    b: float | None
    found: Difference
    p_holm: float | None
    better: str | None


def pairs_of(board: Board) -> list[tuple[Entry, Entry]]:
    """Return the pairs that have a page: all of a short board, else neighbors and each one with the best."""
    models = board.models
    if len(models) <= EVERY_PAIR // 2:
        return [(a, b) for k, a in enumerate(models) for b in models[k + 1 :]]
    return [(models[a], models[b]) for a, b in neighbors(len(models))]


def tested(content: Content, board: Board, pairs: Sequence[tuple[Entry, Entry]]) -> list[list[Tested]]:
    """Compare pairs of a board in every metric at once, over the stimuli that both have."""
    tables = {e.page: _table(content, board, e) for pair in pairs for e in pair}
    groups = content.runs[board.shown[0].page].stimuli.groups
    differences = np.column_stack([tables[a.page] - tables[b.page] for a, b in pairs])
    found = paired_differences(
        np.where(np.isfinite(differences), differences, np.nan), groups, seed=seed_for(board),
        draws=DRAWS, resamples=RESAMPLES if len(board.models) <= EVERY_PAIR else FEWER,
    )  # fmt: skip
    width = len(board.columns)
    out = []
    for k, (a, b) in enumerate(pairs):
        of_pair = found[k * width : (k + 1) * width]
        corrected = holm([np.nan if d.p is None else d.p for d in of_pair])
        lines = []
        for c, (column, d, p) in enumerate(zip(board.columns, of_pair, corrected, strict=True)):
            one, other = tables[a.page][:, c], tables[b.page][:, c]
            both = np.isfinite(one) & np.isfinite(other)
            mean_a, mean_b = (float(v[both].mean()) if both.any() else None for v in (one, other))
            higher = d.mean is not None and (d.mean > 0) == column.metric.higher_is_better
            p_holm = None if np.isnan(p) else float(p)
            apart = p_holm is not None and p_holm <= LEVEL
            better = (a.page if higher else b.page) if apart else None
            lines.append(Tested(column, mean_a, mean_b, d, p_holm, better))
        out.append(lines)
    return out


def _table(content: Content, board: Board, entry: Entry) -> Floats:
    ids = content.runs[board.shown[0].page].stimuli.ids
    return content.runs[entry.page].stimuli.at(ids)


def pair_page(
    content: Content, board: Board, pair: tuple[Entry, Entry], tested: Callable[[], list[list[Tested]]], place: int
) -> str:
    """Return the page of two models; `tested` gives what `tested` of all pairs does, of which this is one."""
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
        lines=tested()[place],
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

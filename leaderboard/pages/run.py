"""The page of a run: its scores, some videos over time, where its numbers come from, and how to repeat it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from .. import links
from ..charts.timeline import videos
from ..collect import Loaded
from ..content import Content
from .environment import cells, page
from .pictures import extremes, film

EVERY_STIMULUS = 120
"""Most stimuli that a run's page lists; of more it lists the best and the worst."""


def run_page(content: Content, address: str) -> str:
    """Return the page of a run."""
    run, board = content.runs[address], content.board_of[address]
    history = board.runs_of(run.entry)
    drawn = chosen(run, board.columns.index(board.sort_column))
    order = _order(run, board.columns.index(board.sort_column), board.sort_column.metric.higher_is_better)
    listed = order if len(order) <= EVERY_STIMULUS else [*order[: EVERY_STIMULUS // 2], *order[-EVERY_STIMULUS // 2 :]]
    return page(
        "run.html",
        address,
        content.config,
        entry=run.entry,
        r=run.entry.record,
        board=board,
        columns=run.columns,
        shown=history[0],
        others=[other for other in history if other.page != address],
        rows=_lines(run, sorted(order) if listed is order else listed),
        total=len(order),
        videos=videos({run.stimuli.ids[k]: run.rows.of(k) for k in drawn}, run.columns),
        titles={run.stimuli.ids[k]: title for k, title in drawn.items()},
        films={
            name: (links.stimulus_page(board, name), film(content, [run.entry], name, address))
            for name in (extremes(content, board, run.entry) if address in content.labels else ())
        },
        pages={run.stimuli.ids[k]: links.stimulus_page(board, run.stimuli.ids[k]) for k in drawn}
        | {run.stimuli.ids[k]: links.stimulus_page(board, run.stimuli.ids[k]) for k in listed},
    )


def _lines(run: Loaded, places: Sequence[int]) -> list[tuple[str, int, int, Markup]]:
    s = run.stimuli
    lines = [Markup(line) for line in cells(s.means[places])]  # noqa: S704 - of numbers
    return [(s.ids[k], s.frames[k], s.scored[k], line) for k, line in zip(places, lines, strict=True)]


def _order(run: Loaded, column: int, higher: bool) -> list[int]:
    """Return the stimuli from the best to the worst, those without a value last."""
    values = run.stimuli.means[:, column]
    key = np.where(np.isnan(values), np.inf, -values if higher else values)
    found: list[int] = np.argsort(key, kind="stable").tolist()
    return found


def chosen(run: Loaded, column: int) -> dict[int, str]:
    """Return the stimuli whose course is drawn: those with the highest, the middle and the lowest mean, of several
    frames."""
    values = run.stimuli.means[:, column]
    moving = np.flatnonzero((np.diff(run.rows.offsets) > 1) & np.isfinite(values))
    order: list[int] = moving[np.argsort(-values[moving], kind="stable")].tolist()
    found: dict[int, str] = {}
    for k, title in zip(_spread(order), ("highest", "middle", "lowest"), strict=False):
        found.setdefault(k, title)
    return found


def _spread(order: Sequence[int]) -> list[int]:
    return [order[0], order[len(order) // 2], order[-1]] if len(order) > 2 else list(order)

"""Values with their intervals, a line each, on one scale: from numbers to coordinates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..boards import Column
from ..format import decimals, interval
from .timeline import axis

LEFT, RIGHT, WIDTH, LINE = 190, 24, 760, 22
SMALL = 420
"""Width of a drawing on a card."""
NAMES = 84
"""Room that the names of two lines need beside each other."""


@dataclass(frozen=True)
class Value:
    """A line of the plot: a name, its value, its interval, and whether it is of another kind than the others."""

    name: str
    mean: float
    low: float | None = None
    high: float | None = None
    other: bool = False


@dataclass(frozen=True)
class Row:
    """A line in the units of the drawing; `said` is what its mark says."""

    name: str
    said: str
    y: int
    x: float
    low: float | None
    high: float | None
    other: bool


@dataclass(frozen=True)
class Mark:
    """A value that a thin line shows through all rows; `side` says where its name hangs: middle, end or start."""

    label: str
    x: float
    side: str = "middle"


@dataclass(frozen=True)
class Forest:
    """The drawing; `text` says what it shows."""

    width: int
    height: int
    left: int
    top: int
    bottom: int
    ticks: tuple[tuple[str, float], ...]
    marks: tuple[Mark, ...]
    rows: tuple[Row, ...]
    text: str
    caption: str


def forest(
    column: Column, values: Sequence[Value], marks: Iterable[tuple[str, float]], caption: str, width: int = WIDTH
) -> Forest | None:
    """Draw the values of a metric.

    Args:
        column: the metric.
        values: a line each, from top to bottom.
        marks: values that a line shows through all rows, with their names.
        caption: what the drawing shows.
        width: of the drawing, in its own units.

    Returns:
        None where there is nothing to draw.
    """
    if not values:
        return None
    kept = list(marks)
    ends = [v for value in values for v in (value.mean, value.low, value.high) if v is not None]
    scale = axis(np.array([*ends, *(x for _, x in kept)]), column.metric.range, 5)
    left = LEFT if width == WIDTH else 120
    top = 24 if kept else 6
    bottom = top + LINE * len(values)

    def place(value: float) -> float:
        return round(left + (width - left - RIGHT) * (value - scale.low) / (scale.high - scale.low), 1)

    rows = tuple(
        Row(
            v.name,
            _said(v),
            top + LINE * k + LINE // 2,
            place(v.mean),
            None if v.low is None else place(v.low),
            None if v.high is None else place(v.high),
            v.other,
        )
        for k, v in enumerate(values)
    )
    return Forest(
        width, bottom + 22, left, top, bottom,
        tuple((scale.label(t), place(t)) for t in scale.ticks),
        _marks([(label, place(x)) for label, x in kept]),
        rows, _in_words(column, values), caption,
    )  # fmt: skip


def _marks(places: Sequence[tuple[str, float]]) -> tuple[Mark, ...]:
    """Name lines; names of close ones hang to both sides."""
    ordered = sorted(places, key=lambda one: one[1])
    close = len(ordered) == 2 and ordered[1][1] - ordered[0][1] < NAMES
    sides = ("end", "start") if close else ("middle",) * len(ordered)
    return tuple(Mark(label, x, side) for (label, x), side in zip(ordered, sides, strict=True))


def _said(v: Value) -> str:
    return f"{v.name} {decimals(v.mean)}" + (f" ({interval(v.low, v.high)})" if v.low is not None else "")


def _in_words(column: Column, values: Sequence[Value]) -> str:
    said = "; ".join(map(_said, values[:12]))
    more = f"; and {len(values) - 12} more, see the table" if len(values) > 12 else ""
    return f"{column.label}: {said}{more}."

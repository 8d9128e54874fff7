"""A metric over the frames of a video: from rows to the coordinates of a small drawing. Pure functions.

A video with more frames than a drawing has room for is cut into steps of equally many frames. Each step keeps its mean,
its lowest and its highest value, so that no dip or peak is lost; the text beside the drawing says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor, isfinite, log10
from typing import Any

import numpy as np
import numpy.typing as npt

from ..boards import Column
from ..format import decimals, spread

Floats = npt.NDArray[np.float64]
Frames = npt.NDArray[np.integer]
Values = npt.NDArray[np.floating]

UNITS = 1000
"""Height of a drawing in the units of its paths; values are rounded to one of them."""

FINEST, COARSEST, STEPS_A_PAGE = 240, 40, 6000
"""Most steps of a video; fewest that a crowded page leaves it; steps that a page shares among its videos."""


@dataclass(frozen=True)
class Trace:
    """A metric over the frames of one stimulus, in steps.

    Attributes:
        first, last: first and last annotated frame, 0-based.
        width: frames in a step.
        mean, low, high: of the defined values of each step, float64 (n,); NaN where none is.
        n, n_rows: how many frames give the metric a finite value, of how many.
        n_infinite: how many give it an infinite one, which no drawing can hold.
        lowest, highest: the extreme values, each with its first frame; None if no frame defines the metric.
        average: mean over the defined frames; NaN if there is none.
    """

    first: int
    last: int
    width: int
    mean: Floats
    low: Floats
    high: Floats
    n: int
    n_rows: int
    n_infinite: int
    lowest: tuple[float, int] | None
    highest: tuple[float, int] | None
    average: float

    @property
    def covered(self) -> str:
        """How many frames have a finite value, in words."""
        infinite = f" ({self.n_infinite} more are infinite)" if self.n_infinite else ""
        return f"{self.n} of {self.n_rows} frames{infinite}"


@dataclass(frozen=True)
class Axis:
    """The vertical scale that all drawings of one metric on a page share.

    Attributes:
        low, high: values at the lower and the upper edge.
        ticks: values that are written beside it.
    """

    low: float
    high: float
    ticks: tuple[float, ...]

    def place(self, values: Floats) -> list[int]:
        """Return the distances of finite values from the upper edge, in path units."""
        placed: list[int] = np.rint(UNITS * (self.high - values) / (self.high - self.low)).astype(np.int64).tolist()
        return placed

    def label(self, tick: float) -> str:
        """Return a tick with as many decimals as the ticks need."""
        step = self.ticks[1] - self.ticks[0]
        return decimals(tick, max(0, -floor(log10(step) + 1e-9)))


@dataclass(frozen=True)
class Panel:
    """One drawing: a metric of a stimulus.

    Attributes:
        column: the metric.
        trace: the numbers.
        axis: the vertical scale.
        line, band: SVG path data; x in steps, y in `UNITS`; the band is empty where a step is one frame.
        steps: number of steps, at least 1.
        chance: y of the value of a prediction that knows nothing, None if it is not a number within the scale.
        text: what the drawing shows, in words.
    """

    column: Column
    trace: Trace
    axis: Axis
    line: str
    band: str
    steps: int
    chance: int | None
    text: str

    @property
    def ticks(self) -> list[tuple[str, int]]:
        """Text and y of each tick, in path units."""
        return list(zip(map(self.axis.label, self.axis.ticks), self.axis.place(np.array(self.axis.ticks)), strict=True))


def steps_for(n_videos: int) -> int:
    """Return how many steps each of a page's videos may have."""
    return max(COARSEST, min(FINEST, STEPS_A_PAGE // max(1, n_videos)))


def trace(frame: npt.NDArray[Any], values: npt.NDArray[Any], most: int) -> Trace:
    """Cut a metric's values into steps.

    Args:
        frame: annotated frames, 0-based, ascending, int (n,), n at least 1.
        values: the metric at each of them, float64 (n,); only finite ones are drawn.
        most: largest number of steps.
    """
    frame = np.asarray(frame, np.int64)
    values = np.asarray(values, np.float64)
    first, last = int(frame[0]), int(frame[-1])
    width = ceil((last - first + 1) / most)
    steps = (last - first) // width + 1
    defined = np.isfinite(values)
    at, v = (frame[defined] - first) // width, values[defined]
    total, n = np.bincount(at, v, steps), np.bincount(at, minlength=steps)
    low, high = np.full(steps, np.inf), np.full(steps, -np.inf)
    np.minimum.at(low, at, v)
    np.maximum.at(high, at, v)
    empty = n == 0
    low[empty] = high[empty] = np.nan
    mean = np.where(empty, np.nan, total / np.maximum(n, 1))
    where = frame[defined]
    return Trace(
        first,
        last,
        width,
        mean,
        low,
        high,
        len(v),
        len(values),
        int(np.isinf(values).sum()),
        (float(v.min()), int(where[v.argmin()])) if len(v) else None,
        (float(v.max()), int(where[v.argmax()])) if len(v) else None,
        float(v.mean()) if len(v) else float("nan"),
    )


def axis(values: npt.NDArray[Any], within: tuple[float, float], parts: int = 4) -> Axis:
    """Return a scale with round ends that holds all finite values.

    Args:
        values: of all drawings that share the scale.
        within: range of the metric; the scale does not leave it.
        parts: about how many steps from end to end.

    >>> axis(np.array([0.62, 0.91]), (0.0, 1.0))
    Axis(low=0.6, high=1.0, ticks=(0.6, 0.7, 0.8, 0.9, 1.0))
    """
    finite = np.asarray(values, np.float64)
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if not (isfinite(low) and isfinite(high)):
        finite = finite[np.isfinite(finite)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if high - low < 1e-6 * max(1.0, abs(high)):
        low, high = low - 0.05, high + 0.05
    step = _round_step((high - low) / parts)
    bottom, top = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    edges: list[float] = np.round(np.arange(bottom, top + 1) * step, 12).tolist()
    ticks = tuple(e for e in edges if within[0] <= e <= within[1])
    ticks = ticks if len(ticks) > 1 else tuple(edges)
    return Axis(ticks[0], ticks[-1], ticks)


def _round_step(about: float) -> float:
    """Return the nearest of 1, 2, 5 times a power of ten at or above a length."""
    power = 10.0 ** floor(log10(about))
    return next(k * power for k in (1, 2, 5, 10) if k * power >= about * (1 - 1e-9))


def panel(column: Column, made: Trace, scale: Axis) -> Panel:
    """Draw a metric of one stimulus."""
    chance = column.metric.chance
    inside = isinstance(chance, float | int) and scale.low <= chance <= scale.high
    return Panel(
        column,
        made,
        scale,
        _line(made.mean, scale),
        _band(made.low, made.high, scale) if made.width > 1 else "",
        len(made.mean),
        scale.place(np.array([chance]))[0] if inside else None,
        _in_words(column, made),
    )


def _runs(values: Floats) -> list[slice]:
    """Return the stretches without a gap."""
    defined = np.isfinite(values)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], defined, [False]]).astype(np.int8)))
    return [slice(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _line(values: Floats, scale: Axis) -> str:
    """Return a path through the values, broken at gaps; a step's middle lies half a unit from its edge."""
    parts = []
    for stretch in _runs(values):
        y = scale.place(values[stretch])
        parts.append(f"M{stretch.start + 0.5} {y[0]}" + (_steps(1, y) or "h0"))
    return "".join(parts)


def _band(low: Floats, high: Floats, scale: Axis) -> str:
    """Return a closed path along the highest values and back along the lowest, one for each stretch."""
    parts = []
    for stretch in _runs(low):
        upper = scale.place(high[stretch])
        lower = scale.place(low[stretch])[::-1]
        start = f"M{stretch.start + 0.5} {upper[0]}"
        parts.append(f"{start}{_steps(1, upper)}v{lower[0] - upper[-1]}{_steps(-1, lower)}z")
    return "".join(parts)


def _steps(x: int, y: list[int]) -> str:
    """Return path data that goes from each y to the next one, one step of x at a time."""
    moves = " ".join(f"{x} {b - a}" for a, b in pairwise(y))
    return f"l{moves}".replace(" -", "-") if moves else ""


def _in_words(column: Column, made: Trace) -> str:
    if made.lowest is None or made.highest is None:
        return f"{column.label}: no frame gives it a finite value."
    text = f"{column.label}: {spread(made.lowest[0], made.average, made.highest[0])}"
    gaps = "" if made.n == made.n_rows else f", in {made.covered}"
    return f"{text}{gaps}."


@dataclass(frozen=True)
class Video:
    """All drawings of one stimulus of a run."""

    stimulus_id: str
    first: int
    last: int
    width: int
    panels: tuple[Panel, ...]


def videos(rows: Mapping[str, tuple[Frames, Values]], among: tuple[Column, ...]) -> tuple[Video, ...]:
    """Draw every metric of every stimulus that has more than one frame.

    Args:
        rows: of each stimulus its frames, 0-based, int (n,), ascending, and their values, float (n, metrics).
        among: the metrics.
    """
    if not rows:
        return ()
    moving = {name: found for name, found in rows.items() if len(found[0]) > 1}
    most = steps_for(len(moving))
    together = np.concatenate([values for _, values in rows.values()])
    scales = [axis(together[:, k], c.metric.range) for k, c in enumerate(among)]
    made = []
    for name, (at, values) in moving.items():
        panels = tuple(panel(c, trace(at, values[:, k], most), scales[k]) for k, c in enumerate(among))
        made.append(Video(name, int(at[0]), int(at[-1]), panels[0].trace.width, panels))
    return tuple(made)

"""Quality against speed on one machine: from numbers to coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

import numpy as np

from ..boards import Column
from ..format import decimals
from .timeline import axis

WIDTH, HEIGHT = 760, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 150, 12, 258
LINE = 14
"""Least distance between two names, one below the other."""


@dataclass(frozen=True)
class Fast:
    """A model with its speed in frames a second, and its mean."""

    name: str
    speed: float
    mean: float


@dataclass(frozen=True)
class Point:
    """A model in the units of the drawing; `said` is what its mark says, `label` the y of its name; `best`: no faster
    model is better."""

    name: str
    said: str
    x: float
    y: float
    label: float
    best: bool


@dataclass(frozen=True)
class Speed:
    """The drawing; `text` says what it shows."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    across: tuple[tuple[str, float], ...]
    up: tuple[tuple[str, float], ...]
    points: tuple[Point, ...]
    edge: str
    text: str
    caption: str


def speed_plot(column: Column, models: Sequence[Fast], hardware: str) -> Speed | None:
    """Draw models by speed, on a logarithmic scale, and by one metric.

    Args:
        column: the metric.
        models: all on one machine, speeds above 0.
        hardware: the machine.

    Returns:
        None for fewer than two models: one point compares with nothing.
    """
    if len(models) < 2:
        return None
    scale = axis(np.array([m.mean for m in models]), column.metric.range, 4)
    across = _powers([m.speed for m in models])
    ends = log10(across[0]), log10(across[-1])

    def x(speed: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (log10(speed) - ends[0]) / (ends[1] - ends[0]), 1)

    def y(mean: float) -> float:
        share = (mean - scale.low) / (scale.high - scale.low)
        return round(TOP + (BOTTOM - TOP) * (1 - share), 1)

    best = frontier(models, column.metric.higher_is_better)
    order = sorted(models, key=lambda m: (y(m.mean), m.name))
    labels = _apart([y(m.mean) for m in order])
    points = tuple(
        Point(m.name, _said(m), x(m.speed), y(m.mean), at, m in best) for m, at in zip(order, labels, strict=True)
    )
    edge = "".join(f"{'L' if k else 'M'}{x(m.speed)} {y(m.mean)}" for k, m in enumerate(best))
    said = "; ".join(map(_said, models[:12]))
    caption = f"{column.label} against frames a second on {hardware}. Filled: no faster model is as good"
    return Speed(
        WIDTH, HEIGHT, LEFT, WIDTH - RIGHT, TOP, BOTTOM,
        tuple((f"{v:g}", x(v)) for v in across), tuple((scale.label(t), y(t)) for t in scale.ticks),
        points, edge, f"{column.label} and speed on {hardware}: {said}.", caption,
    )  # fmt: skip


def _said(model: Fast) -> str:
    return f"{model.name} {decimals(model.mean)} at {model.speed:.4g} frames a second"


def frontier(models: Sequence[Fast], higher_is_better: bool) -> list[Fast]:
    """Return the models that no faster one equals or beats, the fastest first.

    >>> [m.name for m in frontier([Fast("a", 10, 1.0), Fast("b", 5, 2.0), Fast("c", 4, 1.5)], True)]
    ['a', 'b']
    """
    sign = 1 if higher_is_better else -1
    found: list[Fast] = []
    for model in sorted(models, key=lambda m: (-m.speed, -sign * m.mean, m.name)):
        if not found or sign * model.mean > sign * found[-1].mean:
            found.append(model)
    return found


def _powers(speeds: Sequence[float]) -> list[float]:
    """Return the powers of ten from below the slowest to above the fastest, at least two."""
    low, high = floor(log10(min(speeds)) + 1e-9), ceil(log10(max(speeds)) - 1e-9)
    return [10.0**k for k in range(low, max(high, low + 1) + 1)]


def _apart(places: Sequence[float]) -> list[float]:
    """Return ascending places moved down until no two are closer than a line, then up where they left the plot."""
    out: list[float] = []
    for place in places:
        out.append(max(place, out[-1] + LINE) if out else place)
    limit = float(BOTTOM)
    for k in range(len(out) - 1, -1, -1):
        out[k] = min(out[k], limit)
        limit = out[k] - LINE
    return out

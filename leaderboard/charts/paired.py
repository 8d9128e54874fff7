"""The differences of two models, a bar a stimulus, sorted: from numbers to coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .timeline import axis

WIDTH, HEIGHT, LEFT = 760, 220, 60
MARGIN = 10
"""Above, below and to the right of the scale."""


@dataclass(frozen=True)
class Paired:
    """The drawing: two areas, above and below zero, and the scale beside them; its lower and upper edge would be the
    values `low` and `high`."""

    width: int
    height: int
    left: int
    zero: float
    low: float
    high: float
    above: str
    below: str
    ticks: tuple[tuple[str, float], ...]


def paired(differences: npt.NDArray[np.float64]) -> Paired:
    """Draw finite differences, ascending, one step each; n at least 1."""
    scale = axis(np.append(differences, 0.0), (-np.inf, np.inf), 4)
    step = (WIDTH - LEFT - MARGIN) / len(differences)

    def place(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return MARGIN + (HEIGHT - 2 * MARGIN) * (scale.high - values) / (scale.high - scale.low)

    zero = round(float(place(np.zeros(1))[0]), 1)
    corners = np.column_stack([place(differences), LEFT + step * np.arange(1, len(differences) + 1)])

    def area(first: int, last: int) -> str:
        """Stairs from `first` to before `last`, closed along zero."""
        if first >= last:
            return ""
        stairs = "V%.1fH%.1f" * (last - first) % tuple(corners[first:last].ravel().tolist())
        return f"M{LEFT + first * step:.1f} {zero}{stairs}V{zero}z"

    split = int((differences < 0).sum())
    areas = area(split, len(differences)), area(0, split)
    heights = place(np.array(scale.ticks)).tolist()
    margin = MARGIN * (scale.high - scale.low) / (HEIGHT - 2 * MARGIN)
    edges = scale.low - margin, scale.high + margin
    ticks = tuple((scale.label(t), round(y, 1)) for t, y in zip(scale.ticks, heights, strict=True))
    return Paired(WIDTH, HEIGHT, LEFT, zero, *edges, *areas, ticks)

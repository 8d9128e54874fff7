"""The differences of two models, a bar a stimulus, sorted: from numbers to coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .timeline import axis

WIDTH, HEIGHT, LEFT = 760, 220, 60


@dataclass(frozen=True)
class Paired:
    """The drawing: two areas, above and below zero, and the scale beside them from `low` to `high`."""

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
    step = (WIDTH - LEFT - 10) / len(differences)

    def place(value: float) -> float:
        return round(10 + (HEIGHT - 20) * (scale.high - value) / (scale.high - scale.low), 1)

    zero = place(0.0)

    def area(first: int, last: int) -> str:
        """Stairs from `first` to before `last`, closed along zero."""
        if first >= last:
            return ""
        path = f"M{round(LEFT + first * step, 1)} {zero}"
        for k in range(first, last):
            path += f"V{place(float(differences[k]))}H{round(LEFT + (k + 1) * step, 1)}"
        return f"{path}V{zero}z"

    split = int((differences < 0).sum())
    areas = area(split, len(differences)), area(0, split)
    ticks = tuple((scale.label(t), place(t)) for t in scale.ticks)
    return Paired(WIDTH, HEIGHT, LEFT, zero, scale.low, scale.high, *areas, ticks)

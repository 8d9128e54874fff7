"""From positions as a table has them to pixels of the stimulus."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..records import Float64Array
from .column_map import ScreenTable, UnitsTable


@dataclass(frozen=True)
class Placed:
    """Positions in pixels, float64, (n,); those of the screen are None where the source is not on a screen."""

    x_px: Float64Array
    y_px: Float64Array
    x_screen_px: Float64Array | None = None
    y_screen_px: Float64Array | None = None


def place(x: Float64Array, y: Float64Array, units: UnitsTable, screen: ScreenTable, size: tuple[int, int]) -> Placed:
    """Bring positions to pixels of a stimulus of (width, height), origin top left.

    >>> units = UnitsTable(position="normalized", origin="bottom-left")
    >>> at = place(np.array([0.25]), np.array([0.25]), units, ScreenTable(), (400, 200))
    >>> at.x_px.tolist(), at.y_px.tolist()
    ([100.0], [150.0])
    """
    if units.position == "degrees":
        return _of_degrees(x, y, units, screen, size)
    on_screen = units.position.startswith("screen")
    whole = (screen.width_px or 0, screen.height_px or 0) if on_screen else size
    if units.position.endswith("normalized"):
        x, y = (v * side for v, side in zip(from_top_left(x, y, units, (1.0, 1.0)), whole, strict=True))
    else:
        x, y = from_top_left(x, y, units, whole)
    return _from_screen(x, y, screen, size) if on_screen else Placed(x, y)


def from_top_left(
    x: Float64Array, y: Float64Array, units: UnitsTable, size: tuple[float, float]
) -> tuple[Float64Array, Float64Array]:
    """Move the origin to the top left corner, y downwards."""
    up = units.y == "up" or (units.y is None and units.origin == "bottom-left")
    start = {"bottom-left": (0.0, size[1]), "center": (size[0] / 2, size[1] / 2)}.get(units.origin or "", (0.0, 0.0))
    return start[0] + x, start[1] - y if up else start[1] + y


def scale_of(screen: ScreenTable, size: tuple[int, int]) -> tuple[float, float]:
    """Return screen pixels in one pixel of the stimulus, across and down; 1 where there is no screen."""
    if screen.width_px is None or screen.height_px is None or screen.show == "center":
        return 1.0, 1.0
    across, down = screen.width_px / size[0], screen.height_px / size[1]
    return (across, down) if screen.show == "stretch" else (min(across, down),) * 2


def px_per_degree(screen: ScreenTable, size: tuple[int, int]) -> float | None:
    """Return pixels of the stimulus in a degree, averaged over the width of the screen; None where nothing tells it."""
    if screen.px_per_degree is not None:
        return screen.px_per_degree
    if screen.width_px is None or screen.width_mm is None or screen.distance_mm is None:
        return None
    degrees = 2 * math.degrees(math.atan(screen.width_mm / 2 / screen.distance_mm))
    return screen.width_px / degrees / scale_of(screen, size)[0]


def _from_screen(x: Float64Array, y: Float64Array, screen: ScreenTable, size: tuple[int, int]) -> Placed:
    across, down = scale_of(screen, size)
    left = ((screen.width_px or 0) - size[0] * across) / 2
    top = ((screen.height_px or 0) - size[1] * down) / 2
    return Placed((x - left) / across, (y - top) / down, x, y)


def _of_degrees(
    x: Float64Array, y: Float64Array, units: UnitsTable, screen: ScreenTable, size: tuple[int, int]
) -> Placed:
    """By the geometry of the screen where it is known, else by `px_per_degree`; from the middle of the stimulus."""
    up = -1.0 if units.y == "up" else 1.0
    if screen.px_per_degree is None:
        per_mm = (screen.width_px or 0) / (screen.width_mm or 1)
        mm_x, mm_y = (np.tan(np.radians(v)) * (screen.distance_mm or 0) for v in (x, y))
        on_screen = (screen.width_px or 0) / 2 + mm_x * per_mm, (screen.height_px or 0) / 2 + up * mm_y * per_mm
        return _from_screen(*on_screen, screen, size)
    per_degree = screen.px_per_degree
    return Placed(size[0] / 2 + x * per_degree, size[1] / 2 + up * y * per_degree)

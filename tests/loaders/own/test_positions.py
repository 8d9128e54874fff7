from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from vidsal.loaders.own.column_map import ScreenTable, UnitsTable
from vidsal.loaders.own.positions import place, px_per_degree

SIZE = (640, 360)
WIDE = {"width_px": 1440, "height_px": 900}


@pytest.mark.parametrize(
    ("units", "screen", "at", "expected"),
    [
        ({}, {}, (10, 20), (10, 20)),
        ({"origin": "bottom-left"}, {}, (10, 20), (10, 340)),
        ({"origin": "center"}, {}, (10, 20), (330, 200)),
        ({"origin": "center", "y": "up"}, {}, (10, 20), (330, 160)),
        ({"position": "normalized"}, {}, (0.5, 0.25), (320, 90)),
        ({"position": "normalized", "origin": "bottom-left"}, {}, (0.5, 0.25), (320, 270)),
        # a video of 640 x 360 fills the width of 1440 x 900: 2.25 screen pixels each, bars of 45
        ({"position": "screen_px"}, WIDE, (720, 450), (320, 180)),
        ({"position": "screen_px"}, WIDE, (0, 45), (0, 0)),
        ({"position": "screen_normalized"}, WIDE, (1, 0.95), (640, 360)),
        ({"position": "screen_px"}, {**WIDE, "show": "center"}, (400, 270), (0, 0)),
        ({"position": "screen_px"}, {**WIDE, "show": "stretch"}, (1440, 900), (640, 360)),
        ({"position": "screen_px", "origin": "center"}, WIDE, (225, 0), (420, 180)),
        ({"position": "degrees"}, {"px_per_degree": 20}, (1, -2), (340, 140)),
        ({"position": "degrees", "y": "up"}, {"px_per_degree": 20}, (1, -2), (340, 220)),
    ],
)
def test_positions_by_hand(units: dict[str, Any], screen: dict[str, Any], at: Any, expected: Any) -> None:
    placed = place(np.array([at[0]], float), np.array([at[1]], float), UnitsTable(**units), ScreenTable(**screen), SIZE)
    assert (placed.x_px[0], placed.y_px[0]) == pytest.approx(expected)


def test_degrees_by_the_geometry_of_the_screen() -> None:
    screen = ScreenTable(**WIDE, width_mm=400, height_mm=250, distance_mm=600)
    placed = place(np.array([10.0]), np.array([0.0]), UnitsTable(position="degrees"), screen, SIZE)
    assert placed.x_px[0] == pytest.approx(320 + math.tan(math.radians(10)) * 600 * 1440 / 400 / 2.25)
    assert px_per_degree(screen, SIZE) == pytest.approx(640 / (2 * math.degrees(math.atan(200 / 600))))

"""How a stored picture is shown: quarter turns and mirrors, from the display matrix of a video."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..records import UInt8Image


@dataclass(frozen=True)
class Turn:
    """A quarter turn, a mirror, or both: axes are swapped first, then reversed.

    Attributes:
        swap: rows become columns.
        left_right, up_down: the result is reversed.
        remark: what is done, or why nothing is; empty for an upright picture.
    """

    swap: bool = False
    left_right: bool = False
    up_down: bool = False
    remark: str = ""

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Return width and height of the upright picture."""
        return (height, width) if self.swap else (width, height)

    def apply(self, rgb: UInt8Image) -> UInt8Image:
        """Return the upright picture, uint8, shape (height, width, 3)."""
        if not (self.swap or self.left_right or self.up_down):
            return rgb
        shown = rgb.swapaxes(0, 1) if self.swap else rgb
        return np.ascontiguousarray(shown[:: -1 if self.up_down else 1, :: -1 if self.left_right else 1])


UPRIGHT = Turn()


def turn_of(picture: Any) -> Turn:
    """Return how a decoded picture of PyAV is turned.

    PyAV's `rotation` is an angle, which a mirrored picture does not have; the matrix tells both.
    """
    side = picture.side_data.get("DISPLAYMATRIX")
    if side is None:
        return UPRIGHT
    a, b, _, c, d = (int(n) for n in np.frombuffer(bytes(side), "<i4")[:5])
    straight, across = abs(a) + abs(d), abs(b) + abs(c)
    if min(straight, across) > 0.01 * max(straight, across):
        return Turn(remark="its display matrix turns the pictures, but by no quarter turn; read as stored")
    swap = across > straight
    x, y = (c, b) if swap else (a, d)  # what becomes x, and y, of the shown picture
    if not swap and x >= 0 and y >= 0:
        return UPRIGHT
    return Turn(swap, x < 0, y < 0, "turned upright, as its display matrix says")

"""Lines around where observers looked, so that the truth lies over a prediction without hiding it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vidsal.loaders.records import Mask, UInt8Image

SHARES = (0.5, 0.9)
"""How much of the observers' density lies within each line."""
LINE, EDGE = (255, 255, 255), (0, 0, 0)


def outline(density: npt.NDArray[np.floating], shares: Sequence[float] = SHARES) -> Mask:
    """Return the pixels of the lines around the smallest places that hold these shares of a density.

    Args:
        density: (h, w), not negative.
        shares: of 0 to 1.

    >>> outline(np.array([[0, 0, 0, 0], [0, 4, 4, 0], [0, 0, 0, 0]]), [0.9]).astype(int).tolist()
    [[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    """
    found = np.zeros(density.shape, np.bool_)
    total = density.sum(dtype=np.float64)
    if not total > 0:
        return found
    falling = np.sort(density, axis=None)[::-1]
    reached = np.cumsum(falling, dtype=np.float64) / total
    for share in shares:
        inside = density >= falling[min(int(np.searchsorted(reached, share)), len(falling) - 1)]
        found |= inside & ~_shrunk(inside)
    return found


def draw_outline(rgb: UInt8Image, lines: Mask) -> UInt8Image:
    """Return a picture (h, w, 3) with these pixels white, and dark ones beside them."""
    drawn = rgb.copy()
    drawn[~_shrunk(~lines)] = EDGE
    drawn[lines] = LINE
    return drawn


def _shrunk(mask: Mask) -> Mask:
    """The pixels whose four neighbors are in a mask, too; beyond the border everything is."""
    padded = np.pad(mask, 1, constant_values=True)
    return mask & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]

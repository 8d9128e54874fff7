"""One upright gray channel of pictures that hold it in another coat: a palette, equal channels, an opaque alpha."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from vidsal.loaders.errors import BadData

from ...metrics.maps import Map

ROUNDING = 8
"""How far the channels of a gray picture may differ after lossy compression, of 255."""


_ORIENTATION = 0x0112


def check_upright(exif: Mapping[int, Any], where: str) -> None:
    """Refuse a picture that viewers show turned or mirrored.

    Raises:
        BadData: its EXIF says so.
    """
    orientation = exif.get(_ORIENTATION, 1)
    if orientation in range(2, 9):
        raise BadData(f"{where}: its EXIF orientation {orientation} turns the map; store it upright, without it")


def gray_of(channels: npt.NDArray[Any], where: str, *, alpha: bool = False, tolerance: int = 0) -> Map:
    """Return the gray map of a picture.

    Args:
        channels: shape (h, w, 1 to 4).
        where: named in errors.
        alpha: whether the last channel is an alpha, which must be opaque everywhere.
        tolerance: how far channels may differ; what was lossy gives their mean.

    Raises:
        BadData: the picture has colors, or is transparent somewhere.
    """
    if alpha:
        opaque, channels = channels[..., -1], channels[..., :-1]
        if (opaque != np.iinfo(opaque.dtype).max).any():
            raise BadData(f"{where}: the picture is transparent somewhere; a map is one opaque gray channel")
    first: Map = channels[..., 0]
    if channels.shape[2] == 1 or all((channels[..., i] == first).all() for i in range(1, channels.shape[2])):
        return np.array(first)
    low, high = channels.min(axis=2), channels.max(axis=2)
    if int((high - low).max()) > tolerance:
        raise BadData(f"{where}: the picture has colors, a rendering of the map; store the map itself in gray")
    return np.ascontiguousarray(channels.astype(np.float32).mean(axis=2))

"""Many cells in one picture, row by row: written as gray PNG or as JPEG, and checked before a page shows it."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt

from vidsal.loaders.errors import BadData

from .cells import LEVELS, Cell, in_levels

COLUMNS = 8
"""Cells in a row of a sprite."""

_JPEG_QUALITY = 70
_CELL_BYTES, _FEW_BYTES = 600, 6_000
_SMALLER = ((2 / 3, LEVELS), (2 / 3, LEVELS // 2), (1 / 2, LEVELS // 2))
"""Of the size of a cell, and gray levels: a page enlarges smoothly, and few levels would be seen as steps."""


def rows_of(n: int) -> int:
    """Return how many rows a sprite of n cells has."""
    return -(-n // COLUMNS)


def gray_png(cells: Sequence[Cell]) -> tuple[bytes, tuple[int, int]]:
    """Join cells of one size to an 8-bit gray PNG, whose last row is filled with 0; return it, and the width and height
    of its cells.

    Ragged maps, which would need more than 600 bytes a cell, are given smaller, and then in 16 gray levels; those of
    few cells (an image has one) only above 6 kB.
    """
    size, most = cells[0].shape[::-1], max(_FEW_BYTES, _CELL_BYTES * len(cells))
    content, now = _encoded(_joined(cells), "PNG"), size
    for share, levels in _SMALLER:
        if len(content) <= most:
            break
        now = tuple(max(1, round(share * side)) for side in size)
        content = _encoded(_joined([_reduced(cell, now, levels) for cell in cells]), "PNG")
    return content, now


def _reduced(cell: Cell, size: tuple[int, int], levels: int) -> Cell:
    from PIL import Image

    small = Image.fromarray(cell.astype(np.float32)).resize(size, Image.Resampling.BOX)
    return in_levels(np.asarray(small) / 255, levels)


def color_jpeg(cells: Sequence[npt.NDArray[np.uint8]]) -> bytes:
    """Join cells (h, w, 3) of one size to a JPEG."""
    return _encoded(_joined(cells), "JPEG", quality=_JPEG_QUALITY, optimize=True)


def _joined(cells: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.uint8]:
    height, width, *channels = cells[0].shape
    rows = rows_of(len(cells))
    sheet = np.zeros((rows, COLUMNS, height, width, *channels), np.uint8)
    sheet.reshape(-1, height, width, *channels)[: len(cells)] = np.stack(cells)
    swapped = sheet.swapaxes(1, 2)
    return np.ascontiguousarray(swapped.reshape(rows * height, COLUMNS * width, *channels))


def _encoded(pixels: npt.NDArray[np.uint8], form: str, **options: Any) -> bytes:
    from PIL import Image

    file = BytesIO()
    Image.fromarray(pixels).save(file, form, **options)
    return file.getvalue()


def check_sprite(content: bytes, form: str, n: int, size: tuple[int, int], *, thorough: bool) -> None:
    """Refuse what is no sprite of n cells.

    Args:
        content: the file.
        form: `PNG` or `JPEG`.
        n: number of cells.
        size: width and height of a cell.
        thorough: decode every pixel; else only the header is read.

    Raises:
        BadData: what is wrong, without the name of the file.
    """
    from PIL import Image

    expected = COLUMNS * size[0], rows_of(n) * size[1]
    try:
        with Image.open(BytesIO(content), formats=[form]) as image:
            if image.size != expected:
                raise BadData(f"a picture of {image.size[0]} x {image.size[1]}, not {expected[0]} x {expected[1]}")
            if image.mode != {"PNG": "L", "JPEG": "RGB"}[form]:
                raise BadData(f"a picture of mode {image.mode}")
            if thorough:
                image.load()
    except (OSError, SyntaxError, ValueError, zlib.error, Image.DecompressionBombError) as error:
        if isinstance(error, BadData):
            raise
        raise BadData(f"no {form} that can be read ({error})") from error

"""One image file as 8-bit RGB, upright, whatever its encoding: the pixels that a viewer shows."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..errors import BadData
from ..records import UInt8Image

_ORIENTATION = 0x0112
_BITS_PER_SAMPLE = 258
_DEEP_GRAY = ("I", "F")
"""Pillow's modes of grey beyond 8 bits begin so: `I;16`, `I;16B`, `I`, `F`. Its own conversion of them clips at 255."""


def read_rgb(path: Path) -> tuple[UInt8Image, tuple[str, ...]]:
    """Read an image.

    16-bit grey keeps its high byte, as 16-bit colour does; floating point is taken as 0 to 1 or 0 to 255; palettes,
    1-bit, CMYK and alpha become RGB as Pillow has it (alpha is dropped); an EXIF orientation is applied. Of several
    pictures the first is read, see `count_pictures`.

    Returns:
        uint8, shape (height, width, 3); and what was done beyond unpacking, a phrase each.

    Raises:
        BadData: not an image, damaged, too large, or its grey values fit no known range.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            orientation = _tiff_orientation(image)
            if orientation != 1:
                image = Image.open(_with_upright_tag(path))  # Pillow turns a TIFF by itself, and some of them wrongly
            image.load()
            orientation = image.getexif().get(_ORIENTATION, 1) if orientation == 1 else orientation
            rgb, phrases = _deep_gray(image, path) if image.mode.startswith(_DEEP_GRAY) else (_eight_bit(image), ())
    except Image.DecompressionBombError as error:  # Pillow's own limit, which it draws at the header
        raise BadData(f"{path}: more pixels than are read; {error}") from error
    except (UnidentifiedImageError, SyntaxError, ValueError, EOFError, OSError) as error:
        if isinstance(error, BadData) or (isinstance(error, OSError) and error.errno is not None):
            raise
        raise BadData(f"{path}: not a readable image ({error}); fetch the file again") from error
    if orientation not in _UPRIGHT:
        return rgb, phrases
    turned = np.ascontiguousarray(_UPRIGHT[orientation](rgb))
    return turned, (*phrases, f"turned upright, as its EXIF orientation {orientation} says")


def count_pictures(path: Path) -> int:
    """Return how many pictures a readable image file holds: an animation, pages; not a camera's preview beside one."""
    from PIL import Image

    with Image.open(path) as image:
        return 1 if image.format == "MPO" else int(getattr(image, "n_frames", 1))


_UPRIGHT: dict[int, Any] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: np.rot90(pixels),
}
"""How the stored picture becomes the shown one, by EXIF orientation; 1 is upright."""


def _tiff_orientation(image: Any) -> int:
    """The orientation of a TIFF, before Pillow applies it; 1 for other formats."""
    tag = int(getattr(image, "tag_v2", {}).get(_ORIENTATION, 1))
    return tag if tag in _UPRIGHT else 1


def _with_upright_tag(path: Path) -> io.BytesIO:
    """The bytes of a TIFF with its orientation set to upright."""
    data = bytearray(path.read_bytes())
    order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
    at = int.from_bytes(data[4:8], order)
    for entry in range(at + 2, at + 2 + 12 * int.from_bytes(data[at : at + 2], order), 12):
        if int.from_bytes(data[entry : entry + 2], order) == _ORIENTATION:
            data[entry + 8 : entry + 10] = (1).to_bytes(2, order)
    return io.BytesIO(data)


def _eight_bit(image: Any) -> UInt8Image:
    return np.asarray(image.convert("RGB"))


def _deep_gray(image: Any, path: Path) -> tuple[UInt8Image, tuple[str, ...]]:
    values = np.asarray(image)
    tags = getattr(image, "tag_v2", {})
    if values.dtype.kind == "f":
        gray, phrase = _of_float(values, path)
    elif image.mode.startswith("I;16") or image.format == "PNG":
        stored = tags.get(_BITS_PER_SAMPLE, (16,))
        bits = int(stored[0] if isinstance(stored, tuple) else stored)
        bits = bits if 8 < bits <= 16 else 16
        gray, phrase = (values >> (bits - 8)).astype(np.uint8), f"{bits}-bit grey, scaled to 8 bits"
    else:
        gray, phrase = _of_integers(values, path)
    return np.repeat(gray[..., None], 3, axis=2), (phrase,)


def _of_float(values: np.ndarray[Any, Any], path: Path) -> tuple[UInt8Image, str]:
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 255):
        raise BadData(
            f"{path}: floating-point grey from {low:g} to {high:g}; 0 to 1 or 0 to 255 is read. Save it as 8 or 16 bits"
        )
    if high <= 1:
        return np.rint(values * 255).astype(np.uint8), "floating-point grey of 0 to 1, scaled to 8 bits"
    return np.rint(values).astype(np.uint8), "floating-point grey of 0 to 255, rounded to 8 bits"


def _of_integers(values: np.ndarray[Any, Any], path: Path) -> tuple[UInt8Image, str]:
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        raise BadData(f"{path}: 32-bit grey from {low} to {high}; at most 65535 is read. Save it as 8 or 16 bits")
    if high > 255:
        return (values >> 8).astype(np.uint8), "32-bit grey that holds 16 bits, scaled to 8 bits"
    return values.astype(np.uint8), "32-bit grey that holds 8 bits"

"""Maps in picture files: PNG, JPEG, TIFF, BMP; a map is the same map in each, but JPEG has lost some of it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from io import BytesIO
from typing import Literal

import numpy as np
from PIL import Image

from vidsal.loaders.errors import BadData

from ...metrics.maps import Map
from . import png
from .gray import ROUNDING, check_upright, gray_of

FORMATS: dict[str, Literal["PNG", "JPEG", "TIFF", "BMP"]] = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
}
"""Format by suffix; Pillow is given its name, so that the content of a file cannot choose another decoder."""

_NUMBERS = {"1": "8", "L": "8", "P": "8", "RGB": "8", "RGBA": "8", "LA": "8", "F": "float32", "I": "int32"}


@dataclass(frozen=True)
class Looks:
    """What the header of a picture shows: width, height, type of the numbers, what was lost."""

    width: int
    height: int
    numbers: str
    lossy: str | None = None


def is_picture(name: str) -> bool:
    """Whether a file of this name is read as a picture."""
    return _suffix(name) in FORMATS


def look(data: bytes, name: str) -> Looks:
    """Read the header of a picture from the whole file, or of a PNG from its first `png.HEADER_BYTES`.

    Raises:
        BadData: it is no such file.
    """
    if _suffix(name) == ".png":
        header = png.read_header(data, name)
        return Looks(header.width, header.height, f"png{max(header.bits, 8)}")
    with _open(data, name) as image:
        kind = FORMATS[_suffix(name)]
        number = "16" if image.mode.startswith("I;16") else _NUMBERS.get(image.mode)
        if number is None:
            raise BadData(f"{name}: a {kind} file of mode {image.mode}; a map is one gray channel")
        if getattr(image, "n_frames", 1) != 1:
            raise BadData(f"{name}: holds {image.n_frames} pictures; a file is one map")  # type: ignore[attr-defined]
        lossy = kind == "JPEG" or str(image.info.get("compression", "")).endswith("jpeg")
        return Looks(*image.size, f"{kind.lower()}{number}", _lost(kind) if lossy else None)


def decode(data: bytes, name: str) -> Map:
    """Decode a picture whose size was seen by `look` and limited.

    Returns:
        uint8, uint16, int32 as float64, or float32, shape (h, w).

    Raises:
        BadData: it is damaged, transparent somewhere, or has colors.
    """
    if _suffix(name) == ".png":
        return png.decode(data, name)
    lossy = look(data, name).lossy
    with _open(data, name) as image:
        try:
            image.load()
            exif = image.getexif()
            gray = image.mode in ("L", "F", "I") or image.mode.startswith("I;16")
            coat = {"1": "L", "P": "RGBA" if "transparency" in image.info else "RGB"}.get(image.mode)
            pixels = np.array(image.convert(coat) if coat else image)
        except (OSError, ValueError, SyntaxError, IndexError, EOFError) as error:
            raise BadData(f"{name}: cannot be decoded ({error}); write the file again") from error
    check_upright(exif, name)
    if gray:
        pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
        return pixels.astype(np.float64) if pixels.dtype.kind == "i" else pixels
    channels = pixels.reshape(*pixels.shape[:2], -1)
    return gray_of(channels, name, alpha=channels.shape[2] in (2, 4), tolerance=ROUNDING if lossy else 0)


def _open(data: bytes, name: str) -> Image.Image:
    try:
        return Image.open(BytesIO(data), formats=[FORMATS[_suffix(name)]])
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadData(f"{name}: not a {FORMATS[_suffix(name)]} file, or damaged") from error


def _lost(kind: str) -> str:
    return kind if kind == "JPEG" else f"{kind} with JPEG compression"


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()

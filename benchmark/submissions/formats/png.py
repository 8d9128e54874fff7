"""Reading grey PNG files of 8 and 16 bits, about twice as fast as the usual libraries.

ISA-L inflates, and a compiled loop undoes the filters: four rows that use the costly Paeth filter are undone together,
each one pixel behind the row above it, so that the processor need not wait for one pixel before it begins another.
Interlaced files, and machines where numba does not work, are left to Pillow. All of it runs without the interpreter's
lock, so several threads read at once.

Source: the PNG specification, ISO/IEC 15948.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from isal import isal_zlib

from vidsal.loaders.errors import BadData

Map = npt.NDArray[Any]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEADER_BYTES = 33
"""Where the header ends: all that `read_header` looks at."""

_GREY = 0
_COLOURS = {2: "three colours (RGB)", 3: "a palette", 4: "grey and alpha", 6: "three colours and alpha (RGBA)"}


@dataclass(frozen=True)
class Header:
    """Size in pixels, bits of a pixel (8 or 16), whether the file is interlaced."""

    width: int
    height: int
    bits: int
    interlaced: bool

    @property
    def raw_bytes(self) -> int:
        """Bytes of the inflated pixels, a filter byte for each row included."""
        return self.height * (1 + self.width * self.bits // 8)


def read_header(data: bytes, where: str) -> Header:
    """Read the header of a grey PNG of 8 or 16 bits.

    Args:
        data: at least the first `HEADER_BYTES` of the file.
        where: the file, named in errors.

    Raises:
        BadData: another format, colours, alpha, or fewer bits.
    """
    if data[:8] != SIGNATURE or data[8:16] != b"\x00\x00\x00\rIHDR" or len(data) < HEADER_BYTES:
        raise BadData(f"{where}: not a PNG file, or cut short")
    if zlib.crc32(data[12:29]) != int.from_bytes(data[29:33], "big"):
        raise BadData(f"{where}: a damaged PNG header")
    width, height, bits, colour, _, _, interlace = struct.unpack(">IIBBBBB", data[16:29])
    if width == 0 or height == 0:
        raise BadData(f"{where}: a PNG of {width} x {height} pixels")
    if colour != _GREY or bits not in (8, 16):
        found = _COLOURS.get(colour, f"colour type {colour}") if colour != _GREY else f"{bits} bits a pixel"
        raise BadData(f"{where}: the PNG holds {found}; a map is one grey channel of 8 or 16 bits")
    return Header(width, height, bits, interlace != 0)


def decode(data: bytes, where: str) -> Map:
    """Decode a grey PNG.

    Args:
        data: the file; its size is the caller's to limit, by `read_header`, before this call.
        where: the file, named in errors.

    Returns:
        uint8 or uint16, shape (height, width).

    Raises:
        BadData: it is damaged, or not such a file.
    """
    header = read_header(data, where)
    undo = _undo()
    if header.interlaced or undo is None:
        return _by_pillow(data, where)
    raw = _inflate(_image_data(data, where), header.raw_bytes, where)
    pixels = np.empty((header.height, header.width * header.bits // 8), np.uint8)
    if not undo(np.frombuffer(raw, np.uint8), pixels, header.bits // 8):
        raise BadData(f"{where}: the PNG names a filter that does not exist; write the file again")
    return pixels if header.bits == 8 else pixels.view(">u2").astype(np.uint16)


def _image_data(data: bytes, where: str) -> bytes:
    """Join the IDAT chunks, their checksums compared."""
    parts = []
    view = memoryview(data)
    position = len(SIGNATURE)
    while True:
        head = data[position : position + 8]
        end = position + 12 + int.from_bytes(head[:4], "big")
        if len(head) < 8 or end > len(data):
            raise BadData(f"{where}: the PNG is cut short; write the file again")
        kind = head[4:]
        if kind == b"IDAT":
            if zlib.crc32(view[position + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
                raise BadData(f"{where}: a checksum of the PNG does not fit; write the file again")
            parts.append(view[position + 8 : end - 4])
        elif kind == b"IEND":
            return b"".join(parts)
        elif kind[0] & 0x20 == 0 and kind != b"IHDR":
            raise BadData(f"{where}: the PNG holds a chunk {kind!r}, which a grey map does not need")
        position = end


def _inflate(packed: bytes, size: int, where: str) -> bytes:
    """Inflate exactly `size` bytes, and never more."""
    machine = isal_zlib.decompressobj()
    try:
        raw = machine.decompress(packed, size + 1)
    except isal_zlib.error as error:  # type: ignore[misc]  # its stub forgets that it is an exception
        raise BadData(f"{where}: the pixels of the PNG can not be inflated ({error}); write the file again") from error
    if len(raw) != size or not machine.eof:
        what = "more" if len(raw) > size else "fewer"
        raise BadData(f"{where}: the PNG holds {what} pixels than its header says; write the file again")
    return raw


def _by_pillow(data: bytes, where: str) -> Map:
    from io import BytesIO

    from PIL import Image

    try:
        with Image.open(BytesIO(data), formats=["PNG"]) as image:
            values = np.asarray(image)
    except (SyntaxError, ValueError, EOFError, OSError, zlib.error, struct.error) as error:
        raise BadData(f"{where}: not a readable PNG ({error}); write the file again") from error
    return values if values.dtype == np.uint8 else values.astype(np.uint16)


@lru_cache(maxsize=1)
def _undo() -> Callable[[Map, Map, int], bool] | None:
    """Return the compiled loop; None where numba does not work."""
    try:
        from .png_filters import undo

        undo(np.zeros(2, np.uint8), np.empty((1, 1), np.uint8), 1)
    except Exception as fault:  # whatever numba or LLVM raises: Pillow reads the same pixels
        import logging

        logging.getLogger(__name__).warning(
            "numba does not work here (%s: %s); PNG files are read by Pillow", type(fault).__name__, fault
        )
        return None
    return undo

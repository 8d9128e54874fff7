"""Reading gray PNG files of 8 and 16 bits that others made.

Pillow alone accepts files with too few pixels, surplus data or a wrong checksum. So the chunks are checked and the
pixels inflated here, to exactly the size that the header says; Pillow undoes the filters and sees nothing else of the
file. zlib and Pillow release the GIL, so several threads decode at once.

Source: the PNG specification, ISO/IEC 15948.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np
from PIL import Image

from vidsal.loaders.errors import BadData

from ...metrics.maps import Map

SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEADER_BYTES = 33
"""Length of the signature and the header, which is all that `read_header` needs."""

_GRAY = 0
_COLORS = {2: "three colors (RGB)", 3: "a palette", 4: "gray and alpha", 6: "three colors and alpha (RGBA)"}
_PLAIN = ((0, 0, 1, 1),)
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Passes over an interlaced image: first column, first row, step of columns, step of rows."""


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
        total = 0
        for x, y, dx, dy in _ADAM7 if self.interlaced else _PLAIN:
            columns, rows = -((x - self.width) // dx), -((y - self.height) // dy)
            total += max(rows, 0) * (1 + columns * self.bits // 8) if columns > 0 else 0
        return total


def read_header(data: bytes, where: str) -> Header:
    """Read the header of a gray PNG of 8 or 16 bits.

    Args:
        data: at least the first `HEADER_BYTES` of the file.
        where: the file, named in errors.

    Raises:
        BadData: another format, colors, alpha, or fewer bits.
    """
    if data[:8] != SIGNATURE or data[8:16] != b"\x00\x00\x00\rIHDR" or len(data) < HEADER_BYTES:
        raise BadData(f"{where}: not a PNG file, or cut short")
    if zlib.crc32(data[12:29]) != int.from_bytes(data[29:33], "big"):
        raise BadData(f"{where}: a damaged PNG header")
    width, height, bits, color, _, _, interlace = struct.unpack(">IIBBBBB", data[16:29])
    if width == 0 or height == 0:
        raise BadData(f"{where}: a PNG of {width} x {height} pixels")
    if color != _GRAY or bits not in (8, 16):
        found = _COLORS.get(color, f"color type {color}") if color != _GRAY else f"{bits} bits a pixel"
        raise BadData(f"{where}: the PNG holds {found}; a map is one gray channel of 8 or 16 bits")
    return Header(width, height, bits, interlace != 0)


def decode(data: bytes, where: str) -> Map:
    """Decode a gray PNG.

    Args:
        data: the file; its size is the caller's to limit, by `read_header`, before this call.
        where: the file, named in errors.

    Returns:
        uint8 or uint16, shape (height, width).

    Raises:
        BadData: it is damaged, or not such a file.
    """
    header = read_header(data, where)
    raw = _inflate(_image_data(data, where), header.raw_bytes, where)
    mode, layout = ("L", "L") if header.bits == 8 else ("I;16", "I;16B")
    stored = zlib.compress(raw, 0)  # the form in which Pillow's decoder takes the pixels
    try:
        image = Image.frombytes(mode, (header.width, header.height), stored, "zip", layout, int(header.interlaced))
    except ValueError as error:
        raise BadData(f"{where}: the PNG names a filter that does not exist; write the file again") from error
    return np.array(image)


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
                raise BadData(f"{where}: a checksum of the PNG is wrong; write the file again")
            parts.append(view[position + 8 : end - 4])
        elif kind == b"IEND":
            return b"".join(parts)
        elif kind[0] & 0x20 == 0 and kind != b"IHDR":
            raise BadData(f"{where}: the PNG holds a chunk {kind!r}, which a gray map does not need")
        position = end


def _inflate(packed: bytes, size: int, where: str) -> bytes:
    """Inflate exactly `size` bytes, and never more."""
    inflater = zlib.decompressobj()
    try:
        raw = inflater.decompress(packed, size + 1)
    except zlib.error as error:
        raise BadData(f"{where}: the pixels of the PNG cannot be inflated ({error}); write the file again") from error
    if len(raw) != size or not inflater.eof:
        what = "more" if len(raw) > size else "fewer"
        raise BadData(f"{where}: the PNG holds {what} pixels than its header says; write the file again")
    return raw

"""Reading PNG files that others made: gray of 1 to 16 bits, and gray in the coat of a palette, colors or an alpha.

Pillow alone accepts files with too few pixels, surplus data or a wrong checksum. So the chunks are checked and the
pixels inflated here, to exactly the size that the header says; Pillow undoes the filters and sees nothing else of the
file. zlib and Pillow release the GIL, so several threads decode at once.

Source: the PNG specification, ISO/IEC 15948.
"""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

from vidsal.loaders.errors import BadData

from ...metrics.maps import Map
from .gray import check_upright, gray_of

SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEADER_BYTES = 33
"""Length of the signature and the header, which is all that `read_header` needs."""

_GRAY, _RGB, _PALETTE = 0, 2, 3
_WITH_ALPHA = (4, 6)
_CHANNELS = {_GRAY: 1, 2: 3, _PALETTE: 1, 4: 2, 6: 4}
_BITS = {_GRAY: (1, 2, 4, 8, 16), 2: (8, 16), _PALETTE: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_PLAIN = ((0, 0, 1, 1),)
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Passes over an interlaced image: first column, first row, step of columns, step of rows."""


@dataclass(frozen=True)
class Header:
    """Size in pixels, bits of a channel, whether the file is interlaced, the color type of the specification."""

    width: int
    height: int
    bits: int
    interlaced: bool
    color: int = _GRAY

    @property
    def plain(self) -> bool:
        """Whether the pixels are the map as it is: gray of 8 or 16 bits."""
        return self.color == _GRAY and self.bits >= 8

    @property
    def passes(self) -> list[tuple[int, int]]:
        """Rows of each pass over the image, and their bytes, the filter byte included."""
        found = []
        for x, y, dx, dy in _ADAM7 if self.interlaced else _PLAIN:
            columns, rows = -((x - self.width) // dx), -((y - self.height) // dy)
            if columns > 0 and rows > 0:
                found.append((rows, 1 - (-columns * self.bits * _CHANNELS[self.color] // 8)))
        return found

    @property
    def raw_bytes(self) -> int:
        """Bytes of the inflated pixels, a filter byte for each row included."""
        return sum(rows * row for rows, row in self.passes)


def read_header(data: bytes, where: str) -> Header:
    """Read the header of a PNG that can hold a map.

    Args:
        data: at least the first `HEADER_BYTES` of the file.
        where: the file, named in errors.

    Raises:
        BadData: another format.
    """
    if data[:8] != SIGNATURE or data[8:16] != b"\x00\x00\x00\rIHDR" or len(data) < HEADER_BYTES:
        raise BadData(f"{where}: not a PNG file, or cut short")
    if zlib.crc32(data[12:29]) != int.from_bytes(data[29:33], "big"):
        raise BadData(f"{where}: a damaged PNG header")
    width, height, bits, color, _, _, interlace = struct.unpack(">IIBBBBB", data[16:29])
    if width == 0 or height == 0:
        raise BadData(f"{where}: a PNG of {width} x {height} pixels")
    if bits not in _BITS.get(color, ()):
        raise BadData(f"{where}: a PNG of color type {color} and {bits} bits; store one gray channel of 8 or 16 bits")
    return Header(width, height, bits, interlace != 0, color)


def decode(data: bytes, where: str) -> Map:
    """Decode a PNG.

    Args:
        data: the file; its size is the caller's to limit, by `read_header`, before this call.
        where: the file, named in errors.

    Returns:
        uint8 or uint16, shape (height, width).

    Raises:
        BadData: it is damaged, transparent somewhere, or has colors.
    """
    header = read_header(data, where)
    chunks = _chunks(data, where, colors=header.color != _GRAY)
    raw = _inflate(b"".join(chunks[b"IDAT"]), header.raw_bytes, where)
    if header.plain:
        return _pixels(raw, header, where, wide=header.bits == 16)
    return _wide(raw, header, chunks, where) if header.bits == 16 else _in_another_coat(data, header, chunks, where)


def _pixels(raw: bytes, header: Header, where: str, *, wide: bool) -> Map:
    """Undo the filters of one channel of 8 or, `wide`, 16 bits."""
    mode, layout = ("I;16", "I;16B") if wide else ("L", "L")
    stored = zlib.compress(raw, 0)  # the form in which Pillow's decoder takes the pixels
    try:
        image = Image.frombytes(mode, (header.width, header.height), stored, "zip", layout, int(header.interlaced))
    except ValueError as error:
        raise BadData(f"{where}: the PNG names a filter that does not exist; write the file again") from error
    return np.array(image)


def _wide(raw: bytes, header: Header, chunks: dict[bytes, list[bytes]], where: str) -> Map:
    """Decode several channels of 16 bits, of which Pillow would keep the upper 8.

    Filters treat each byte of a pixel by itself, so the first bytes of all pixels are an image of 8 bits, and so on.
    """
    step = 2 * _CHANNELS[header.color]
    images: list[list[bytes]] = [[] for _ in range(step)]
    position = 0
    for rows, row in header.passes:
        lines = np.frombuffer(raw, np.uint8, rows * row, position).reshape(rows, row)
        for n, parts in enumerate(images):
            parts.append(np.concatenate([lines[:, :1], lines[:, 1 + n :: step]], axis=1).tobytes())
        position += rows * row
    planes = [_pixels(b"".join(parts), header, where, wide=False).astype(np.uint16) for parts in images]
    channels = np.stack([high << 8 | low for high, low in zip(planes[::2], planes[1::2], strict=True)], axis=2)
    if chunks[b"tRNS"]:
        color = chunks[b"tRNS"][0]
        if len(color) != 6 or header.color != _RGB:
            raise BadData(f"{where}: the transparent color of the PNG is none; write the file again")
        if (channels == np.frombuffer(color, ">u2")).all(axis=2).any():
            raise BadData(f"{where}: the picture is transparent somewhere; a map is one opaque gray channel")
    return gray_of(channels, where, alpha=header.color in _WITH_ALPHA)


def _in_another_coat(data: bytes, header: Header, chunks: dict[bytes, list[bytes]], where: str) -> Map:
    """Let Pillow decode a file of the checked chunks alone."""
    parts = [(kind, part) for kind in (b"PLTE", b"tRNS", b"IDAT") for part in chunks[kind]]
    file = data[:HEADER_BYTES] + b"".join(_chunk(*part) for part in [*parts, (b"IEND", b"")])
    try:
        with Image.open(BytesIO(file), formats=["PNG"]) as image:
            # A transparent color of a gray or RGB file is as much an alpha as a channel of its own.
            mode = {_GRAY: "L", 2: "RGB", 4: "LA"}.get(header.color, "RGBA")
            mode = {"L": "LA", "RGB": "RGBA"}.get(mode, mode) if chunks[b"tRNS"] else mode
            pixels = np.asarray(image.convert(mode))
    except (OSError, ValueError, SyntaxError, IndexError) as error:
        raise BadData(f"{where}: the PNG cannot be decoded ({error}); write the file again") from error
    return gray_of(pixels.reshape(*pixels.shape[:2], -1), where, alpha=mode[-1] == "A")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _chunks(data: bytes, where: str, *, colors: bool) -> dict[bytes, list[bytes]]:
    """The content of the chunks that make the pixels, their checksums compared."""
    found: dict[bytes, list[bytes]] = {b"IDAT": [], b"PLTE": [], b"tRNS": []}
    view = memoryview(data)
    position = len(SIGNATURE)
    while True:
        head = data[position : position + 8]
        end = position + 12 + int.from_bytes(head[:4], "big")
        if len(head) < 8 or end > len(data):
            raise BadData(f"{where}: the PNG is cut short; write the file again")
        kind = head[4:]
        if kind in found and (kind != b"PLTE" or colors):
            if zlib.crc32(view[position + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
                raise BadData(f"{where}: a checksum of the PNG is wrong; write the file again")
            found[kind].append(data[position + 8 : end - 4])
        elif kind == b"eXIf":
            exif = Image.Exif()
            with suppress(SyntaxError, struct.error, ValueError, TypeError, KeyError):  # no EXIF at all: says nothing
                exif.load(bytes(data[position + 8 : end - 4]))
            check_upright(exif, where)
        elif kind == b"IEND":
            return found
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

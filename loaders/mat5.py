"""MATLAB 5 files of one matrix of numbers, as pooled fixation maps are stored.

A strict reader for this one shape. scipy reads every shape, but checks neither the checksum nor the size of what
it unpacks, so that a damaged map would silently give other points; and it takes half as long again.
Format: MathWorks, "MAT-File Format", level 5: a header, then one element (tag; flags, size, name, numbers),
compressed as a rule.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import BadData

MAX_PIXELS = 1 << 26
"""Larger pictures are refused before they are unpacked."""

_HEADER_BYTES = 128
_COMPRESSED = 15
_MATRIX = 14
_NUMERIC_CLASSES = range(6, 16)
_NUMBERS = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
}  # fmt: skip


def matrix_of(path: Path, data: bytes) -> npt.NDArray[Any]:
    """Decode a MATLAB 5 file that holds exactly one matrix of real numbers, whatever its name.

    Args:
        path: for messages.
        data: the content of the file.

    Returns:
        The matrix, shape (rows, columns), in MATLAB's order (by column), read-only.

    Raises:
        BadData: damaged, cut off, another format, more than one variable, or more than `MAX_PIXELS` numbers.
    """
    header, body = data[:_HEADER_BYTES], data[_HEADER_BYTES:]
    if data.startswith(b"\x89HDF") or header.startswith(b"MATLAB 7.3"):
        raise BadData(f"{path}: MATLAB 7.3 (HDF5); expected MATLAB 5, as `save -v6` or `-v7` writes it")
    if len(body) < 8 or header[126:128] not in (b"IM", b"MI"):
        raise BadData(f"{path}: not a MATLAB 5 file; it begins with {data[:16]!r}")
    order = "<" if header[126:128] == b"IM" else ">"
    kind, packed, behind = _element(path, body, 0, order)
    if any(body[behind:]):
        raise BadData(f"{path}: holds more than one variable, or something behind it; expected exactly one")
    if kind == _COMPRESSED:
        kind, matrix, _ = _element(path, _inflated(path, packed), 0, order)
    else:
        matrix = packed
    if kind != _MATRIX:
        raise BadData(f"{path}: its variable is no matrix (element type {kind})")
    return _matrix(path, matrix, order)


def _matrix(path: Path, matrix: memoryview, order: str) -> npt.NDArray[Any]:
    _, flags, at = _element(path, matrix, 0, order)
    _, shape_bytes, at = _element(path, matrix, at, order)
    _, name, at = _element(path, matrix, at, order)
    kind, numbers, _ = _element(path, matrix, at, order)
    if len(flags) != 8 or len(shape_bytes) % 4:
        raise BadData(f"{path}: the head of its variable is damaged")
    flag_word = int(np.frombuffer(flags, f"{order}u4")[0])
    shape = tuple(int(n) for n in np.frombuffer(shape_bytes, f"{order}i4"))
    complex_numbers = flag_word & 0x800
    if flag_word & 0xFF not in _NUMERIC_CLASSES or complex_numbers or kind not in _NUMBERS:
        raise BadData(f"{path}: its variable has MATLAB class {flag_word & 0xFF}; expected a matrix of 0 and 1")
    dtype = np.dtype(_NUMBERS[kind]).newbyteorder("<" if order == "<" else ">")
    if len(shape) != 2 or not 0 < shape[0] * shape[1] <= MAX_PIXELS or min(shape) < 1:
        raise BadData(f"{path}: its variable {bytes(name)!r} has the shape {shape}; expected rows and columns")
    if len(numbers) != shape[0] * shape[1] * dtype.itemsize:
        raise BadData(f"{path}: {len(numbers)} bytes of numbers do not fill {shape[0]}x{shape[1]} of {dtype}")
    return np.frombuffer(numbers, dtype).reshape(shape, order="F")


def _element(path: Path, data: bytes | memoryview, at: int, order: str) -> tuple[int, memoryview, int]:
    """Return the type of the element at a place, its content, and where the next one begins."""
    view = memoryview(data)
    if len(view) < at + 8:
        raise BadData(f"{path}: cut off: {len(view) - at} bytes where the tag of an element is expected")
    kind, length = (int(word) for word in np.frombuffer(view[at : at + 8], f"{order}u4"))
    if kind >> 16:  # a small element: length and type share a word, up to 4 bytes of content follow
        kind, length, start, behind = kind & 0xFFFF, kind >> 16, at + 4, at + 8
        if length > 4:
            raise BadData(f"{path}: damaged: a small element of {length} bytes")
    else:
        start = at + 8
        behind = start + length + (0 if kind == _COMPRESSED else -length % 8)
    if len(view) < start + length:
        raise BadData(f"{path}: cut off: {len(view) - start} of {length} bytes of an element are there")
    return kind, view[start : start + length], behind


def _inflated(path: Path, packed: bytes | memoryview) -> bytes:
    unpacker = zlib.decompressobj()
    limit = 8 * MAX_PIXELS
    try:
        element = unpacker.decompress(packed, limit)
    except zlib.error as error:
        raise BadData(f"{path}: damaged: {error}") from error
    if not unpacker.eof:
        raise BadData(f"{path}: damaged, or its variable is larger than {limit} bytes")
    return element

"""MATLAB files of version 5, decoded from their published layout with every length checked.

A file is a header of 128 bytes and elements: a tag (type, number of bytes), the data, padding to eight bytes. An
array is an element of elements: flags, dimensions, name, then numbers, cells or fields. Only what data sets hold is
read: numbers, text, cells and structs; objects, functions and sparse matrices are refused.

Why not `scipy.io.loadmat`: fuzzing made it end the process. A small file with one to four random bytes changed gives a
segmentation fault or a bus error within 3,000 tries (SciPy 1.17.1), where a user needs the name of the damaged file
and the rest of the conversion. Here a damaged file ends in `ValueError`.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

HEADER_BYTES = 128
MAX_DEPTH = 16
MAX_ELEMENTS = 4_000_000
MAX_BYTES = 1 << 30

_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_MATRIX, _COMPRESSED = 14, 15
_ENCODINGS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_CELL, _STRUCT, _CHAR = 1, 2, 4
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_REFUSED = {3: "an object", 5: "a sparse matrix", 16: "a function", 17: "an opaque object"}
_COMPLEX, _LOGICAL = 0x08, 0x02


def decode(data: bytes, *, as_stored: bool = False) -> dict[str, Any]:
    """Return the variables of a file, values as `matlab.read` has them.

    Args:
        data: the content of the file.
        as_stored: give numbers in the type in which the file stores them, which is often smaller than that of the
            variable (a matrix of doubles that are all 0 or 1 is stored as bytes), without a copy, read-only.

    Raises:
        ValueError: the bytes are no such file, are cut, or contradict themselves.
    """
    if len(data) < HEADER_BYTES:
        raise ValueError(f"only {len(data)} bytes")
    marks = {b"IM": "<", b"MI": ">"}
    if data[126:128] not in marks:
        raise ValueError("no mark of version 5 in the header")
    reader = _Reader(marks[data[126:128]], as_stored)
    out: dict[str, Any] = {}
    for kind, body in reader.elements(memoryview(data)[HEADER_BYTES:]):
        if kind == _COMPRESSED:
            body = memoryview(reader.inflate(body))
            inner = list(reader.elements(body))
            if len(inner) != 1:
                raise ValueError(f"a compressed part holds {len(inner)} elements")
            kind, body = inner[0]
        if kind != _MATRIX:
            raise ValueError(f"an element of type {kind} where a variable should be")
        name, value = reader.array(body, 0)
        if name in out:
            raise ValueError(f"two variables are called {name!r}")
        if name:  # MATLAB keeps a workspace of functions without a name
            out[name] = value
    return out


@dataclass
class _Reader:
    """Decodes elements of one byte order, within a budget."""

    order: str
    as_stored: bool = False
    left_elements: int = MAX_ELEMENTS
    left_bytes: int = MAX_BYTES

    def elements(self, data: memoryview) -> Iterator[tuple[int, memoryview]]:
        """Yield type and data of the elements in `data`."""
        at = 0
        while at < len(data):
            if len(data) - at < 8:
                raise ValueError(f"{len(data) - at} bytes left over")
            self.left_elements -= 1
            if self.left_elements < 0:
                raise ValueError("unfolds to too much")
            kind, size = (int(n) for n in np.frombuffer(data[at : at + 8], self.order + "u4"))
            if kind >> 16:
                kind, size, start, step = kind & 0xFFFF, kind >> 16, at + 4, 8
                if size > 4:
                    raise ValueError(f"a small element of {size} bytes")
            else:
                start, step = at + 8, 8 + size + (0 if kind == _COMPRESSED else -size % 8)
            if size > len(data) - start:
                raise ValueError(f"an element of {size} bytes, but only {len(data) - start} are left")
            yield kind, data[start : start + size]
            at += step

    def inflate(self, data: memoryview) -> bytes:
        """Unpack a compressed element; its checksum is verified."""
        inflater = zlib.decompressobj()
        out = inflater.decompress(data, max(self.left_bytes, 1))
        self.left_bytes -= len(out)
        if not inflater.eof:
            raise ValueError("a compressed part is cut or unfolds to too much")
        return out

    def array(self, data: memoryview, depth: int) -> tuple[str, Any]:
        """Decode one array: its name and value."""
        if depth > MAX_DEPTH:
            raise ValueError("nested too deeply")
        if not len(data):
            return "", np.empty((0, 0))
        parts = self.elements(data)
        flags = self.numbers(*_next(parts, "flags"))
        if len(flags) != 2:
            raise ValueError("flags of an array are not two numbers")
        kind, bits = int(flags[0]) & 0xFF, int(flags[0]) >> 8 & 0xFF
        shape = self.shape(*_next(parts, "dimensions"))
        name = bytes(_next(parts, "name")[1]).decode("latin-1").rstrip("\0")
        if kind in _REFUSED:
            raise ValueError(f"holds {_REFUSED[kind]} ({name!r})")
        if kind == _CELL:
            value: Any = self.cells(parts, shape, depth)
        elif kind == _STRUCT:
            value = self.structs(parts, shape, depth)
        elif kind == _CHAR:
            value = self.text(parts, shape)
        elif kind in _CLASSES:
            value = self.matrix(parts, shape, _CLASSES[kind], bits)
        else:
            raise ValueError(f"an array of unknown class {kind}")
        if next(parts, None) is not None:
            raise ValueError(f"something is left over in {name!r}")
        return name, value

    def shape(self, kind: int, data: memoryview) -> tuple[int, ...]:
        shape = tuple(int(n) for n in self.numbers(kind, data))
        if not 2 <= len(shape) <= 8 or min(shape) < 0:
            raise ValueError(f"dimensions {shape}")
        if math.prod(n for n in shape if n) > MAX_BYTES:
            raise ValueError("unfolds to too much")
        return shape

    def numbers(self, kind: int, data: memoryview) -> npt.NDArray[Any]:
        if kind not in _NUMBERS:
            raise ValueError(f"an element of type {kind} where numbers should be")
        return np.frombuffer(data, self.order + _NUMBERS[kind])

    def matrix(
        self, parts: Iterator[tuple[int, memoryview]], shape: tuple[int, ...], dtype: str, bits: int
    ) -> npt.NDArray[Any]:
        value = self.fill(self.numbers(*_next(parts, "numbers")), shape, dtype)
        if bits & _COMPLEX:
            return value + 1j * self.fill(self.numbers(*_next(parts, "imaginary part")), shape, dtype)
        return value.astype(bool) if bits & _LOGICAL and not self.as_stored else value

    def fill(self, numbers: npt.NDArray[Any], shape: tuple[int, ...], dtype: str) -> npt.NDArray[Any]:
        if numbers.size != math.prod(shape):
            raise ValueError(f"{numbers.size} numbers for the dimensions {shape}")
        if self.as_stored:
            return numbers.reshape(shape, order="F")
        with np.errstate(invalid="ignore", over="ignore"):
            return numbers.astype(dtype).reshape(shape, order="F")

    def text(self, parts: Iterator[tuple[int, memoryview]], shape: tuple[int, ...]) -> str | list[str]:
        """Text of one row, or a list of the rows."""
        count = math.prod(shape)
        kind, data = next(parts, (4, memoryview(b"")))
        if kind not in _ENCODINGS:
            raise ValueError(f"an element of type {kind} where text should be")
        wide = {"utf-16": "-le" if self.order == "<" else "-be", "utf-32": "-le" if self.order == "<" else "-be"}
        encoding = _ENCODINGS[kind]
        letters = bytes(data).decode(encoding + wide.get(encoding, ""))
        if kind == 4 and len(letters) != count:  # a pair of codes that is one letter
            letters = "".join(map(chr, np.frombuffer(data, self.order + "u2").tolist()))
        if len(letters) != count:
            raise ValueError(f"{len(letters)} letters for the dimensions {shape}")
        if count == 0:
            return ""
        rows = shape[0]
        lines = [letters[i::rows] for i in range(rows)]
        return lines[0] if rows == 1 else lines

    def cells(
        self, parts: Iterator[tuple[int, memoryview]], shape: tuple[int, ...], depth: int
    ) -> npt.NDArray[np.object_]:
        values = [self.inner(parts, depth) for _ in range(math.prod(shape))]
        out = np.empty(len(values), dtype=object)
        for i, value in enumerate(values):
            out[i] = value
        return out.reshape(shape, order="F")

    def structs(
        self, parts: Iterator[tuple[int, memoryview]], shape: tuple[int, ...], depth: int
    ) -> list[dict[str, Any]]:
        width = self.numbers(*_next(parts, "width of field names"))
        letters = bytes(_next(parts, "field names")[1])
        if len(width) != 1 or width[0] < 1 or len(letters) % width[0]:
            raise ValueError("field names of a struct are damaged")
        step = int(width[0])
        names = [letters[i : i + step].split(b"\0")[0].decode("latin-1") for i in range(0, len(letters), step)]
        if len(set(names)) != len(names):
            raise ValueError("a struct has a field twice")
        if not names and math.prod(shape) > MAX_ELEMENTS:
            raise ValueError("unfolds to too much")
        return [{name: self.inner(parts, depth) for name in names} for _ in range(math.prod(shape))]

    def inner(self, parts: Iterator[tuple[int, memoryview]], depth: int) -> Any:
        kind, data = _next(parts, "an array")
        if kind != _MATRIX:
            raise ValueError(f"an element of type {kind} where an array should be")
        return self.array(data, depth + 1)[1]


def _next(parts: Iterator[tuple[int, memoryview]], what: str) -> tuple[int, memoryview]:
    part = next(parts, None)
    if part is None:
        raise ValueError(f"{what} missing")
    return part

"""Where the records of a large COCO-style JSON file lie, found in one pass without keeping them.

The file is one object whose lists `images` and `annotations` hold flat objects (objects without objects in them).
A record is then read by its place; memory is bounded by one record, the file may be of any size.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from ...errors import BadData
from ...io.files import parse_json

Place = tuple[int, int]
"""First byte of a record and its length."""

LARGEST_RECORD = 1 << 26
_STRING = rb'"(?:[^"\\]++|\\.)*+"'
_SPACE = re.compile(rb"[ \t\r\n]*+")
_KEY = re.compile(_STRING, re.DOTALL)
_FLAT = re.compile(rb'\{(?:[^{}"]++|' + _STRING + rb")*+\}", re.DOTALL)
_PART = re.compile(_STRING + rb"|[\[\]{}]", re.DOTALL)
_SCALAR = re.compile(rb"[-+0-9.eE]+|true|false|null")
_BOM = b"\xef\xbb\xbf"


def places(path: Path, lists: tuple[str, ...]) -> dict[str, list[Place]]:
    """Return the places of all records of the named top-level lists, in the order of the file.

    Raises:
        BadData: the file is no JSON object, is cut, or a list is missing or holds something else than flat objects.
    """
    if not path.stat().st_size:
        raise BadData(f"{path}: empty")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        found: dict[str, list[Place]] = {}
        for name, place in _Walker(path, data).walk(lists):
            if place is not None:
                found[name].append(place)
            elif name in found:
                raise BadData(f"{path}: the list {name!r} stands twice")
            else:
                found[name] = []
    missing = [name for name in lists if name not in found]
    if missing:
        raise BadData(f"{path}: no list {missing[0]!r}; expected a COCO-style file with {', '.join(lists)}")
    return found


def record(path: Path, place: Place, data: bytes) -> dict[str, Any]:
    """Decode one record.

    Raises:
        BadData: it is no JSON object, or holds NaN or an infinity.
    """
    try:
        value = parse_json(data)
    except ValueError as error:
        raise BadData(f"{path}, byte {place[0]}: no JSON record ({error})") from error
    if not isinstance(value, dict):
        raise BadData(f"{path}, byte {place[0]}: expected a record, found {type(value).__name__}")
    return value


def read(path: Path, wanted: tuple[Place, ...]) -> Iterator[tuple[Place, bytes]]:
    """Yield the bytes of records by their places."""
    with path.open("rb") as file:
        for place in wanted:
            file.seek(place[0])
            yield place, file.read(place[1])


class _Walker:
    """Walks the top level of one JSON object."""

    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self.path = path
        self.data = data
        self.at = 0

    def walk(self, lists: tuple[str, ...]) -> Iterator[tuple[str, Place | None]]:
        """Yield (list, None) for each wanted list, then (list, place) for each of its records."""
        if self.data[:3] == _BOM:
            self.at = 3
        self._expect(b"{")
        if self._next() != b"}":
            while True:
                name = self._key()
                self._expect(b":")
                if name in lists and self._next() == b"[":
                    yield name, None
                    yield from ((name, place) for place in self._records())
                else:
                    self._skip()
                if self._take(b",}") == b"}":
                    break
        else:
            self.at += 1
        if self._next():
            self._fail("the end of the file")

    def _records(self) -> Iterator[Place]:
        self._expect(b"[")
        if self._next() == b"]":
            self.at += 1
            return
        while True:
            self._next()
            match = _FLAT.match(self.data, self.at)
            if not match or match.end() - match.start() > LARGEST_RECORD:
                self._fail("a record { ... } without records in it")
            yield match.start(), match.end() - match.start()
            self.at = match.end()
            if self._take(b",]") == b"]":
                return

    def _key(self) -> str:
        self._next()
        match = _KEY.match(self.data, self.at)
        if not match:
            self._fail("a name in quotes")
        self.at = match.end()
        return match[0][1:-1].decode("utf-8", "replace")

    def _skip(self) -> None:
        """Step over one value."""
        first = self._next()
        if first in (b"{", b"["):
            depth = 0
            for match in _PART.finditer(self.data, self.at):
                depth += {b"{": 1, b"[": 1, b"}": -1, b"]": -1}.get(match[0], 0)
                if depth == 0:
                    self.at = match.end()
                    return
            self._fail("a value that ends", self.at)
        whole = (_KEY if first == b'"' else _SCALAR).match(self.data, self.at)
        if not whole:
            self._fail("a value")
        self.at = whole.end()

    def _next(self) -> bytes:
        """Step over blanks; return the next byte, b"" at the end."""
        match = _SPACE.match(self.data, self.at)
        self.at = match.end() if match else self.at
        return self.data[self.at : self.at + 1]

    def _expect(self, byte: bytes) -> None:
        self._take(byte)

    def _take(self, choices: bytes) -> bytes:
        byte = self._next()
        if not byte or byte not in choices:
            self._fail(" or ".join(chr(c) for c in choices))
        self.at += 1
        return byte

    def _fail(self, expected: str, at: int | None = None) -> NoReturn:
        at = self.at if at is None else at
        found = bytes(self.data[at : at + 20]) or "the end of the file"
        raise BadData(f"{self.path}, byte {at}: expected {expected}, found {found!r}; is the download complete?")

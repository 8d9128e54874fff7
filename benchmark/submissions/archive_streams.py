"""Files that a reader of archives may ask for so much and no more, whatever the archive makes it ask for."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, Any

_MOST_AT_ONCE = 128 << 20
"""Bytes that are read at once: the directory of a zip file is the largest such piece."""
_MOST_HEADER = 8 << 20
_CHUNK = 1 << 18
_TAIL = 1 << 13


class Bounded:
    """A file that can be read in pieces of a limited size; for zipfile, which reads directories at once."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell, self.close = file.seek, file.tell, file.close

    def seekable(self) -> bool:
        """Whether positions can be chosen: yes."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read `size` bytes, or to the end.

        Raises:
            ValueError: that is more than is ever needed.
        """
        if size > _MOST_AT_ONCE:
            raise ValueError(f"a piece of {size} bytes is asked for at once")
        data = self._file.read(_MOST_AT_ONCE + 1 if size < 0 else size)
        if len(data) > _MOST_AT_ONCE:
            raise ValueError("a piece without end is asked for")
        return data


class Forward:
    """A stream that is read forward, with a short look back; for tarfile, which steps back one byte at a time.

    Args:
        source: what is read.
        limit: how many bytes may come out of it; None = any number.
        too_large: makes the error of a stream that goes beyond.
    """

    def __init__(self, source: Any, limit: int | None, too_large: Callable[[], Exception]) -> None:
        self._source, self._limit, self._too_large = source, limit, too_large
        self._come = 0  # bytes that came out of the source
        self._at = 0
        self._tail = b""

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def seek(self, position: int, whence: int = 0) -> int:
        """Choose the next position to read from; nothing is read yet."""
        if whence or position < 0:
            raise ValueError(f"a position of {position} in the archive")
        self._at = position
        return position

    def read(self, size: int = -1) -> bytes:
        """Read `size` bytes from the position.

        Raises:
            ValueError: the size is more than any header has, or the position lies too far behind.
        """
        if not 0 <= size <= _MOST_HEADER:
            raise ValueError(f"a piece of {size} bytes is asked for at once")
        if self._come - self._at > len(self._tail):
            raise ValueError("the archive leads back to its begin")
        while self._come < self._at and self._more(min(_CHUNK, self._at - self._come)):
            pass
        back = self._come - self._at
        data = self._tail[len(self._tail) - back :][:size] if back > 0 else b""
        while len(data) < size and self._come >= self._at and (more := self._more(size - len(data))):
            data += more
        self._at += len(data)
        return data

    def _more(self, size: int) -> bytes:
        if self._limit is not None and self._come + size > self._limit:
            raise self._too_large()
        data: bytes = self._source.read(size)
        self._come += len(data)
        self._tail = (self._tail + data)[-_TAIL:]
        return data

    def drain(self) -> None:
        """Read to the end, where a checksum may stand."""
        while self._more(_CHUNK):
            pass

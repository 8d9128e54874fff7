"""The chunks of an AVI file: an empty one repeats the picture before it, and decoders leave it out."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

_LISTS = (b"RIFF", b"LIST")


def null_chunks_at_end(path: Path, stream: int) -> int:
    """Return how many empty chunks of a video stream follow its last picture; 0 where the file is cut off or odd.

    Args:
        path: an AVI file.
        stream: number of the video stream.
    """
    names = {f"{stream:02d}{kind}".encode() for kind in ("dc", "db")}
    empty = 0
    end = path.stat().st_size
    with path.open("rb") as file:
        at = 0
        while at + 8 <= end:
            name, size = _head(file, at)
            if name in _LISTS:
                at += 12
                continue
            if at + 8 + size > end:
                return 0
            if name in names:
                empty = 0 if size else empty + 1
            at += 8 + size + size % 2
    return empty


def _head(file: BinaryIO, at: int) -> tuple[bytes, int]:
    file.seek(at)
    name, size = struct.unpack("<4sI", file.read(8))
    return name, size

"""Opening files that others made: regular files only, no links, bounded size."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path

from vidsal.loaders.errors import BadData, MissingData

_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def open_regular(path: str | Path) -> int:
    """Open a file and return its descriptor.

    Raises:
        MissingData: there is no such file.
        BadData: a link, a folder, a pipe or a device.
    """
    try:
        descriptor = os.open(path, _FLAGS)
    except FileNotFoundError as error:
        raise MissingData(f"{path}: no such file") from error
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise BadData(f"{path}: a link or no regular file; a submission holds regular files only") from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise BadData(f"{path}: no regular file; a submission holds regular files only")
    return descriptor


def read_bounded(path: str | Path, most: int) -> bytes:
    """Read a whole file of at most `most` bytes.

    Raises:
        MissingData, BadData: see `open_regular`; BadData for a larger file too.
    """
    descriptor = open_regular(path)
    try:
        size = os.fstat(descriptor).st_size
        if size > most:
            raise BadData(f"{path}: {size} bytes, at most {most} are read")
        data = os.read(descriptor, size + 1)
        while len(data) < size and (more := os.read(descriptor, size + 1 - len(data))):
            data += more
    finally:
        os.close(descriptor)
    if len(data) != size:
        raise BadData(f"{path}: the file changed while it was read")
    return data


def file_digest(path: str | Path) -> str:
    """Return the SHA-256 of a file in hex; links are refused."""
    with os.fdopen(open_regular(path), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copy_regular(source: str | Path, target: Path) -> str:
    """Copy a regular file; return its SHA-256.

    Raises:
        BadData: a link or no regular file.
    """
    digest = hashlib.sha256()
    with os.fdopen(open_regular(source), "rb") as file, target.open("xb") as out:
        while data := file.read(1 << 20):
            digest.update(data)
            out.write(data)
    return digest.hexdigest()


def folder_digest(files: dict[str, str]) -> str:
    """Return the SHA-256 over the lines `name sha256`, sorted by name."""
    lines = "".join(f"{name} {files[name]}\n" for name in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()

"""NumPy's files of arrays, npz and npy, written and read map by map. Pickled objects are refused.

Written: an array for each frame, named by its number: `numpy.load("002.npz")["000012"]`; or `frames` and `xy` of gaze
points. What is read is said in `arrays.py`.
"""

from __future__ import annotations

import math
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from threading import Lock
from tokenize import TokenError
from typing import IO, Any

import numpy as np

from vidsal.loaders.errors import BadData
from vidsal.loaders.io.files import rule_out_machine
from vidsal.loaders.io.names import is_left_behind

from ...metrics.maps import Map
from ..safe_files import open_regular
from .arrays import Array, ArrayFile, check_type, map_shape
from .stored import MOST_FRAMES

_LENGTHS = {(1, 0): 2, (2, 0): 4}  # bytes in which a version of npy says how long the header is
_MOST_HEADER = 4096
_MOST_RATIO = 1040  # the highest ratio that deflate reaches
_MOST_FORTRAN = 2 << 30  # maps of a video in Fortran order are read whole


@dataclass(frozen=True)
class _Stored(Array):
    """What the header says, and whether the first axis runs fastest, as in a transposed array that was saved."""

    fortran: bool


class NpzWriter:
    """Writes maps one after another; memory is that of one map."""

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path, "w", zipfile.ZIP_STORED)

    def __enter__(self) -> NpzWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def add(self, name: str, values: Map) -> None:
        """Append an array."""
        entry = zipfile.ZipInfo(f"{name}.npy")  # dated 1980: equal predictions give equal bytes
        with self._zip.open(entry, "w", force_zip64=values.nbytes > 1 << 30) as member:
            np.lib.format.write_array(member, np.ascontiguousarray(values), version=(1, 0), allow_pickle=False)


class NpzFile(ArrayFile):
    """An npz file of predictions."""

    @contextmanager
    def _open(self) -> Iterator[_Archive]:
        with os.fdopen(open_regular(self.path), "rb") as file:
            try:
                archive = zipfile.ZipFile(file)
            except (zipfile.BadZipFile, ValueError, OSError, RuntimeError) as error:
                rule_out_machine(self.path)
                raise BadData(f"{self.path}: no npz file ({error}); write it with numpy.savez") from error
            with archive:
                yield _Archive(self.path, archive)


class NpyFile(ArrayFile):
    """An npy file of predictions."""

    @contextmanager
    def _open(self) -> Iterator[_One]:
        with os.fdopen(open_regular(self.path), "rb") as file:
            yield _One(self.path, file)


class _Archive:
    """An open npz file."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self._path, self._archive = path, archive
        members = [member for member in archive.infolist() if not _is_left_behind(member.filename)]
        if len(members) > MOST_FRAMES:
            raise BadData(f"{path}: holds {len(members)} arrays")
        self.arrays: dict[str, _Stored] = {}
        for entry in members:
            self._check_member(entry)
            name = entry.filename.removesuffix(".npy")
            if name in self.arrays:
                raise BadData(f"{path}: holds two arrays {name!r}")
            self.arrays[name] = self._header(entry)

    def whole(self, name: str) -> Map:
        with self._member(name) as member:
            return _take(member, self.arrays[name], self.arrays[name].shape, self._where(name))

    def rows(self, name: str) -> Iterator[Map]:
        array = self.arrays[name]
        with self._member(name) as member:
            yield from _rows(member, array, self._where(name))

    def _where(self, name: str) -> str:
        return f"{self._path}: array {name[:80]}.npy"

    def _check_member(self, entry: zipfile.ZipInfo) -> None:
        name = entry.filename
        if not name.endswith(".npy") or name != name.rsplit("/", 1)[-1] or "\\" in name or "\x00" in name:
            raise BadData(f"{self._path}: holds {name[:80]!r}; only plain arrays `NAME.npy` belong into it")
        if entry.flag_bits & 1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BadData(f"{self._path}: {name[:80]!r} is encrypted, or compressed in a way that numpy does not write")
        if entry.file_size > _MOST_RATIO * entry.compress_size + 1024:
            raise BadData(
                f"{self._path}: {name[:80]!r} claims to grow from {entry.compress_size} to {entry.file_size} bytes"
            )

    def _header(self, entry: zipfile.ZipInfo) -> _Stored:
        where = self._where(entry.filename.removesuffix(".npy"))
        try:
            with self._archive.open(entry) as member:
                return _checked_header(member, entry.file_size, where)
        except (OSError, zlib.error, zipfile.BadZipFile, RuntimeError) as error:
            rule_out_machine(self._path)
            raise BadData(f"{where} cannot be read ({error})") from error

    @contextmanager
    def _member(self, name: str) -> Iterator[IO[bytes]]:
        with self._archive.open(f"{name}.npy") as member:
            _read_header(member)
            yield member


class _One:
    """An open npy file: one array without a name."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self._file, self._where = file, f"{path}: the array"
        self.arrays = {"": _checked_header(file, os.fstat(file.fileno()).st_size, self._where)}
        self._begin = file.tell()

    def whole(self, name: str) -> Map:
        self._file.seek(self._begin)
        return _take(self._file, self.arrays[name], self.arrays[name].shape, self._where)

    def rows(self, name: str) -> Iterator[Map]:
        self._file.seek(self._begin)
        yield from _rows(self._file, self.arrays[name], self._where)


def _checked_header(member: IO[bytes], size: int, where: str) -> _Stored:
    try:
        shape, fortran, dtype = _read_header(member)
        begun = member.tell()
    except (ValueError, EOFError, SyntaxError, TypeError, MemoryError, RecursionError, TokenError) as error:
        raise BadData(f"{where} cannot be read ({error})") from error
    check_type(dtype, where)
    if fortran and len(shape) > 2 and math.prod(shape) * dtype.itemsize > _MOST_FORTRAN:
        raise BadData(f"{where} is too large to be read in Fortran order; save numpy.ascontiguousarray of it")
    if math.prod(shape) * dtype.itemsize + begun != size:
        raise BadData(f"{where} holds {size} bytes, its header says otherwise")
    return _Stored(map_shape(shape), dtype, fortran)


def _rows(member: IO[bytes], array: _Stored, where: str) -> Iterator[Map]:
    """Yield the maps along the first axis; one after another where they lie so."""
    if array.fortran:
        yield from _take(member, array, array.shape, where)
    else:
        for _ in range(array.shape[0]):
            yield _take(member, array, array.shape[1:], where)


def _take(member: IO[bytes], array: _Stored, shape: tuple[int, ...], where: str) -> Map:
    size = math.prod(shape) * array.dtype.itemsize
    try:
        data = member.read(size)
        while len(data) < size and (more := member.read(size - len(data))):
            data += more
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise BadData(f"{where} cannot be read ({error}); write it again") from error
    if len(data) != size:
        raise BadData(f"{where} is cut short; write it again")
    values = np.frombuffer(data, array.dtype)
    return np.ascontiguousarray(values.reshape(shape[::-1]).T) if array.fortran else values.reshape(shape)


def _is_left_behind(path: str) -> bool:
    parts = path.split("/")
    return ".." not in parts and any(is_left_behind(part) for part in parts if part)


_ONE_HEADER = Lock()
"""NumPy reads a header as a Python literal, and parsers in several threads at once can fail in Python 3.11
("AST constructor recursion depth mismatch")."""


def _read_header(member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read the header of an npy stream: shape, Fortran order, type."""
    version = np.lib.format.read_magic(member)
    if version not in _LENGTHS:
        raise ValueError(f"npy version {version}")
    length = member.read(_LENGTHS[version])
    if int.from_bytes(length, "little") > _MOST_HEADER:
        raise ValueError(f"a header of more than {_MOST_HEADER} bytes")
    return _parse_header(version, length + member.read(int.from_bytes(length, "little")))


@lru_cache(maxsize=64)
def _parse_header(version: tuple[int, int], content: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Parse a header, which is the same one in all frames of a video: to parse it takes longer than to read a map."""
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    with _ONE_HEADER:
        shape, fortran, dtype = read(BytesIO(content), max_header_size=_MOST_HEADER)
    return tuple(int(n) for n in shape), bool(fortran), dtype

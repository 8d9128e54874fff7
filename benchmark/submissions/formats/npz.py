"""Predictions in one npz file for each stimulus, written and read frame by frame.

Written: an array for each frame, named by its number: `numpy.load("002.npz")["000012"]`; or `frames` and `xy` of gaze
points. Read as well: one array (n, h, w) of any name, with or without an array `frames`. Pickled objects are refused.
"""

from __future__ import annotations

import math
import os
import zipfile
import zlib
from collections.abc import Collection, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from vidsal.loaders.errors import BadData
from vidsal.loaders.io.names import is_left_behind

from ...metrics.maps import Map
from ...prefetch import prefetch_items
from ..safe_files import file_digest, open_regular
from .stored import MOST_FRAMES, Inspection, Limits, Numbered, Read

TYPES = frozenset({"uint8", "uint16", "float16", "float32", "float64"})

_MOST_HEADER = 4096
_MOST_RATIO = 1040  # the highest ratio that deflate reaches


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


@dataclass(frozen=True)
class _Array:
    """A member of the file: its header."""

    member: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class NpzFile:
    """An npz file of predictions."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self.path = path
        self._limits = limits

    def inspect(self) -> Inspection:
        """Read the directory and the headers of the arrays."""
        found = Inspection()
        try:
            with self._open() as archive:
                self._inspect(archive, found)
        except BadData as fault:
            found.faults.append(str(fault).removeprefix(f"{self.path}: "))
            found.readable = False
        return found

    def _inspect(self, archive: zipfile.ZipFile, found: Inspection) -> None:
        arrays = self._arrays(archive)
        if "xy" in arrays:
            frames = self._frames(archive, arrays, arrays["xy"].shape[0] if arrays["xy"].shape else 0)
            found.numbered = "list" if "frames" in arrays else "order"
            if set(arrays) - {"xy", "frames"} or arrays["xy"].shape != (len(frames), 2):
                raise BadData(f"{self.path}: gaze points are arrays `xy` (n, 2) and `frames` (n,)")
            found.frames, found.numbers = frames, {"points": "xy"}
            return
        single = self._single(arrays)
        if single is None:
            maps = {int(name): array for name, array in arrays.items()}
            found.frames = sorted(maps)
            shapes = {f"{frame}": maps[frame].shape for frame in found.frames}
        else:
            found.frames = self._frames(archive, arrays, single.shape[0])
            found.numbered = "list" if "frames" in arrays else "order"
            shapes = {single.member: single.shape[1:]}
        for name, shape in shapes.items():
            if len(shape) != 2 or min(shape) < 1:
                raise BadData(f"{self.path}: array {name} has shape {shape}; a map is (h, w)")
            self._limits.check(shape[1], shape[0], f"array {name}")
            found.sizes.setdefault((shape[1], shape[0]), f"array {name}")
        for name, array in arrays.items():
            if name != "frames":
                found.numbers.setdefault(array.dtype.name, f"array {name}")

    def numbers(self) -> tuple[list[int], Numbered]:
        """Return the names of the arrays, or the array `frames`; one array of all maps has none."""
        with self._open() as archive:
            found = Inspection()
            self._inspect(archive, found)
        return found.frames, found.numbered

    def read(self, wanted: Collection[int], threads: int) -> Iterator[Read]:
        """Read the wanted maps one after another, in a thread."""
        return prefetch_items(self._iterate(frozenset(wanted)))

    def _iterate(self, wanted: frozenset[int]) -> Generator[Read]:
        with self._open() as archive:
            arrays = self._arrays(archive)
            if "xy" in arrays:
                yield from self._points(archive, arrays, wanted)
                return
            single = self._single(arrays)
            if single is None:
                by_frame = {int(name): array for name, array in arrays.items()}
                for frame in sorted(wanted & set(by_frame)):
                    yield frame, self._one(archive, by_frame[frame])
                return
            self._limits.check(single.shape[2], single.shape[1], str(self.path))
            frames = self._frames(archive, arrays, single.shape[0])
            with self._member(archive, single) as member:
                for frame in frames:
                    values = self._take(member, single, single.shape[1:])
                    yield frame, values if frame in wanted else None

    def digest(self) -> str:
        """Digest of the file."""
        return file_digest(self.path)

    # Reading -------------------------------------------------------------------------------------------------------

    @contextmanager
    def _open(self) -> Iterator[zipfile.ZipFile]:
        with os.fdopen(open_regular(self.path), "rb") as file:
            try:
                archive = zipfile.ZipFile(file)
            except (zipfile.BadZipFile, ValueError, OSError, RuntimeError) as error:
                raise BadData(f"{self.path}: no npz file ({error}); write it with numpy.savez") from error
            with archive:
                yield archive

    def _arrays(self, archive: zipfile.ZipFile) -> dict[str, _Array]:
        """Read the header of every array; names without `.npy`."""
        members = [member for member in archive.infolist() if not _is_left_behind(member.filename)]
        if len(members) > MOST_FRAMES:
            raise BadData(f"{self.path}: holds {len(members)} arrays")
        arrays: dict[str, _Array] = {}
        for entry in members:
            self._check_member(entry)
            name = entry.filename.removesuffix(".npy")
            if name in arrays:
                raise BadData(f"{self.path}: holds two arrays {name!r}")
            arrays[name] = self._header(archive, entry)
        return arrays

    def _check_member(self, entry: zipfile.ZipInfo) -> None:
        name = entry.filename
        if not name.endswith(".npy") or name != name.rsplit("/", 1)[-1] or "\\" in name or "\x00" in name:
            raise BadData(f"{self.path}: holds {name[:80]!r}; only plain arrays `NAME.npy` belong into it")
        if entry.flag_bits & 1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BadData(f"{self.path}: {name[:80]!r} is encrypted, or compressed in a way that numpy does not write")
        if entry.file_size > _MOST_RATIO * entry.compress_size + 1024:
            raise BadData(
                f"{self.path}: {name[:80]!r} claims to grow from {entry.compress_size} to {entry.file_size} bytes"
            )

    def _header(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> _Array:
        where = f"{self.path}: array {entry.filename[:80]}"
        try:
            with archive.open(entry) as member:
                shape, fortran, dtype = _read_header(member)
                begun = member.tell()
        except (ValueError, EOFError, OSError, zlib.error, zipfile.BadZipFile, RuntimeError) as error:
            raise BadData(f"{where} cannot be read ({error})") from error
        if dtype.hasobject:
            raise BadData(f"{where} holds pickled objects, which are never read; store plain numbers")
        if dtype.name not in TYPES and not (entry.filename == "frames.npy" and dtype.kind in "iu"):
            raise BadData(f"{where} is of type {dtype}; expected one of {', '.join(sorted(TYPES))}")
        if fortran and len(shape) > 1:
            raise BadData(f"{where} is stored in Fortran order; save numpy.ascontiguousarray of it")
        if math.prod(shape) * dtype.itemsize + begun != entry.file_size:
            raise BadData(f"{where} holds {entry.file_size} bytes, its header says otherwise")
        return _Array(entry.filename, shape, dtype)

    def _single(self, arrays: dict[str, _Array]) -> _Array | None:
        """The one array that holds all maps; None where each frame has its own."""
        maps = [a for name, a in arrays.items() if name != "frames"]
        if len(maps) == 1 and len(maps[0].shape) == 3:
            return maps[0]
        if len(maps) == 1 and len(maps[0].shape) == 2 and not maps[0].member.removesuffix(".npy").isdigit():
            return _Array(maps[0].member, (1, *maps[0].shape), maps[0].dtype)
        names = [name for name in arrays if not (name.isascii() and name.isdigit() and len(name) < 12)]
        if names or len({int(n) for n in arrays}) < len(arrays):
            raise BadData(
                f"{self.path}: expected an array for each frame, named by its number, or one array (n, h, w) and "
                f"perhaps `frames` (n,); found {', '.join(sorted(arrays)[:5])}"
            )
        return None

    def _frames(self, archive: zipfile.ZipFile, arrays: dict[str, _Array], n: int) -> list[int]:
        if "frames" not in arrays:
            return list(range(n))
        listed = arrays["frames"]
        if listed.dtype.kind not in "iu" or listed.shape != (n,) or n > MOST_FRAMES:
            raise BadData(
                f"{self.path}: `frames` is {listed.dtype} {listed.shape}; expected one integer for each of {n}"
            )
        with self._member(archive, listed) as member:
            frames = [int(f) for f in self._take(member, listed, (n,))]
        if any(a >= b for a, b in zip(frames, frames[1:], strict=False)) or (frames and frames[0] < 0):
            raise BadData(f"{self.path}: `frames` must ascend from 0 or later")
        return frames

    @contextmanager
    def _member(self, archive: zipfile.ZipFile, array: _Array) -> Iterator[IO[bytes]]:
        with archive.open(array.member) as member:
            _read_header(member)
            yield member

    def _take(self, member: IO[bytes], array: _Array, shape: tuple[int, ...]) -> Map:
        size = math.prod(shape) * array.dtype.itemsize
        try:
            data = member.read(size)
            while len(data) < size and (more := member.read(size - len(data))):
                data += more
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
            raise BadData(f"{self.path}: array {array.member} cannot be read ({error}); write it again") from error
        if len(data) != size:
            raise BadData(f"{self.path}: array {array.member} is cut short; write it again")
        values = np.frombuffer(data, array.dtype).reshape(shape)
        return values.astype(array.dtype.newbyteorder("="), copy=False)

    def _one(self, archive: zipfile.ZipFile, array: _Array) -> Map:
        self._limits.check(array.shape[1], array.shape[0], str(self.path))
        with self._member(archive, array) as member:
            return self._take(member, array, array.shape)

    def _points(self, archive: zipfile.ZipFile, arrays: dict[str, _Array], wanted: frozenset[int]) -> Iterator[Read]:
        listed = arrays["xy"]
        frames = self._frames(archive, arrays, listed.shape[0])
        with self._member(archive, listed) as member:
            xy = self._take(member, listed, listed.shape).astype(np.float64)
        for frame, point in zip(frames, xy, strict=True):
            if frame in wanted:
                yield frame, point


def _is_left_behind(path: str) -> bool:
    parts = path.split("/")
    return ".." not in parts and any(is_left_behind(part) for part in parts if part)


def _read_header(member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read the header of an npy stream: shape, Fortran order, type."""
    version = np.lib.format.read_magic(member)
    if version == (1, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(member, max_header_size=_MOST_HEADER)
    elif version == (2, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(member, max_header_size=_MOST_HEADER)
    else:
        raise ValueError(f"npy version {version}")
    return tuple(int(n) for n in shape), bool(fortran), dtype

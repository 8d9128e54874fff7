"""Predictions in one file a frame: pictures, or arrays, numbered in their names."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path

from vidsal.loaders.errors import BadData, MissingData
from vidsal.loaders.io.matching import numbers
from vidsal.loaders.io.names import is_left_behind

from ...metrics.maps import Map
from ...prefetch import DEPTH, prefetch_calls
from ..safe_files import file_digest, folder_digest, open_regular, read_bounded
from . import pictures, png
from .arrays import ArrayFile
from .matrices import Hdf5File, MatFile
from .npz import NpyFile, NpzFile
from .stored import Inspection, Limits, Numbered, Read

ARRAYS: dict[str, type[ArrayFile]] = {
    ".npz": NpzFile,
    ".npy": NpyFile,
    ".mat": MatFile,
    ".h5": Hdf5File,
    ".hdf5": Hdf5File,
}
"""Readers of files of arrays, by suffix."""

_TOGETHER = 4  # files in one call of a thread: fewer calls


def is_map_file(name: str) -> bool:
    """Whether a file of this name can hold the map of a frame."""
    return pictures.is_picture(name) or _suffix(name) in ARRAYS


class MapFiles:
    """Files of one map each.

    Args:
        path: their folder, or the file of an image.
        limits: of the maps.
        files: number and path of each; None = every file of the folder, numbered by its name.
        single: whether `path` is the one file of an image, whose name is no number.
    """

    def __init__(
        self, path: Path, limits: Limits, files: Mapping[int, str] | None = None, *, single: bool = False
    ) -> None:
        self.path = path
        self._limits = limits
        self._single = single
        self._digests: dict[str, str] | None = None
        self._faults: list[str] = []
        found = {0: str(path)} if single else self._list() if files is None else files
        self._files = dict(sorted(found.items()))

    def _list(self) -> dict[int, str]:
        """Number and path of every file."""
        paths: dict[str, str] = {}
        with os.scandir(self.path) as entries:
            for entry in sorted(entries, key=lambda e: e.name):
                if is_left_behind(entry.name):
                    continue
                if entry.is_symlink() or not entry.is_file(follow_symlinks=False):
                    self._faults.append(f"{entry.name} is a link or a folder; this folder holds one file a frame only")
                elif is_map_file(entry.name):
                    paths[entry.name] = entry.path
                else:
                    self._faults.append(f"{entry.name} is no numbered map ({', '.join(_FORMS)})")
        read = numbers([os.path.splitext(name)[0] for name in paths])
        self._faults += [read.fault] if read.fault else []
        files: dict[int, str] = {}
        for name, path in paths.items():
            stem = os.path.splitext(name)[0]
            number = read.found.get(stem)
            if stem in read.without:
                self._faults.append(f"{name} has no number")
            elif number in files:
                self._faults.append(f"{name} and {os.path.basename(files[number])} have one number")
            elif number is not None:
                files[number] = path
        return files

    @property
    def files(self) -> Mapping[int, str]:
        """Number and path of each file, ascending."""
        return self._files

    def numbers(self) -> tuple[list[int], Numbered]:
        """Return the numbers in the names; a single file has none."""
        return list(self._files), "order" if self._single else "names"

    def inspect(self) -> Inspection:
        """Read the header of every file."""
        found = Inspection(*self.numbers(), faults=list(self._faults))
        for path in self._files.values():
            name = os.path.basename(path)
            try:
                size, kind, lossy = self._look(path, name)
                self._limits.check(*size, name)
            except (BadData, MissingData) as fault:
                found.faults.append(str(fault))
                continue
            found.sizes.setdefault(size, name)
            found.numbers.setdefault(kind, name)
            if lossy:
                found.lossy.setdefault(lossy, name)
        return found

    def _look(self, path: str, name: str) -> tuple[tuple[int, int], str, str | None]:
        """Size, type of the numbers, and what was lost."""
        if not pictures.is_picture(name):
            seen = ARRAYS[_suffix(name)](Path(path), self._limits).inspect()
            if seen.faults or len(seen.frames) != 1 or len(seen.sizes) != 1:
                why = seen.faults[0] if seen.faults else f"it holds {len(seen.frames)}"
                raise BadData(f"{name}: expected the map of one frame, an array (h, w): {why}")
            return next(iter(seen.sizes)), next(iter(seen.numbers)), None
        if _suffix(name) == ".png":
            descriptor = open_regular(path)
            try:
                data = os.read(descriptor, png.HEADER_BYTES)
            finally:
                os.close(descriptor)
        else:
            data = read_bounded(path, self._most_bytes)
        header = pictures.look(data, name)
        return (header.width, header.height), header.numbers, header.lossy

    def read(self, wanted: Collection[int], threads: int) -> Iterator[Read]:
        """Decode the wanted files; with `checked`, the others are read too, for their digest."""
        needed = [
            (number, path, number in wanted)
            for number, path in self._files.items()
            if number in wanted or self._digests is not None
        ]
        calls = (partial(self._read_some, needed[i : i + _TOGETHER]) for i in range(0, len(needed), _TOGETHER))
        return chain.from_iterable(prefetch_calls(calls, threads, threads + DEPTH // _TOGETHER))

    def one_map(self) -> Map:
        """Decode the map of a single file."""
        ((_, values),) = self._read_some([(number, path, True) for number, path in self._files.items()])
        assert values is not None
        return values

    def checked(self) -> MapFiles:
        """Take the digest of every file while it is read, for `digest`."""
        self._digests = {}
        return self

    def _read_some(self, files: Sequence[tuple[int, str, bool]]) -> list[Read]:
        return [self._read(*file) for file in files]

    def _read(self, number: int, path: str, decode: bool) -> Read:
        if not pictures.is_picture(path):
            if self._digests is not None:
                self._digests[path] = file_digest(path)
            return number, ARRAYS[_suffix(path)](Path(path), self._limits).one_map() if decode else None
        data = read_bounded(path, self._most_bytes)
        if self._digests is not None:
            self._digests[path] = hashlib.sha256(data).hexdigest()
        return number, self._decode(data, path) if decode else None

    def _decode(self, data: bytes, path: str) -> Map:
        header = pictures.look(data, path)
        self._limits.check(header.width, header.height, path)
        return pictures.decode(data, path)

    @property
    def _most_bytes(self) -> int:
        return 16 * self._limits.most_pixels

    def digest(self) -> str:
        """Digest over the names and digests of the files; of a single file, its own."""
        known = self._digests or {}
        names = ((os.path.relpath(p, self.path).replace(os.sep, "/"), p) for p in self._files.values())
        digests = {name: known.get(p) or file_digest(p) for name, p in names}
        return next(iter(digests.values())) if self._single else folder_digest(digests)


_FORMS = (*pictures.FORMATS, *ARRAYS)


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()

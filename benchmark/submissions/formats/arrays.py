"""Predictions in arrays: which array of a file is the map of which frame, whatever the file's format.

An array (h, w) for each frame, named by its number; or one array (n, h, w) of any name, with or without an array
`frames` (n,) of their numbers; or gaze points, `xy` (n, 2) and perhaps `frames`. NumPy's own names of arrays without
one, `arr_0`, `arr_1` ..., are an order, not numbers.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from vidsal.loaders.errors import BadData, MissingData
from vidsal.loaders.io.matching import numbers
from vidsal.loaders.io.names import shortlist

from ...geometry import same_aspect
from ...metrics.maps import Map
from ...prefetch import prefetch_items
from ..safe_files import file_digest
from .stored import MOST_FRAMES, Inspection, Limits, Numbered, Read

TYPES = frozenset({"uint8", "uint16", "float16", "float32", "float64"})
"""Types that are read as they are; whole numbers of other types become float64, truth values uint8."""

_UNNAMED = re.compile(r"arr_[0-9]{1,9}$")


@dataclass(frozen=True)
class Array:
    """What the header of an array says; its shape is that of `map_axes`."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def map_axes(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the axes that count: those of batches and channels, of length 1 as networks give them, do not.

    >>> map_axes((30, 1, 36, 64)), map_axes((1, 30, 36, 64)), map_axes((36, 64, 1)), map_axes((1, 36, 64))
    ((0, 2, 3), (1, 2, 3), (0, 1), (1, 2))
    >>> map_axes((30, 36, 64)), map_axes((30, 3, 36, 64))
    ((0, 1, 2), (0, 1, 2, 3))
    """
    counting = tuple(axis for axis, n in enumerate(shape) if n != 1)
    channel = len(shape) > 3 or (len(shape) == 3 and 1 in (shape[0], shape[2]))
    return counting if channel and len(counting) in (2, 3) else tuple(range(len(shape)))


def map_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the lengths of `map_axes`."""
    return tuple(shape[axis] for axis in map_axes(shape))


class Source(Protocol):
    """An open file of arrays."""

    @property
    def arrays(self) -> Mapping[str, Array]:
        """Headers by name."""
        ...

    def whole(self, name: str) -> Map:
        """Read an array."""
        ...

    def rows(self, name: str) -> Iterator[Map]:
        """Read an array along its first axis."""
        ...


class ArrayFile(ABC):
    """A file of arrays with the predictions of one stimulus."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self.path = path
        self._limits = limits

    @abstractmethod
    def _open(self) -> AbstractContextManager[Source]:
        """Open the file and read the headers of its arrays.

        Raises:
            BadData: it is damaged, or holds what is no array of numbers.
        """

    def inspect(self) -> Inspection:
        """Read the headers of the arrays."""
        found = Inspection()
        try:
            with self._open() as source:
                self._inspect(source, found)
        except (BadData, MissingData) as fault:
            found.faults.append(str(fault).removeprefix(f"{self.path}: "))
            found.readable = False
        return found

    def numbers(self) -> tuple[list[int], Numbered]:
        """Return the names of the arrays, or the array `frames`; one array of all maps has none."""
        with self._open() as source:
            found = Inspection()
            self._inspect(source, found)
        return found.frames, found.numbered

    def read(self, wanted: Collection[int], threads: int) -> Iterator[Read]:
        """Read the wanted maps one after another, in a thread."""
        return prefetch_items(self._iterate(frozenset(wanted)))

    def digest(self) -> str:
        """Digest of the file."""
        return file_digest(self.path)

    def one_map(self) -> Map:
        """Read a file that holds the map of one frame.

        Raises:
            BadData: it holds something else.
        """
        values = [values for _, values in self._iterate(None)]
        if len(values) != 1 or values[0] is None or values[0].ndim != 2:
            raise BadData(f"{self.path}: expected one array (h, w), found {len(values)} maps")
        return values[0]

    def _inspect(self, source: Source, found: Inspection) -> None:
        arrays = source.arrays
        if "xy" in arrays:
            shape = arrays["xy"].shape
            found.frames, found.numbered = self._listed(source, shape[0] if shape else 0)
            if set(arrays) - {"xy", "frames"} or shape != (len(found.frames), 2):
                raise BadData(f"{self.path}: gaze points are arrays `xy` (n, 2) and `frames` (n,)")
            found.numbers = {"points": "xy"}
            return
        single = self._single(arrays)
        if single is not None:
            shape = arrays[single].shape
            frame = (self._limits.height, self._limits.width)
            if len(shape) == 3 and same_aspect(shape[:2], frame) and not same_aspect(shape[1:], frame):
                named = f"array {single}".strip()
                raise BadData(f"{self.path}: {named} has shape {shape}, the frames last; store (frames, height, width)")
            found.frames, found.numbered = self._listed(source, shape[0] if len(shape) == 3 else 1)
            shapes = {single: shape[-2:]}
        else:
            by_number, found.numbered = self._by_number(arrays)
            found.frames = sorted(by_number)
            shapes = {by_number[frame]: arrays[by_number[frame]].shape for frame in found.frames}
        for name, shape in shapes.items():
            if len(shape) != 2 or min(shape) < 1:
                raise BadData(f"{self.path}: array {name} has shape {shape}; a map is (h, w)")
            self._limits.check(shape[1], shape[0], f"array {name}")
            found.sizes.setdefault((shape[1], shape[0]), f"array {name}")
        for name, array in arrays.items():
            if name != "frames":
                found.numbers.setdefault(array.dtype.name, f"array {name}")

    def _iterate(self, wanted: frozenset[int] | None) -> Generator[Read]:
        """Yield the wanted maps, all where that is None."""
        with self._open() as source:
            found = Inspection()
            self._inspect(source, found)  # sizes are limited before anything is read
            arrays = source.arrays
            if "xy" in arrays:
                for frame, point in zip(found.frames, source.whole("xy").astype(np.float64), strict=True):
                    yield frame, point if wanted is None or frame in wanted else None
                return
            single = self._single(arrays)
            if single is None:
                by_number, _ = self._by_number(arrays)
                for frame in found.frames:
                    if wanted is None or frame in wanted:
                        yield frame, plain(source.whole(by_number[frame]))
                return
            maps = source.rows(single) if len(arrays[single].shape) == 3 else iter((source.whole(single),))
            for frame, values in zip(found.frames, maps, strict=True):
                yield frame, plain(values) if wanted is None or frame in wanted else None

    def _single(self, arrays: Mapping[str, Array]) -> str | None:
        """The one array that holds all maps; None where each frame has its own."""
        maps = [name for name in arrays if name != "frames"]
        if len(maps) != 1:
            return None
        dimensions = len(arrays[maps[0]].shape)
        return maps[0] if dimensions == 3 or (dimensions == 2 and not maps[0].isdigit()) else None

    def _by_number(self, arrays: Mapping[str, Array]) -> tuple[dict[int, str], Numbered]:
        names = list(arrays)
        unnamed = all(map(_UNNAMED.match, names))
        read = numbers(names)
        by_number = {number: name for name, number in read.found.items()}
        order = list(range(len(names)))
        if read.fault or read.without or len(by_number) < len(names) or (unnamed and sorted(by_number) != order):
            raise BadData(
                f"{self.path}: expected an array for each frame, named by its number, or one array (n, h, w) and "
                f"perhaps `frames` (n,); found {shortlist(f'{n} {arrays[n].shape}'.strip() for n in sorted(names))}"
                + (f"; {read.fault}" if read.fault else "")
            )
        return by_number, "order" if unnamed else "names"

    def _listed(self, source: Source, n: int) -> tuple[list[int], Numbered]:
        if "frames" not in source.arrays:
            return list(range(n)), "order"
        listed = source.arrays["frames"]
        if listed.dtype.kind not in "iu" or listed.shape != (n,) or n > MOST_FRAMES:
            raise BadData(
                f"{self.path}: `frames` is {listed.dtype} {listed.shape}; expected one integer for each of {n}"
            )
        frames = [int(f) for f in source.whole("frames")]
        if any(a >= b for a, b in zip(frames, frames[1:], strict=False)) or (frames and frames[0] < 0):
            raise BadData(f"{self.path}: `frames` must ascend from 0 or later")
        return frames, "list"


def plain(values: Map) -> Map:
    """Return a map in one of `TYPES`, in the machine's byte order."""
    if values.dtype.kind == "b":
        return values.astype(np.uint8)
    if values.dtype.name in TYPES:
        return values.astype(values.dtype.newbyteorder("="), copy=False)
    return values.astype(np.float64)


def check_type(dtype: np.dtype[Any], where: str) -> None:
    """Refuse what holds no real numbers.

    Raises:
        BadData: pickled objects, text, complex numbers.
    """
    if dtype.hasobject:
        raise BadData(f"{where} holds pickled objects, which are never read; store plain numbers")
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise BadData(f"{where} is of type {dtype}; expected one of {', '.join(sorted(TYPES))}")

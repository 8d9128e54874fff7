"""The stored predictions of one stimulus, and those that are a folder of images."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from vidsal.loaders.errors import BadData
from vidsal.loaders.io.matching import numbers
from vidsal.loaders.io.names import is_left_behind

from ...metrics.maps import Map
from ...prefetch import DEPTH, prefetch_calls
from ..safe_files import folder_digest, open_regular, read_bounded
from . import png

Read = tuple[int, Map | None]
"""A frame's number in the files and its values: a map, or the x and y of a gaze point; None where only checked."""

Numbered = Literal["names", "list", "order"]
"""Where numbers of frames stand: in the names of files and arrays, in an array `frames`, or nowhere: 0, 1, 2 ..."""

MOST_FRAMES = 10_000_000
_TOGETHER = 4  # files in one call of a thread: fewer calls


@dataclass(frozen=True)
class Limits:
    """What the predictions of a stimulus may be.

    Attributes:
        width, height: of the stimulus.
    """

    width: int
    height: int

    @property
    def most_pixels(self) -> int:
        """Largest map that is read: four times the stimulus, and a million pixels in any case."""
        return max(4 * self.width * self.height, 1 << 20)

    def check(self, width: int, height: int, where: str) -> None:
        """Refuse a map that is too large.

        Raises:
            BadData: the message holds both sizes.
        """
        if width * height > self.most_pixels:
            raise BadData(
                f"{where}: a map of {width} x {height}, at most {self.most_pixels} pixels are read for a stimulus of "
                f"{self.width} x {self.height}; store the size that the model gives"
            )


@dataclass
class Inspection:
    """What names and headers show of stored predictions, without decoding them.

    Attributes:
        frames: numbers of the predicted frames, ascending, as the files name them.
        numbered: how they name them.
        sizes: (width, height) of the maps, each with the first file or frame that has it.
        numbers: of what type: `png8`, `png16`, `float16`, `uint8`, `points` ..., each with its first file or frame.
        faults: what is wrong, one sentence each.
        readable: False if the file could not be opened, so that nothing is known of its frames.
    """

    frames: list[int] = field(default_factory=list)
    numbered: Numbered = "names"
    sizes: dict[tuple[int, int], str] = field(default_factory=dict)
    numbers: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    readable: bool = True


class Stored(Protocol):
    """The stored predictions of one stimulus."""

    def inspect(self) -> Inspection:
        """Look at names and headers, not at pixels."""
        ...

    def numbers(self) -> tuple[list[int], Numbered]:
        """Return the numbers of the frames, ascending, and where they stand; see `frame_numbers.py`."""
        ...

    def read(self, wanted: Collection[int], threads: int) -> Iterator[Read]:
        """Read the wanted numbers in order, some ahead of their reader; others may come too, without values."""
        ...

    def digest(self) -> str:
        """Digest of the files, as the manifest holds it; what `read` has kept of them is not read again."""
        ...


class PngFolder:
    """A folder of numbered gray PNG files, one a frame; or a single file for an image."""

    def __init__(self, path: Path, limits: Limits, *, single: bool = False) -> None:
        self.path = path
        self._limits = limits
        self._single = single
        self._digests: dict[str, str] | None = None
        self._faults: list[str] = []
        self._files = self._list()

    def _list(self) -> dict[int, str]:
        """Number and path of every file."""
        if self._single:
            return {0: str(self.path)}
        paths: dict[str, str] = {}
        with os.scandir(self.path) as entries:
            for entry in sorted(entries, key=lambda e: e.name):
                if is_left_behind(entry.name):
                    continue
                if entry.is_symlink() or not entry.is_file(follow_symlinks=False):
                    self._faults.append(f"{entry.name} is a link or a folder; this folder holds PNG files only")
                elif entry.name.lower().endswith(".png"):
                    paths[entry.name] = entry.path
                else:
                    self._faults.append(f"{entry.name} is no numbered PNG file")
        found = numbers([os.path.splitext(name)[0] for name in paths])
        self._faults += [found.fault] if found.fault else []
        files: dict[int, str] = {}
        for name, path in paths.items():
            stem = os.path.splitext(name)[0]
            number = found.found.get(stem)
            if stem in found.without:
                self._faults.append(f"{name} is no numbered PNG file")
            elif number in files:
                self._faults.append(f"{name} and {os.path.basename(files[number])} have one number")
            elif number is not None:
                files[number] = path
        return dict(sorted(files.items()))

    def numbers(self) -> tuple[list[int], Numbered]:
        """Return the numbers in the names; a single file has none."""
        return list(self._files), "order" if self._single else "names"

    def inspect(self) -> Inspection:
        """Read the header of every file."""
        found = Inspection(*self.numbers(), faults=list(self._faults))
        for path in self._files.values():
            name = os.path.basename(path)
            try:
                descriptor = open_regular(path)
                try:
                    header = png.read_header(os.read(descriptor, png.HEADER_BYTES), name)
                finally:
                    os.close(descriptor)
                self._limits.check(header.width, header.height, name)
            except BadData as fault:
                found.faults.append(str(fault))
                continue
            found.sizes.setdefault((header.width, header.height), name)
            found.numbers.setdefault(f"png{header.bits}", name)
        return found

    def read(self, wanted: Collection[int], threads: int) -> Iterator[Read]:
        """Decode the wanted files; with `checked`, the others are read too, for their digest."""
        needed = [
            (frame, path, frame in wanted)
            for frame, path in self._files.items()
            if frame in wanted or self._digests is not None
        ]
        calls = (partial(self._read_some, needed[i : i + _TOGETHER]) for i in range(0, len(needed), _TOGETHER))
        return chain.from_iterable(prefetch_calls(calls, threads, threads + DEPTH // _TOGETHER))

    def checked(self) -> PngFolder:
        """Take the digest of every file while it is read, for `digest`."""
        self._digests = {}
        return self

    def _read_some(self, files: Sequence[tuple[int, str, bool]]) -> list[Read]:
        return [self._read(*file) for file in files]

    def _read(self, frame: int, path: str, decode: bool) -> Read:
        data = read_bounded(path, self._most_bytes)
        if self._digests is not None:
            self._digests[path] = hashlib.sha256(data).hexdigest()
        if not decode:
            return frame, None
        header = png.read_header(data, path)
        self._limits.check(header.width, header.height, path)
        return frame, png.decode(data, path)

    @property
    def _most_bytes(self) -> int:
        return 16 * self._limits.most_pixels

    def digest(self) -> str:
        """Digest over the names and digests of the files; of a single file, its own."""
        known = self._digests or {}
        digests = {
            os.path.basename(p): known.get(p) or hashlib.sha256(read_bounded(p, self._most_bytes)).hexdigest()
            for p in self._files.values()
        }
        return next(iter(digests.values())) if self._single else folder_digest(digests)


def check_gaze(frame: int, xy: Map, where: str) -> tuple[float, float]:
    """Return x and y of a stored gaze point.

    Raises:
        BadData: not two finite numbers.
    """
    if xy.shape != (2,) or not np.isfinite(xy).all():
        raise BadData(f"{where}, frame {frame}: a gaze point is two finite numbers, found {xy.tolist()}")
    return float(xy[0]), float(xy[1])

"""The scored frames of runs: in memory, or in a file from which the page of a stimulus reads what it shows."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.int32]
Values = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Rows:
    """The scored frames of a run, stimulus after stimulus.

    Attributes:
        offsets: where each stimulus begins, int (stimuli + 1,).
        frame: 0-based, int32 (n,), ascending within a stimulus.
        values: a column a metric, float32 (n, columns); NaN where it is undefined.
    """

    offsets: npt.NDArray[np.int64]
    frame: Frames
    values: Values

    def of(self, place: int) -> tuple[Frames, Values]:
        """Return the frames of a stimulus, and their values."""
        part = slice(int(self.offsets[place]), int(self.offsets[place + 1]))
        return self.frame[part], self.values[part]

    def spooled(self, path: Path) -> SpooledRows:
        """Add the rows to the end of a file."""
        with path.open("ab") as file:
            begin = file.tell()
            file.write(self.to_bytes())
        return SpooledRows(path, begin, self.offsets, self.values.shape[1])

    def to_bytes(self) -> bytes:
        """Return the rows as they lie in a file."""
        record = np.empty(len(self.frame), _record(self.values.shape[1]))
        record["frame"], record["values"] = self.frame, self.values
        return record.tobytes()


@dataclass(frozen=True)
class SpooledRows:
    """The rows of a run in a file that holds those of many; memory then does not grow with them.

    Attributes:
        path: the file.
        begin: where the run begins in it, in bytes.
        offsets: as in `Rows`.
        columns: how many metrics.
    """

    path: Path
    begin: int
    offsets: npt.NDArray[np.int64]
    columns: int

    def of(self, place: int) -> tuple[Frames, Values]:
        """Return the frames of a stimulus, and their values."""
        record = _record(self.columns)
        first, last = int(self.offsets[place]), int(self.offsets[place + 1])
        file = _opened(self.path)
        file.seek(self.begin + first * record.itemsize)
        found = np.frombuffer(file.read((last - first) * record.itemsize), record)
        return found["frame"], found["values"]


@cache
def _record(columns: int) -> np.dtype[np.void]:
    return np.dtype([("frame", "<i4"), ("values", "<f4", (columns,))])


_open: dict[Path, BinaryIO] = {}
_MOST_OPEN = 200
"""Files that stay open; some systems allow a process 256."""


def _opened(path: Path) -> BinaryIO:
    if path not in _open:
        if len(_open) >= _MOST_OPEN:
            _open.pop(next(iter(_open))).close()
        _open[path] = path.open("rb", buffering=0)
    return _open[path]


@contextmanager
def spool(folder: Path) -> Iterator[Path]:
    """Give a new folder for the rows of runs; it vanishes at the end, and all files of rows are closed."""
    folder.mkdir()
    try:
        yield folder
    finally:
        while _open:
            _open.popitem()[1].close()
        shutil.rmtree(folder)

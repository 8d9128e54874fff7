"""The scored frames of runs: in memory, in the run's own file, or in one from which a page reads what it shows."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from operator import is_
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vidsal.benchmark.evaluation.results.check import rows_digest
from vidsal.benchmark.evaluation.results.shared import is_scored, once, read_rows, stimuli_of
from vidsal.loaders.errors import BadData

Frames = npt.NDArray[np.int32]
Values = npt.NDArray[np.float32]

_AHEAD = 40
"""Stimuli that are read at once: pages are made one after another."""
_MOST_BLOCKS = 256
"""Runs of which so many stimuli stay in memory: as many as a board has, some 25 MB."""


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
        """Add the rows to the end of a file; frames that the last rows had, too, stand there once."""
        same, known = (self.frame, self.offsets), _spooled.get(path)
        with path.open("ab") as file:
            frames = known.frames if known and all(map(is_, known.same, same)) else _added(file, self.frame)
            values = _added(file, self.values)
        _spooled[path] = _Spooled(same, frames)
        return SpooledRows(str(path), frames, values, self.offsets, self.values.shape[1])


def _added(file: BinaryIO, array: npt.NDArray[np.generic]) -> int:
    """Add an array to the end of a file; return where it begins."""
    begin = file.tell()
    array.tofile(file)
    return begin


@dataclass(frozen=True)
class SpooledRows:
    """The rows of a run in a file that holds those of many; memory then does not grow with them.

    Attributes:
        path: the file.
        frames, values: where those of the run begin in it, in bytes; several runs may share their frames.
        offsets: as in `Rows`.
        columns: how many metrics.
    """

    path: str
    frames: int
    values: int
    offsets: npt.NDArray[np.int64]
    columns: int

    def of(self, place: int) -> tuple[Frames, Values]:
        """Return the frames of a stimulus, and their values; runs that share their frames give one array."""
        block = _blocks.get((self.path, self.values))
        if block is None or not block.first <= place < block.first + _AHEAD:
            block = self._read(place)
        k = place - block.first
        return block.frames[k], block.values[k]

    def _read(self, first: int) -> _Block:
        """Read the rows of some stimuli."""
        bounds = tuple(self.offsets[first : first + _AHEAD + 1].tolist())
        frames = _frames(self.path, self.frames, bounds)
        n = bounds[-1] - bounds[0]
        begin = self.values + 4 * self.columns * bounds[0]
        found = np.fromfile(self.path, np.float32, n * self.columns, offset=begin).reshape(n, self.columns)
        values = [found[a - bounds[0] : b - bounds[0]] for a, b in pairwise(bounds)]
        _blocks.pop((self.path, self.values), None)
        while len(_blocks) >= _MOST_BLOCKS:
            del _blocks[next(iter(_blocks))]
        block = _blocks[self.path, self.values] = _Block(first, frames, values)
        return block


@lru_cache(maxsize=16)
def _frames(path: str, begin: int, bounds: tuple[int, ...]) -> list[Frames]:
    """Read the frames of some stimuli; `bounds` tells where each begins, and where the last one ends."""
    found = np.fromfile(path, np.int32, bounds[-1] - bounds[0], offset=begin + 4 * bounds[0])
    return [found[a - bounds[0] : b - bounds[0]] for a, b in pairwise(bounds)]


@dataclass(frozen=True)
class StoredRows:
    """The rows of a run that was read and checked by an earlier build, in its frames.parquet.

    Attributes:
        path: the file.
        digest: of its rows when they were checked.
        ids: the stimuli of the run, in its order.
        names: the metrics.
        offsets: as in `Rows`.
    """

    path: Path
    digest: str
    ids: tuple[str, ...]
    names: tuple[str, ...]
    offsets: npt.NDArray[np.int64]

    def of(self, place: int) -> tuple[Frames, Values]:
        """Return the frames of a stimulus, and their values."""
        return self.read().of(place)

    def read(self) -> Rows:
        """Return the rows.

        Raises:
            BadData: the file has other rows, though the system saw nobody write to it.
        """
        return _stored(self.path, self.digest, self.ids, self.names)


@lru_cache(maxsize=4)
def _stored(path: Path, digest: str, ids: tuple[str, ...], names: tuple[str, ...]) -> Rows:
    try:
        rows = read_rows(path)
        same = rows_digest(rows) == digest
    except pa.ArrowException:
        same = False
    if not same:
        raise BadData(
            f"{path}: its rows are not those of when it was checked, and nobody wrote to it; the disk may be failing. "
            "Bring it back from a copy, or score the run again"
        )
    return rows_of(rows, ids, names)


def rows_of(frames: pa.Table, ids: Sequence[str], names: Sequence[str]) -> Rows:
    """Take the scored rows from a run's table.

    Args:
        frames: the content of frames.parquet.
        ids: its stimuli, in the order of stimuli.parquet.
        names: its metrics.
    """
    order, offsets, frame = _scored_order(tuple(ids), *(frames[name] for name in ("stimulus_id", "frame", "status")))
    values = np.empty((len(frame), len(names)), np.float32)
    for place, name in enumerate(names):
        values[:, place] = frames[name].to_numpy()[order]
    return Rows(offsets, frame, values)


@once
def _scored_order(
    ids: tuple[str, ...], names: pa.ChunkedArray, frame: pa.ChunkedArray, status: pa.ChunkedArray
) -> tuple[npt.NDArray[np.int64] | slice, npt.NDArray[np.int64], Frames]:
    """Return the scored rows in the order of stimuli and frames, where each stimulus begins, and their frames."""
    place = {name: i for i, name in enumerate(ids)}
    found, of_row = stimuli_of(names)
    at = np.array([place[name] for name in found], np.int64)[of_row]
    frames = frame.to_numpy().astype(np.int32, copy=False)
    kept = np.flatnonzero(is_scored(status))
    order = kept[np.lexsort((frames[kept], at[kept]))]
    offsets = np.searchsorted(at[order], np.arange(len(place) + 1))
    in_order = len(order) == len(frames) and bool((np.diff(order) == 1).all())
    return slice(None) if in_order else order, offsets, frames[order]


class _Spooled(NamedTuple):
    """What was last added to a file: frames and offsets, and where these frames begin."""

    same: tuple[Frames, npt.NDArray[np.int64]]
    frames: int


class _Block(NamedTuple):
    """The rows of a few stimuli: the first of these; of each what `Rows` has."""

    first: int
    frames: list[Frames]
    values: list[Values]


_spooled: dict[Path, _Spooled] = {}
_blocks: dict[tuple[str, int], _Block] = {}
"""By file and beginning of a run."""


@contextmanager
def spool(folder: Path) -> Iterator[Path]:
    """Give a new folder for the rows of runs; it vanishes at the end."""
    folder.mkdir()
    try:
        yield folder
    finally:
        _spooled.clear()
        _blocks.clear()
        _frames.cache_clear()
        shutil.rmtree(folder)

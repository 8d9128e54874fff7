"""The scored frames of runs: in memory, in the run's own file, or in one from which a page reads what it shows."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from itertools import pairwise
from operator import is_
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from vidsal.benchmark.evaluation.results.shared import is_scored, once, read_rows, stimuli_of
from vidsal.loaders.errors import BadData

Frames = npt.NDArray[np.int32]
Values = npt.NDArray[np.float32]
Offsets = npt.NDArray[np.int64]

Known = dict[Any, Any]
"""By value or digest: the one object that stands for its equals; pickled, it then takes room once."""

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

    offsets: Offsets
    frame: Frames
    values: Values

    def of(self, place: int) -> tuple[Frames, Values]:
        """Return the frames of a stimulus, and their values."""
        part = slice(int(self.offsets[place]), int(self.offsets[place + 1]))
        return self.frame[part], self.values[part]

    def digest(self) -> str:
        """Return the SHA-256 of all of it."""
        found = sha256()
        for part in (self.offsets, self.frame, self.values):
            found.update(np.ascontiguousarray(part).data)
        return found.hexdigest()

    def sharing(self, known: Known) -> Rows:
        """Return the same with what equal ones of other runs hold already."""
        return replace(self, offsets=_shared(self.offsets, known))

    def spooled(self, path: Path) -> SpooledRows:
        """Add the rows to the end of a file; frames that the last rows had, too, stand there once."""
        same, known = (self.frame, self.offsets), _spooled.get(path)
        with path.open("ab") as file:
            frames = known.frames if known and all(map(is_, known.same, same)) else _added(file, self.frame)
            values = _added(file, self.values)
        _spooled[path] = _Spooled(same, frames)
        return SpooledRows(str(path), frames, values, self.offsets, self.values.shape[1])


def _shared(offsets: Offsets, known: Known) -> Offsets:
    same: Offsets = known.setdefault(offsets.tobytes(), offsets)
    return same


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
    offsets: Offsets
    columns: int

    def sharing(self, known: Known) -> SpooledRows:
        """Return the same with what equal ones of other runs hold already."""
        return replace(self, offsets=_shared(self.offsets, known))

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
        digest: of its scored rows when they were checked, as `Rows` gives it.
        ids: the stimuli of the run, in its order.
        names: the metrics.
        offsets: as in `Rows`.
    """

    path: Path
    digest: str
    ids: tuple[str, ...]
    names: tuple[str, ...]
    offsets: Offsets

    def sharing(self, known: Known) -> StoredRows:
        """Return the same with what equal ones of other runs hold already."""
        ids, names = (known.setdefault(part, part) for part in (self.ids, self.names))
        return replace(self, ids=ids, names=names, offsets=_shared(self.offsets, known))

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
    """Read stored rows: their values alone, where their order is that of the run before; all of them, where not."""
    with suppress(pa.ArrowException, KeyError, ValueError):  # a stimulus of another name, or none
        values = pq.ParquetFile(path).read(list(names), use_threads=False)
        order = _orders.get(ids)
        if order is not None and order.rows == values.num_rows:
            rows = _ordered(values, order, names)
            if rows.digest() == digest:
                return rows
        frames = read_rows(path)
        order = _orders[ids] = _order_of(frames, ids)
        rows = _ordered(frames, order, names)
        if rows.digest() == digest:
            return rows
    raise BadData(
        f"{path}: its rows are not those of when it was checked, and nobody wrote to it; the disk may be failing. "
        "Bring it back from a copy, or score the run again"
    )


def rows_of(frames: pa.Table, ids: Sequence[str], names: Sequence[str]) -> Rows:
    """Take the scored rows from a run's table.

    Args:
        frames: the content of frames.parquet.
        ids: its stimuli, in the order of stimuli.parquet.
        names: its metrics.
    """
    return _ordered(frames, _order_of(frames, tuple(ids)), names)


class _Order(NamedTuple):
    """Which rows of a table are scored, in the order of stimuli and frames; how many rows it has; as in `Rows`, where
    each stimulus begins, and the frames."""

    places: npt.NDArray[np.int64] | slice
    rows: int
    offsets: Offsets
    frame: Frames


_orders: dict[tuple[str, ...], _Order] = {}
"""Of the last run of some stimuli whose stored rows were read."""


def _order_of(frames: pa.Table, ids: tuple[str, ...]) -> _Order:
    return _scored_order(ids, *(frames[name] for name in ("stimulus_id", "frame", "status")))


@once
def _scored_order(
    ids: tuple[str, ...], names: pa.ChunkedArray, frame: pa.ChunkedArray, status: pa.ChunkedArray
) -> _Order:
    place = {name: i for i, name in enumerate(ids)}
    found, of_row = stimuli_of(names)
    at = np.array([place[name] for name in found], np.int64)[of_row]
    frames = frame.to_numpy().astype(np.int32, copy=False)
    kept = np.flatnonzero(is_scored(status))
    order = kept[np.lexsort((frames[kept], at[kept]))]
    offsets = np.searchsorted(at[order], np.arange(len(place) + 1))
    in_order = len(order) == len(frames) and bool((np.diff(order) == 1).all())
    return _Order(slice(None) if in_order else order, len(frames), offsets, frames[order])


def _ordered(frames: pa.Table, order: _Order, names: Sequence[str]) -> Rows:
    values = np.empty((len(order.frame), len(names)), np.float32)
    for place, name in enumerate(names):
        values[:, place] = frames[name].to_numpy()[order.places]
    return Rows(order.offsets, order.frame, values)


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
        _orders.clear()
        shutil.rmtree(folder)

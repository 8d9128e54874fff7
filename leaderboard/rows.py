"""The scored frames of runs: in memory, in the run's own file, or in one from which a page reads what it shows."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vidsal.benchmark.evaluation.results.check import rows_digest
from vidsal.benchmark.evaluation.results.shared import is_scored, once, read_rows, stimuli_of
from vidsal.loaders.errors import BadData

Frames = npt.NDArray[np.int32]
Values = npt.NDArray[np.float32]

_AHEAD = 20
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
        """Add the rows to the end of a file."""
        record = np.empty(len(self.frame), _record(self.values.shape[1]))
        record["frame"], record["values"] = self.frame, self.values
        with path.open("ab") as file:
            begin = file.tell()
            record.tofile(file)
        return SpooledRows(path, begin, self.offsets, self.values.shape[1])


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
        block = _blocks.get((str(self.path), self.begin))
        if block is None or not block.first <= place < block.first + _AHEAD:
            block = self._read(place)
        k = place - block.first
        part = slice(block.offsets[k], block.offsets[k + 1])
        return block.frame[part], block.values[part]

    def _read(self, first: int) -> _Block:
        """Read the rows of some stimuli."""
        record, offsets = _record(self.columns), self.offsets[first : first + _AHEAD + 1]
        with self.path.open("rb", buffering=0) as file:
            file.seek(self.begin + int(offsets[0]) * record.itemsize)
            rows = np.frombuffer(file.read(int(offsets[-1] - offsets[0]) * record.itemsize), record)
        _blocks.pop(key := (str(self.path), self.begin), None)
        while len(_blocks) >= _MOST_BLOCKS:
            del _blocks[next(iter(_blocks))]
        block = _blocks[key] = _Block(first, (offsets - offsets[0]).tolist(), rows["frame"], rows["values"])
        return block


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


@cache
def _record(columns: int) -> np.dtype[np.void]:
    return np.dtype([("frame", "<i4"), ("values", "<f4", (columns,))])


class _Block(NamedTuple):
    """The rows of a few stimuli: the first of these, where each begins, and what `Rows` has."""

    first: int
    offsets: list[int]
    frame: Frames
    values: Values


_blocks: dict[tuple[str, int], _Block] = {}
"""By file and beginning of a run."""


@contextmanager
def spool(folder: Path) -> Iterator[Path]:
    """Give a new folder for the rows of runs; it vanishes at the end."""
    folder.mkdir()
    try:
        yield folder
    finally:
        _blocks.clear()
        shutil.rmtree(folder)

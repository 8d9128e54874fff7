"""The truths of one stimulus in a file: maps one after another, then a table, its length, its SHA-256.

A file is mapped into memory; its table is compared with its SHA-256 when it is opened, and each map with the checksum
in that table when it is used. 8-bit maps are packed by LZ4 (to a tenth or a quarter), others lie as they are, or are
left out: then the file holds what was measured of them, and they are made again.
"""

from __future__ import annotations

import io
import mmap
import zlib
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from vidsal.loaders.errors import BadData

from ..protocols import Protocol
from .negatives import Negatives
from .truth import MEASURED, FrameTruth, TruthMap, prepare_truth

_MAGIC = b"VidsalT3"
_ALIGN = 64
_LZ4 = pa.Codec("lz4_raw")
_LARGE = 1 << 18
_LINE = 1 << 13  # bytes; the sums stay in the first cache
_NO_DENSITY, _LEFT_OUT = -1, -2
_COLUMNS = pa.schema(
    [
        ("frame", pa.int32()),
        ("fixated", pa.list_(pa.int64())),
        ("counts", pa.list_(pa.int64())),
        ("n_out_of_bounds", pa.int32()),
        ("offset", pa.int64()),  # of the map, or one of the two above
        ("size", pa.int64()),
        ("checksum", pa.uint32()),
        *((name, pa.float64()) for name in MEASURED),  # null: nobody asked
    ]
)


class StimulusTruth:
    """The truths of one stimulus's frames, from a mapped file."""

    def __init__(self, path: Path, protocol: Protocol) -> None:
        self._path = path
        self._protocol = protocol
        with path.open("rb") as file:
            try:
                self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except ValueError as error:
                raise self._damaged("it is empty") from error
        table = self._table()
        meta = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
        self._shape = _pair(meta["shape"])
        self._full_shape = _pair(meta["full_shape"])
        self._dtype = np.dtype(meta["dtype"])
        self._divisor = float(meta["divisor"])
        self._packed = meta["packed"] == "lz4"
        columns = {name: table[name].to_pylist() for name in _COLUMNS.names if name not in ("fixated", "counts")}
        self._row = {frame: i for i, frame in enumerate(columns["frame"])}
        self._places = list(zip(*(columns[name] for name in ("offset", "size", "checksum")), strict=True))
        self._measured = list(zip(*(columns[name] for name in MEASURED), strict=True))
        self._outside = columns["n_out_of_bounds"]
        fixated, counts = (table[name].combine_chunks() for name in ("fixated", "counts"))
        self._ends = fixated.offsets.to_numpy().tolist()
        self._fixated = fixated.values.to_numpy()
        self._counts = counts.values.to_numpy()
        self._frameless: tuple[Negatives | None, FrameTruth] | None = None

    def _damaged(self, what: str) -> BadData:
        return BadData(f"{self._path}: {what}; this file only saves time: remove it, or the whole folder .cache")

    def _table(self) -> pa.Table:
        data = self._data
        tail = len(_MAGIC) + 8 + 32
        if len(data) < tail or data[-len(_MAGIC) :] != _MAGIC:
            raise self._damaged("it is no file of truths, or cut short")
        size = int.from_bytes(data[-tail : -tail + 8], "little")
        if size > len(data) - tail:
            raise self._damaged("it is cut short")
        content = data[len(data) - tail - size : len(data) - tail]
        if sha256(content).digest() != data[-tail + 8 : -len(_MAGIC)]:
            raise self._damaged("its table does not fit its SHA-256")
        return pa.ipc.open_stream(content).read_all()

    def at(self, frame: int, negatives: Negatives | None, no_negatives_reason: str) -> FrameTruth | None:
        """Return the truth of a frame as `prepare_truth` makes it; None where it was not stored.

        Raises:
            BadData: the map does not fit its checksum.
        """
        row = self._row.get(frame)
        if row is None or self._places[row][0] == _LEFT_OUT:
            return None
        common = self._common(negatives, no_negatives_reason)
        a, b = self._ends[row], self._ends[row + 1]
        return FrameTruth(
            self._shape,
            self._full_shape,
            self._fixated[a:b],
            self._counts[a:b],
            self._outside[row],
            self._map(row),
            common.negatives,
            common.no_negatives_reason,
        )

    def remind(self, frame: int, truth: FrameTruth) -> None:
        """Give a truth that was made again what was measured of it before."""
        row = self._row.get(frame)
        if row is not None and truth.truth_map is not None:
            truth.truth_map.remember(self._measured[row])

    def _common(self, negatives: Negatives | None, reason: str) -> FrameTruth:
        """What all frames share: the negatives, prepared once."""
        if self._frameless is None or self._frameless[0] is not negatives:
            prepared = prepare_truth(
                np.empty((0, 2)),
                self._full_shape,
                None,
                negatives,
                self._protocol,
                encode=True,
                no_negatives_reason=reason,
            )
            self._frameless = (negatives, prepared)
        return self._frameless[1]

    def _map(self, row: int) -> TruthMap | None:
        offset, size, checksum = self._places[row]
        if offset == _NO_DENSITY:
            return None
        data = memoryview(self._data)[offset : offset + size]
        if len(data) != size or _checksum(data) != checksum:
            raise self._damaged(f"the map of row {row} does not fit its checksum")
        height, width = self._shape
        if self._packed:
            data = _LZ4.decompress(data, height * width * self._dtype.itemsize)
        truth_map = TruthMap(np.frombuffer(data, self._dtype).reshape(height, width), self._divisor)
        truth_map.remember(self._measured[row])
        return truth_map


class TruthWriter:
    """Writes truths as they come, then their table.

    Attributes:
        whole: whether no map was left out.
        worth: whether anything of it saves work.
    """

    def __init__(self, file: BinaryIO, *, floats: bool) -> None:
        """Begin at the start of a file.

        Args:
            file: takes the bytes.
            floats: whether maps that are not 8-bit are stored, or only what was measured of them.
        """
        self._file = file
        self._floats = floats
        self._rows: dict[int, dict[str, Any]] = {}
        self._form = {"dtype": "|u1", "divisor": "1.0", "packed": "lz4"}
        self.whole = True
        self.worth = False

    @property
    def frames(self) -> int:
        """How many were added."""
        return len(self._rows)

    def add(self, frame: int, truth: FrameTruth) -> None:
        """Add the truth of a frame, with what was measured of it so far."""
        row: dict[str, Any] = {
            "frame": frame,
            "fixated": truth.fixated,
            "counts": truth.counts,
            "n_out_of_bounds": truth.n_out_of_bounds,
            "offset": _NO_DENSITY,
            "size": 0,
            "checksum": 0,
        }
        self._form |= {"shape": "x".join(map(str, truth.shape)), "full_shape": "x".join(map(str, truth.full_shape))}
        found = truth.truth_map
        if found is not None:
            eight_bit = found.values.dtype == np.uint8
            row |= zip(MEASURED, found.measured, strict=True)
            if eight_bit or self._floats:
                row |= self._put(found)
            else:
                self.whole = False
                row |= {"fixated": [], "counts": [], "offset": _LEFT_OUT}
            self.worth |= row["offset"] != _LEFT_OUT or any(value is not None for value in found.measured)
        self._rows[frame] = row

    def _put(self, truth_map: TruthMap) -> dict[str, Any]:
        values = truth_map.values
        packed = values.dtype == np.uint8
        self._form |= {
            "dtype": values.dtype.str,
            "divisor": repr(truth_map.divisor),
            "packed": "lz4" if packed else "no",
        }
        data: bytes | memoryview = np.ascontiguousarray(values).reshape(-1).view(np.uint8).data
        if packed:
            data = _LZ4.compress(data, asbytes=True)
        self._file.write(b"\0" * (-self._file.tell() % _ALIGN))
        row = {"offset": self._file.tell(), "size": len(data), "checksum": _checksum(data)}
        self._file.write(data)
        return row

    def end(self) -> None:
        """Write the table; what has none is no file of truths."""
        sink = io.BytesIO()
        rows = [self._rows[frame] for frame in sorted(self._rows)]
        table = pa.Table.from_pylist(rows, schema=_COLUMNS.with_metadata(self._form))
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table.combine_chunks())
        content = sink.getvalue()
        self._file.write(b"\0" * (-self._file.tell() % _ALIGN))
        self._file.write(content + len(content).to_bytes(8, "little") + sha256(content).digest() + _MAGIC)


def _pair(text: str) -> tuple[int, int]:
    height, width = text.split("x")
    return int(height), int(width)


def _checksum(data: bytes | memoryview) -> int:
    """CRC-32 of the bytes; of a large map, of the sums of every 1024th word, which is seven times as fast."""
    if len(data) < _LARGE:
        return zlib.crc32(data)
    whole_lines = len(data) // _LINE * _LINE
    lines = np.frombuffer(data[:whole_lines], "<u8").reshape(-1, _LINE // 8)
    return zlib.crc32(data[whole_lines:], zlib.crc32(lines.sum(axis=0, dtype=np.uint64).astype("<u8").tobytes()))

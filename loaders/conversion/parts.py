"""The rows of one stimulus while a conversion lasts: Arrow's own file format, the fastest to write and to read."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from pyarrow import ipc

from ..io.files import atomic_write, sha256


def write(path: Path, table: pa.Table) -> str:
    """Write a table atomically; return the SHA-256 of the file."""
    with atomic_write(path) as temporary:
        with (
            pa.OSFile(str(temporary), "wb") as file,
            ipc.new_file(file, table.schema, options=ipc.IpcWriteOptions(compression="lz4")) as writer,
        ):
            writer.write_table(table)
        return sha256(temporary)


def read(path: Path) -> pa.Table:
    """Read a table that `write` wrote."""
    with pa.OSFile(str(path)) as file, ipc.open_file(file) as reader:
        return reader.read_all()

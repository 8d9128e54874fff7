"""Parquet in the house's form: zstd, dictionaries for words, byte-stream-split for numbers, aligned row groups."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from .files import whole
from .schema import ROW_GROUP_ROWS

_LEVEL = 12


def _leaf(field: pa.Field) -> pa.DataType:
    return field.type.value_type if pa.types.is_list(field.type) else field.type


def _path(field: pa.Field) -> str:
    return f"{field.name}.list.element" if pa.types.is_list(field.type) else str(field.name)


def _options(schema: pa.Schema) -> dict[str, object]:
    words = [_path(f) for f in schema if pa.types.is_dictionary(_leaf(f)) or pa.types.is_string(_leaf(f))]
    split = [_path(f) for f in schema if pa.types.is_floating(f.type)]
    delta = [_path(f) for f in schema if pa.types.is_integer(_leaf(f))]
    encoding = dict.fromkeys(split, "BYTE_STREAM_SPLIT") | dict.fromkeys(delta, "DELTA_BINARY_PACKED")
    return {
        "compression": "zstd",
        "compression_level": _LEVEL,
        "use_dictionary": words or False,
        "column_encoding": encoding,
        "write_statistics": True,
        "version": "2.6",
    }


def write(path: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> int:
    """Write tables, each of one stimulus, whole or not at all; return the number of rows.

    Whole tables are packed into row groups of at most `ROW_GROUP_ROWS`; a larger one has groups of its own. So a
    stimulus is read without most of the rest.
    """
    rows = waiting = 0
    pending: list[pa.Table] = []
    with whole(path) as temporary, pq.ParquetWriter(temporary, schema, **_options(schema)) as writer:

        def flush() -> None:
            nonlocal waiting
            if pending:
                joined = pa.concat_tables(pending).unify_dictionaries().combine_chunks()
                writer.write_table(joined, row_group_size=ROW_GROUP_ROWS)
            pending.clear()
            waiting = 0

        for table in tables:
            table = table.replace_schema_metadata(schema.metadata)
            rows += table.num_rows
            if waiting + table.num_rows > ROW_GROUP_ROWS:
                flush()
            if table.num_rows:
                pending.append(table)
                waiting += table.num_rows
            if waiting > ROW_GROUP_ROWS:
                flush()
        flush()
    return rows


def read(path: Path) -> pa.Table:
    """Read a whole Parquet file with one thread's worth of memory overhead."""
    return pq.read_table(path, use_threads=False)

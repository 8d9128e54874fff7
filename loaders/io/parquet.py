"""Parquet in the house's form: zstd, dictionaries for words, aligned row groups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ..schema import ROW_GROUP_ROWS
from .files import atomic_write

_LEVEL = 16


def _leaf(field: pa.Field) -> pa.DataType:
    return field.type.value_type if pa.types.is_list(field.type) else field.type


def _path(field: pa.Field) -> str:
    return f"{field.name}.list.element" if pa.types.is_list(field.type) else str(field.name)


def _encodings(schema: pa.Schema, first: pa.Table | None) -> dict[str, str]:
    """Choose how numbers are encoded; for floating point, whichever makes the first row group smaller."""
    chosen = {_path(f): "DELTA_BINARY_PACKED" for f in schema if pa.types.is_integer(_leaf(f))}
    for field in schema:
        if pa.types.is_floating(field.type):
            chosen[field.name] = "BYTE_STREAM_SPLIT"
            if first is not None and first[field.name].null_count < first.num_rows:
                kinds = ("BYTE_STREAM_SPLIT", "PLAIN")
                chosen[field.name] = min(kinds, key=lambda kind: _size(first.select([field.name]), kind))
    return chosen


def _size(column: pa.Table, encoding: str) -> int:
    sink = pa.BufferOutputStream()
    options = {"compression": "zstd", "compression_level": _LEVEL, "use_dictionary": False}
    pq.write_table(column, sink, column_encoding={column.column_names[0]: encoding}, **options)
    return int(sink.getvalue().size)


def _options(schema: pa.Schema, first: pa.Table | None) -> dict[str, object]:
    words = [_path(f) for f in schema if pa.types.is_dictionary(_leaf(f)) or pa.types.is_string(_leaf(f))]
    return {
        "compression": "zstd",
        "compression_level": _LEVEL,
        "use_dictionary": words or False,
        "column_encoding": _encodings(schema, first),
        "write_statistics": True,
        "version": "2.6",
    }


def write(path: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> int:
    """Write tables, each of one stimulus, atomically; return the number of rows.

    Whole tables are packed into row groups of at most `ROW_GROUP_ROWS`; a larger one has groups of its own. So a
    stimulus is read without most of the rest.
    """
    rows = 0
    with atomic_write(path) as temporary, ExitStack() as stack:
        writer: pq.ParquetWriter | None = None
        for group in _groups(tables):
            joined = group.replace_schema_metadata(schema.metadata)
            if writer is None:
                writer = stack.enter_context(pq.ParquetWriter(temporary, schema, **_options(schema, joined)))
            writer.write_table(joined, row_group_size=ROW_GROUP_ROWS)
            rows += joined.num_rows
        if writer is None:
            stack.enter_context(pq.ParquetWriter(temporary, schema, **_options(schema, None)))
    return rows


def _groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Join whole tables up to the size of a row group; a larger table comes alone."""
    pending: list[pa.Table] = []
    waiting = 0
    for table in tables:
        if not table.num_rows:
            continue
        if pending and waiting + table.num_rows > ROW_GROUP_ROWS:
            yield _joined(pending)
            pending, waiting = [], 0
        pending.append(table)
        waiting += table.num_rows
    if pending:
        yield _joined(pending)


def _joined(tables: list[pa.Table]) -> pa.Table:
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks()


def read(path: Path) -> pa.Table:
    """Read a whole Parquet file with one thread's worth of memory overhead."""
    return pq.read_table(path, use_threads=False)

"""Tables to bytes: CSV, Parquet and JSON, equal bytes for equal tables."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq

from vidsal.loaders.io.files import canonical
from vidsal.loaders.io.names import visible

_FORMULA = r"^[=@\t\r\n]"
_SIGN = r"^[+-]"
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"


def csv_bytes(table: pa.Table) -> bytes:
    """Return a table as CSV (RFC 4180, UTF-8, `\\n`): full precision, empty where there is no value.

    A text that a spreadsheet would take for a formula gets an apostrophe in front: it begins with `=`, `@`, a tab or a
    line break, or with `+` or `-` and is no number. What cannot be seen, or turns writing, is U+FFFD.
    """
    columns, names = [], []
    for name, column in zip(table.column_names, table.columns, strict=True):
        columns.append(_neutral(column) if pa.types.is_string(column.type) else column)
        names.append(_neutral(pa.chunked_array([[name]], pa.string()))[0].as_py())
    sink = pa.BufferOutputStream()
    options = pc_csv.WriteOptions(include_header=True, quoting_style="needed")
    pc_csv.write_csv(pa.table(columns, names=names), sink, options)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _neutral(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return texts that no spreadsheet runs; each different one is looked at once."""
    coded = column.combine_chunks().dictionary_encode()
    seen = pa.array([visible(text) for text in coded.dictionary.to_pylist()], pa.string())
    runs = pc.or_(
        pc.match_substring_regex(seen, _FORMULA),
        pc.and_(pc.match_substring_regex(seen, _SIGN), pc.invert(pc.match_substring_regex(seen, _NUMBER))),
    )
    safe = pc.if_else(runs, pc.binary_join_element_wise("'", seen, ""), seen)
    return pa.chunked_array([safe.take(coded.indices)])


def parquet_bytes(table: pa.Table) -> bytes:
    """Return a table as Parquet; its values are as they are, nothing is neutralised."""
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(None).combine_chunks(), sink, compression="zstd")
    content: bytes = sink.getvalue().to_pybytes()
    return content


def json_bytes(head: dict[str, Any], table: pa.Table) -> bytes:
    """Return what a table is about, and its rows, as canonical JSON."""
    return canonical({**head, "rows": table.to_pylist()}).encode()

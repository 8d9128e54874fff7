"""Reading a table whatever it is written in: CSV, TSV, Parquet, JSON (lines, a list of rows, lists by column), a matrix
of a MATLAB file, EyeLink ASC."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.json as pa_json
import pyarrow.parquet as pq

from ..errors import BadData
from ..formats import matlab
from ..io.files import parse_json, rule_out_machine
from ..io.names import shortlist
from ..records import Float64Array
from .column_map import PART, ROW, ColumnMap, FileTable
from .eyelink import check_display, read_asc

SUFFIXES = (".asc", ".csv", ".tsv", ".txt", ".parquet", ".jsonl", ".ndjson", ".json", ".mat")
_WORDS = ("stimulus", "observer", "trial", "event")
_MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", ".", "-")


@lru_cache(maxsize=4)
def read_columns(path: Path, column_map: str, _state: tuple[int, int]) -> dict[str, pa.Array]:
    """Read the columns that a map names; once, as long as the file does not change.

    Args:
        path: the file.
        column_map: the map as JSON.
        _state: size and time of change.

    Returns:
        One array a field of `[columns]`, all of one length.

    Raises:
        BadData: it cannot be read, or lacks a column.
    """
    wanted = ColumnMap.model_validate_json(column_map)
    parts = _matrices(path, wanted.file) if path.suffix.lower() == ".mat" else [_table(path, wanted.file)]
    if path.suffix.lower() == ".asc" and wanted.units.position.startswith("screen"):
        check_display(path, wanted.screen)
    names = wanted.columns.names()
    number_from = 0 if any(0 in candidates for candidates in names.values()) else 1
    found = []
    for number, table in enumerate(parts, 1):
        columns = {}
        for field, candidates in names.items():
            if candidates == (ROW,) and ROW not in table.column_names:
                columns[field] = pa.array(np.arange(table.num_rows))
            elif candidates == (PART,) and PART not in table.column_names:
                columns[field] = pa.array([f"{number:0{len(str(len(parts)))}d}"] * table.num_rows)
            else:
                columns[field] = _column(table, candidates, number_from, path, field)
        found.append(pa.table(columns))
    joined = pa.concat_tables(found, promote_options="permissive").combine_chunks()
    columns = {name: joined[name].combine_chunks() for name in joined.column_names}
    return {name: _encoded(column) if name in _WORDS else column for name, column in columns.items()}


def numbers(column: pa.Array, path: Path, field: str, decimal: str = ".") -> Float64Array:
    """Return a column as numbers, NaN where the table has nothing.

    Raises:
        BadData: a cell is no number; the message names the row.
    """
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        text = pc.utf8_trim_whitespace(column)
        text = pc.replace_substring(text, ",", ".") if decimal == "," else text
        text = pc.if_else(pc.is_in(text, pa.array(_MISSING, text.type)), pa.scalar(None, text.type), text)
        try:
            column = pc.cast(text, pa.float64())
        except pa.ArrowInvalid as error:
            row = next(i for i, cell in enumerate(text.to_pylist()) if cell is not None and not _is_number(cell))
            raise BadData(f"{path}, row {row + 1}: column {field} holds {column[row].as_py()!r}, no number") from error
    elif not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_null(column.type)):
        raise BadData(f"{path}: column {field} holds {column.type}, no numbers")
    values: Float64Array = pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return values


def words(column: pa.Array) -> npt.NDArray[np.object_]:
    """Return a column of words, as `read_columns` gives it; None where the table has nothing."""
    known = np.array([*column.dictionary.to_pylist(), None], dtype=object)
    chosen: npt.NDArray[np.object_] = known[column.indices.fill_null(len(known) - 1).to_numpy(zero_copy_only=False)]
    return chosen


def _encoded(column: pa.Array) -> pa.DictionaryArray:
    """A column as words by code; whole numbers without a point."""
    if pa.types.is_floating(column.type):
        listed = [None if v is None or v != v else str(int(v)) if v == int(v) else repr(v) for v in column.to_pylist()]
    else:
        listed = [None if v is None or str(v).strip() in _MISSING else str(v).strip() for v in column.to_pylist()]
    return pa.array(listed, pa.string()).dictionary_encode()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _column(table: pa.Table, candidates: Sequence[str | int], number_from: int, path: Path, field: str) -> pa.Array:
    for candidate in candidates:
        if isinstance(candidate, str) and candidate in table.column_names:
            if table.column_names.count(candidate) > 1:
                raise BadData(f"{path}: several columns are named {candidate!r}; name that of {field} by its number")
            return table[candidate].combine_chunks()
        if isinstance(candidate, int) and 0 <= candidate - number_from < table.num_columns:
            return table.column(candidate - number_from).combine_chunks()
    known = shortlist(table.column_names, 30)
    named = " or ".join(repr(c) for c in candidates)
    raise BadData(f"{path}: no column {named} for {field}; it has {table.num_columns} columns: {known}")


def _table(path: Path, file: FileTable) -> pa.Table:
    suffix = path.suffix.lower()
    try:
        if suffix == ".asc":
            return read_asc(path, file.messages)
        if suffix == ".parquet":
            table = pq.read_table(path)
            table.validate(full=True)
            return table
        if suffix in (".jsonl", ".ndjson", ".json"):
            return _json(path)
        return _text(path, file)
    except UnicodeDecodeError as error:
        raise BadData(f"{path}: is no {error.encoding}; say in which it is written: encoding in [file]") from error
    except (pa.ArrowException, LookupError) as error:
        raise BadData(f"{path}: not a readable table ({str(error).splitlines()[0][:200]})") from error
    except OSError as error:
        rule_out_machine(path)
        raise BadData(f"{path}: cannot be read ({error.strerror or error})") from error


def _json(path: Path) -> pa.Table:
    """Read JSON lines, a list of rows, or one object that holds a list for each column; NaN is nothing."""
    data = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    try:
        if not data.lstrip().startswith(b"["):
            lines = pa_json.read_json(io.BytesIO(data))
            if not any(pa.types.is_nested(kind) for kind in lines.schema.types):
                return lines
    except pa.ArrowInvalid:
        pass  # NaN, columns of two types: read below, or named there
    found = _parsed(data, path)
    if isinstance(found, dict) and not all(isinstance(value, dict | list) for value in found.values()):
        found = [found]
    if isinstance(found, list) and found and all(isinstance(row, dict) for row in found):
        names = dict.fromkeys(name for row in found for name in row)
        return pa.table({name: pa.array([row.get(name) for row in found]) for name in names})
    if isinstance(found, dict) and found and all(isinstance(column, list) for column in found.values()):
        return pa.table(found)
    raise BadData(
        f"{path}: JSON, but no table: expected a row a line, a list of rows, or a list for each column; pandas writes "
        "them with to_json(orient='records')"
    )


def _parsed(data: bytes, path: Path) -> Any:
    """All of a JSON file, or its lines as a list."""
    try:
        return parse_json(data, nan_is_none=True)
    except ValueError as error:
        if data.lstrip().startswith(b"["):
            raise BadData(f"{path}: not a readable table ({error})") from error
    rows = []
    for number, line in enumerate(data.splitlines(), 1):
        try:
            rows += [parse_json(line, nan_is_none=True)] if line.strip() else []
        except ValueError as error:
            raise BadData(f"{path}, line {number}: not a row of JSON ({error})") from error
    return rows


def _text(path: Path, file: FileTable) -> pa.Table:
    """Read text; every column stays text, so that names such as `007` keep their zeros."""
    data = path.read_bytes()
    bom = next((code for mark, code in _MARKS.items() if data.startswith(mark)), None)
    text = data.decode(bom or file.encoding)
    lines = text.split("\n", file.skip)
    text = lines[-1] if len(lines) > file.skip else ""
    first = text.split("\n", 1)[0]
    if not first.strip():
        raise BadData(f"{path}: no line of a table is there")
    delimiter = file.delimiter or ("\t" if path.suffix.lower() == ".tsv" else max("\t,;", key=first.count))
    if delimiter == " ":
        text, delimiter = "\n".join("\t".join(line.split()) for line in text.splitlines()), "\t"
    count = text.split("\n", 1)[0].rstrip("\r").count(delimiter) + 1
    read = pa_csv.ReadOptions(autogenerate_column_names=not file.header)
    names = [f"f{i}" for i in range(count)] if not file.header else _header(text, delimiter)
    convert = pa_csv.ConvertOptions(column_types={name: pa.string() for name in names}, strings_can_be_null=False)
    return pa_csv.read_csv(io.BytesIO(text.encode()), read, pa_csv.ParseOptions(delimiter=delimiter), convert)


_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


def _header(text: str, delimiter: str) -> list[str]:
    first = io.BytesIO((text.split("\n", 1)[0].rstrip("\r") + "\n").encode())
    return list(pa_csv.read_csv(first, parse_options=pa_csv.ParseOptions(delimiter=delimiter)).column_names)


def _matrices(path: Path, file: FileTable) -> list[pa.Table]:
    """The matrix, or the matrices of a cell, that `[file] variable` names."""
    if file.variable is None:
        name, value = matlab.only_variable(path)
    else:
        name = file.variable
        first, *fields = name.split(".")
        value = matlab.variable(matlab.read(path), first, path)
        for field in fields:
            value = matlab.variable(matlab.struct(value, path, first), field, path)
    is_cell = isinstance(value, np.ndarray) and value.dtype == object
    parts: list[Any] = value.ravel("F").tolist() if is_cell else value if isinstance(value, list) else [value]
    tables = []
    for part in parts:
        if not isinstance(part, np.ndarray) or part.ndim != 2 or part.dtype.kind not in "biuf":
            raise BadData(f"{path}: {name} is {matlab.kind_of(part)}, expected a matrix of numbers, or a cell of them")
        tables.append(pa.table({f"f{i}": np.ascontiguousarray(part[:, i]) for i in range(part.shape[1])}))
    return tables


def state_of(path: Path) -> tuple[int, int]:
    """Size and time of change of a file, for `read_columns`."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def fields(columns: Mapping[str, pa.Array], chosen: npt.NDArray[np.intp]) -> dict[str, pa.Array]:
    """Return some rows of all columns."""
    at = pa.array(chosen)
    return {name: column.take(at) for name, column in columns.items()}

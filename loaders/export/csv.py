"""Plain tables: stimuli.csv, fixations.csv, gaze.csv and columns.csv, which says what each column means.

UTF-8, comma, LF, a header; nothing = null, `true` and `false`, lists joined by `;`. No cell is a formula: a text that
begins with `=`, `+`, `-`, `@`, a tab, a line break or an apostrophe gets an apostrophe in front (spreadsheets hide it;
taking one away gives the text back). Numbers are written as they are, negative ones too.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from ..io.progress import Progress
from ..release.release import Release
from ..release.walk import walk
from ..schema import CONVENTIONS, FIXATIONS, GAZE, STIMULI
from . import Options

TITLE = "plain tables, one file each, no formulas"
OPTIONS: frozenset[str] = frozenset()

_CONVENTION = {
    **dict.fromkeys(("x_px", "y_px"), "coordinates"),
    **dict.fromkeys(("onset_ms", "t_us", "frame", "frame_end"), "time"),
    **{name: name for name in ("in_bounds", "annotated_frames")},
    "observer_id": "null",
}
_DANGEROUS = r"^[=+\-@\t\r\n']"


def write(release: Release, out: Path, options: Options, step: Progress) -> list[str]:
    """Write the tables of the split; see `Exporter.write`."""
    write_plain(out / "stimuli.csv", STIMULI, iter([release.table("stimuli")]))

    def counted(name: str) -> Iterator[pa.Table]:
        for number, (stimulus, rows) in enumerate(walk(release, name), 1):
            yield rows
            step(number, len(release), f"{stimulus.id} ({name})")

    write_plain(out / "fixations.csv", FIXATIONS, counted("fixations"))
    tables = {"stimuli": STIMULI, "fixations": FIXATIONS}
    if "gaze.parquet" in release.record["files"]:
        write_plain(out / "gaze.csv", GAZE, counted("gaze"))
        tables["gaze"] = GAZE
    _write_columns(out / "columns.csv", tables)
    return []


def plain(table: pa.Table) -> pa.Table:
    """Turn every column into one that CSV can hold: no dictionaries, no lists, no formulas."""
    return pa.table({name: _plain(table[name]) for name in table.column_names})


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_list(kind):
        # The words of a list are joined, so it is the first character of the whole that counts.
        return _harmless(pc.binary_join(column.cast(pa.list_(pa.string())), ";"))
    if pa.types.is_dictionary(kind) or pa.types.is_string(kind):
        return _harmless(column.cast(pa.string()))
    return column


def _harmless(words: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(pc.match_substring_regex(words, _DANGEROUS), pc.binary_join_element_wise("'", words, ""), words)


def write_plain(path: Path, schema: pa.Schema, tables: Iterator[pa.Table]) -> None:
    """Write tables of one schema to a CSV file."""
    shape = plain(schema.empty_table()).schema
    with pacsv.CSVWriter(path, shape, write_options=pacsv.WriteOptions(quoting_style="needed")) as writer:
        for table in tables:
            if table.num_rows:
                writer.write_table(plain(table).cast(shape))


def _write_columns(path: Path, tables: dict[str, pa.Schema]) -> None:
    rows = [
        {
            "table": name,
            "column": field.name,
            "type": _type(field.type),
            "may_be_empty": field.nullable,
            "meaning": CONVENTIONS.get(_CONVENTION.get(field.name, ""), ""),
        }
        for name, schema in tables.items()
        for field in schema
    ]
    write_plain(path, pa.Table.from_pylist(rows[:1]).schema, iter([pa.Table.from_pylist(rows)]))


def _type(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"list of {_type(kind.value_type)}"
    return str(kind.value_type if pa.types.is_dictionary(kind) else kind)

"""What follows from columns that runs have in common is found once: models of a board are scored on the same frames."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

Columns = ParamSpec("Columns")
Found = TypeVar("Found")

_KEPT = 6
"""Answers that a function of columns remembers: more than a table has columns of text."""


def once(of: Callable[Columns, Found]) -> Callable[Columns, Found]:
    """Return the same function of columns, which gives an answer again where it is asked for equal ones, as it was a
    few times ago; nobody may change what it returns."""
    known: list[tuple[tuple[object, ...], Found]] = []

    @wraps(of)
    def found(*columns: Columns.args, **named: Columns.kwargs) -> Found:
        for before, answer in reversed(known.copy()):
            if all(map(_equal, before, columns)):
                return answer
        made = of(*columns, **named)
        known[:] = [*known[1 - _KEPT :], (columns, made)]
        return made

    return found


def _equal(one: object, other: object) -> bool:
    return type(one) is type(other) and bool(one == other)


def read_rows(path: Path) -> pa.Table:
    """Read a table of a run; texts, most of which repeat, are unpacked once for all runs that have the same.

    Raises:
        ArrowException: it cannot be read.
    """
    schema = pq.read_schema(path)
    texts = [field.name for field in schema if pa.types.is_string(field.type)]
    table = pq.ParquetFile(path, read_dictionary=texts).read(use_threads=False)
    for name in texts:
        table = table.set_column(schema.get_field_index(name), schema.field(name), _unpacked(table[name]))
    return table


@once
def _unpacked(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(pa.string())


@once
def stimuli_of(names: pa.ChunkedArray) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """Return the different stimuli of rows in the order of their first ones, and the place of each row's among them.

    Raises:
        ValueError: a row has no stimulus.
    """
    coded = names.combine_chunks().dictionary_encode()
    return tuple(coded.dictionary.to_pylist()), coded.indices.to_numpy().astype(np.int64)


@once
def is_scored(status: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    """Return which rows are scored."""
    here: npt.NDArray[np.bool_] = pc.fill_null(pc.equal(status, "scored"), False).to_numpy()
    return here


@once
def counts_of(column: pa.ChunkedArray) -> dict[str | None, int]:
    """Return how often each value stands in a column."""
    return {part["values"]: part["counts"] for part in column.value_counts().to_pylist()}

"""The Parquet schema, version 1: three tables, their columns, units and conventions.

A column without `?` in its field metadata is never null. Coordinates are stimulus pixels, origin top left, x to the
right, y down; pixel (0, 0) covers [0, 1) x [0, 1), so `floor` gives the index.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from .errors import BadData
from .records import EVENTS, Column, Mask

SCHEMA_VERSION = 1
ROW_GROUP_ROWS = 131_072

_CATEGORY = pa.dictionary(pa.int32(), pa.string())

STIMULI = pa.schema(
    [
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("stimulus_id", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("group_id", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("source_file", pa.string(), nullable=False),
        pa.field("source_sha256", pa.string()),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("n_frames", pa.int32(), nullable=False),
        pa.field("fps_num", pa.int32()),
        pa.field("fps_den", pa.int32()),
        pa.field("duration_ms", pa.float64()),
        pa.field("n_observers", pa.int32()),
        pa.field("annotated", pa.bool_(), nullable=False),
        pa.field("annotated_frames", pa.list_(pa.int32())),
        pa.field("attributes", pa.list_(pa.string()), nullable=False),
        pa.field("parent_id", pa.string()),
        pa.field("parent_start_frame", pa.int32()),
    ]
)

FIXATIONS = pa.schema(
    [
        pa.field("dataset", _CATEGORY, nullable=False),
        pa.field("stimulus_id", _CATEGORY, nullable=False),
        pa.field("split", _CATEGORY, nullable=False),
        pa.field("observer_id", _CATEGORY),
        pa.field("trial_id", pa.string()),
        pa.field("event", _CATEGORY, nullable=False),
        pa.field("order", pa.int32()),
        pa.field("onset_ms", pa.float64()),
        pa.field("duration_ms", pa.float32()),
        pa.field("frame", pa.int32(), nullable=False),
        pa.field("frame_end", pa.int32()),
        pa.field("x_px", pa.float32(), nullable=False),
        pa.field("y_px", pa.float32(), nullable=False),
        pa.field("x_screen_px", pa.float32()),
        pa.field("y_screen_px", pa.float32()),
        pa.field("eye", _CATEGORY),
        pa.field("weight", pa.float32(), nullable=False),
        pa.field("in_bounds", pa.bool_(), nullable=False),
        pa.field("flags", pa.list_(_CATEGORY), nullable=False),
    ]
)

GAZE = pa.schema(
    [
        pa.field("dataset", _CATEGORY, nullable=False),
        pa.field("stimulus_id", _CATEGORY, nullable=False),
        pa.field("observer_id", _CATEGORY, nullable=False),
        pa.field("trial_id", pa.string()),
        pa.field("t_us", pa.int64(), nullable=False),
        pa.field("x_px", pa.float32(), nullable=False),
        pa.field("y_px", pa.float32(), nullable=False),
        pa.field("x_screen_px", pa.float32()),
        pa.field("y_screen_px", pa.float32()),
        pa.field("pupil", pa.float32()),
        pa.field("confidence", pa.float32()),
        pa.field("label", _CATEGORY),
    ]
)

CONVENTIONS = {
    "coordinates": "stimulus pixels, origin top left, x right, y down, pixel (0, 0) covers [0,1) x [0,1)",
    "time": "onset_ms and t_us count from the first frame; frames are 0-based, frame_end is inclusive",
    "in_bounds": "0 <= x_px < width and 0 <= y_px < height",
    "null": "the source does not say; a null observer_id means that the source pooled its observers",
    "annotated_frames": "first, last, first, last ..., inclusive; null = all frames",
}


def with_metadata(schema: pa.Schema, release_id: str, provenance: Mapping[str, Any]) -> pa.Schema:
    """Return the schema with version, conventions and provenance in its file metadata."""
    return schema.with_metadata(
        {
            "vidsal.schema_version": str(SCHEMA_VERSION),
            "vidsal.release": release_id,
            "vidsal.conventions": json.dumps(CONVENTIONS, sort_keys=True),
            "vidsal.provenance": json.dumps(dict(provenance), sort_keys=True),
        }
    )


def _length(columns: Mapping[str, Column]) -> int:
    lengths = {name: len(c) for name, c in columns.items() if isinstance(c, np.ndarray | list | pa.Array)}
    if len(set(lengths.values())) > 1:
        raise BadData(f"columns of unequal length: {lengths}")
    return next(iter(lengths.values()), 0)


def _category_column(values: Column, rows: int) -> pa.DictionaryArray:
    if isinstance(values, pa.DictionaryArray):
        return values.cast(_CATEGORY)
    if values is None or isinstance(values, str | int | float):
        indices = pa.array(np.zeros(rows, np.int32)) if values is not None else pa.nulls(rows, pa.int32())
        return pa.DictionaryArray.from_arrays(indices, pa.array([] if values is None else [str(values)], pa.string()))
    return pc.cast(pa.array(values, pa.string()).dictionary_encode(), _CATEGORY)


def _column(field: pa.Field, values: Column, rows: int) -> pa.Array:
    if field.type == _CATEGORY:
        return _category_column(values, rows)
    if values is None:
        return pa.nulls(rows, field.type)
    if isinstance(values, str | int | float):
        return pa.array([values], field.type).take(pa.array(np.zeros(rows, np.int32)))
    if isinstance(values, np.ndarray) and pa.types.is_floating(field.type) and not field.nullable:
        return pa.array(values.astype(field.type.to_pandas_dtype()), from_pandas=False)
    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        return pa.array(values.astype(np.float64), from_pandas=True).cast(field.type)
    return pa.array(values, field.type, from_pandas=True)


def _flags(values: Column, rows: int) -> pa.ListArray:
    if values is None:
        values = {}
    if isinstance(values, Mapping):
        masks = np.zeros((rows, len(values)), bool)
        for number, mask in enumerate(values.values()):
            masks[:, number] = mask
        counts, flat = masks.sum(axis=1), categorical(np.nonzero(masks)[1], values)
    elif not isinstance(values, list):
        raise BadData(f"flags are a list of words a row, or rows by word; found {type(values).__name__}")
    else:
        counts = np.array([len(x) for x in values], np.int64)
        flat = pa.array([word for one in values for word in one], pa.string()).dictionary_encode().cast(_CATEGORY)
    offsets = np.zeros(rows + 1, np.int32)
    np.cumsum(counts, out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), flat)


def flagged(flags: pa.Array | pa.ChunkedArray, word: str) -> Mask:
    """Return which rows carry a flag.

    Args:
        flags: the column of that name, n rows.
        word: the flag.

    Returns:
        bool, shape (n,).
    """
    lists = flags.combine_chunks() if isinstance(flags, pa.ChunkedArray) else flags
    found = np.zeros(len(lists), bool)
    same = pc.equal(lists.flatten().cast(pa.string()), word).to_numpy(zero_copy_only=False).astype(bool)
    found[pc.list_parent_indices(lists).to_numpy(zero_copy_only=False)[same]] = True
    return found


def categorical(codes: npt.ArrayLike, names: Iterable[str]) -> pa.DictionaryArray:
    """Make a dictionary column from codes: row i holds `names[codes[i]]`; a code of -1 is null.

    >>> categorical([1, 0, -1], ["point", "noise"]).to_pylist()
    ['noise', 'point', None]
    """
    numbers = np.asarray(codes, np.int32)
    indices = pa.array(numbers, mask=numbers < 0) if (numbers < 0).any() else pa.array(numbers)
    return pa.DictionaryArray.from_arrays(indices, pa.array(list(names), pa.string()))


def _table(schema: pa.Schema, columns: Mapping[str, Column], fixed: Mapping[str, Column]) -> pa.Table:
    unknown = set(columns) - set(schema.names)
    if unknown:
        raise BadData(f"columns that the schema does not know: {sorted(unknown)}")
    rows = _length(columns)
    every = {**columns, **fixed}
    arrays = [
        _flags(every.get(f.name), rows) if f.name == "flags" else _column(f, every.get(f.name), rows) for f in schema
    ]
    for field, array in zip(schema, arrays, strict=True):
        if not field.nullable and array.null_count:
            raise BadData(f"column {field.name} holds {array.null_count} nulls")
    return pa.Table.from_arrays(arrays, schema=schema)


def fixations_table(
    columns: Mapping[str, Column], *, dataset: str, stimulus_id: str, split: str, width: int, height: int
) -> pa.Table:
    """Complete, check and sort one stimulus's fixations.

    Args:
        columns: as `Gaze.fixations`.
        dataset, stimulus_id, split: of all rows.
        width, height: of the frames in pixels; `in_bounds` follows from the stored float32 values.

    Raises:
        BadData: a column is unknown, of another length, null or not finite where it must not be, or an event is
            not one of the schema's.
    """
    if not columns:
        return FIXATIONS.empty_table()
    rows = _length(columns)
    x, y = (np.broadcast_to(np.asarray(columns[c], np.float64).astype(np.float32), rows) for c in ("x_px", "y_px"))
    lost = int((~(np.isfinite(x) & np.isfinite(y))).sum())
    if lost:
        raise BadData(f"{lost} fixations have positions that are not finite")
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    weight = columns.get("weight")
    fixed: dict[str, Column] = {
        "dataset": dataset,
        "stimulus_id": stimulus_id,
        "split": split,
        "weight": np.ones(rows, np.float32) if weight is None else weight,
        "in_bounds": inside,
    }
    table = _table(FIXATIONS, columns, fixed)
    strange = set(table["event"].combine_chunks().dictionary.to_pylist()) - set(EVENTS)
    if strange:
        raise BadData(f"events {sorted(strange)} are none of {', '.join(EVENTS)}")
    observer = table["observer_id"].cast(pa.string())
    order = pc.sort_indices(
        pa.table({"f": table["frame"], "o": observer, "n": table["order"], "i": pa.array(np.arange(rows))}),
        sort_keys=[("f", "ascending"), ("o", "ascending"), ("n", "ascending"), ("i", "ascending")],
    )
    return table.take(order)


def gaze_table(columns: Mapping[str, Column], *, dataset: str, stimulus_id: str) -> pa.Table:
    """Complete, check and sort one stimulus's gaze samples by observer, trial and time.

    A lost sample without position has NaN for x and y.

    Raises:
        BadData: as for `fixations_table`.
    """
    table = _table(GAZE, columns, {"dataset": dataset, "stimulus_id": stimulus_id})
    keys = pa.table(
        {
            "o": table["observer_id"].cast(pa.string()),
            "r": table["trial_id"],
            "t": table["t_us"],
            "i": pa.array(np.arange(table.num_rows)),
        }
    )
    order = pc.sort_indices(keys, sort_keys=[(k, "ascending") for k in ("o", "r", "t", "i")])
    return table.take(order)

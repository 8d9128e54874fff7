"""Through a release in its own order, one stimulus at a time: memory holds a row group, not the table."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import BadData
from ..schema import FIXATIONS, GAZE
from .points import points_of
from .release import Release, Stimulus
from .tables import reading


def walk(release: Release, name: str = "fixations") -> Iterator[tuple[Stimulus, pa.Table]]:
    """Yield every stimulus of the split with its rows, those without rows too.

    Args:
        release: an open release; its split is respected.
        name: `fixations` or `gaze`.

    Raises:
        BadData: the table is missing or damaged, or its rows are not in the order of the stimuli.
    """
    schema = {"fixations": FIXATIONS, "gaze": GAZE}[name]
    waiting = iter(release)
    position = {stimulus_id: number for number, stimulus_id in enumerate(release.ids)}
    last = -1
    for stimulus_id, rows in _runs(release, name):
        if stimulus_id not in position:
            continue
        if position[stimulus_id] <= last:
            raise BadData(
                f"{release.root / f'{name}.parquet'}: the rows of {stimulus_id} are out of order; `vidsal data verify` "
                "says what else is wrong, converting again mends it"
            )
        last = position[stimulus_id]
        for stimulus in waiting:
            if stimulus.id == stimulus_id:
                yield stimulus, rows
                break
            yield stimulus, schema.empty_table()
    for stimulus in waiting:
        yield stimulus, schema.empty_table()


def _runs(release: Release, name: str) -> Iterator[tuple[str, pa.Table]]:
    """Runs of rows with one stimulus id, across the borders of row groups."""
    path = release.root / f"{name}.parquet"
    if name == "gaze" and path.name not in release.record["files"]:
        return
    current: str | None = None
    parts: list[pa.Table] = []
    with reading(path), pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, use_threads=False)
            table.validate(full=True)
            table = table.unify_dictionaries().combine_chunks()
            ids = table["stimulus_id"].combine_chunks().dictionary_encode()
            words = ids.dictionary.to_pylist()
            codes = ids.indices.to_numpy()
            starts = np.flatnonzero(np.diff(codes, prepend=-1))
            for start, end in zip(starts, [*starts[1:], len(codes)], strict=True):
                word = words[codes[start]]
                if word != current and current is not None:
                    yield current, _joined(parts)
                    parts = []
                current = word
                parts.append(table.slice(start, end - start))
    if current is not None:
        yield current, _joined(parts)


def _joined(parts: list[pa.Table]) -> pa.Table:
    return parts[0] if len(parts) == 1 else pa.concat_tables(parts).unify_dictionaries().combine_chunks()


def point_rows(rows: pa.Table) -> pa.Table:
    """Keep those of a stimulus's fixations that count as points; the rule is that of `release.Points`."""
    numbered = rows.set_column(rows.schema.get_field_index("order"), "order", pa.array(np.arange(rows.num_rows)))
    return rows.take(pa.array(points_of(numbered).order))  # asked for the rows' numbers in the place of their order

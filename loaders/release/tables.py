"""The Parquet files of a release: read by row groups, and named where they are damaged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import BadData, VidsalError


def read_groups(file: pq.ParquetFile, groups: Iterable[int], columns: Sequence[str] | None) -> pa.Table:
    """Read row groups one by one: Arrow cannot read lists of dictionary values from several at once."""
    wanted = None if columns is None else list(columns)
    tables = [file.read_row_group(group, wanted, use_threads=False) for group in groups]
    if tables:
        joined = pa.concat_tables(tables)
        joined.validate(full=True)  # texts that are no UTF-8, indices beyond a dictionary
        return joined
    schema = file.schema_arrow
    return schema.empty_table() if wanted is None else schema.empty_table().select(wanted)


class RowsByStimulus:
    """A row group, and where the rows of each stimulus are in it."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        ids = table["stimulus_id"].cast(pa.string()).combine_chunks().dictionary_encode()
        number = ids.indices.to_numpy(zero_copy_only=False)
        self._order = np.argsort(number, kind="stable")
        ends = np.searchsorted(number[self._order], np.arange(len(ids.dictionary) + 1))
        self._range = dict(zip(ids.dictionary.to_pylist(), zip(ends[:-1], ends[1:], strict=True), strict=True))

    def of(self, stimulus_id: str) -> pa.Table:
        """Return the rows of a stimulus, in their order."""
        begin, end = self._range.get(stimulus_id, (0, 0))
        rows = self._order[begin:end]
        if not len(rows) or rows[-1] - rows[0] == len(rows) - 1:
            return self._table.slice(int(rows[0]) if len(rows) else 0, len(rows))
        return self._table.take(pa.array(rows))


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Name the file of a release where it is missing, or Parquet cannot be read.

    Raises:
        BadData: it is missing or damaged.
    """
    if not path.is_file():
        raise BadData(f"{path} is missing from this release; convert the data set again")
    try:
        yield
    except (pa.ArrowException, KeyError, TypeError, ValueError, OSError) as error:
        if isinstance(error, VidsalError) or (isinstance(error, OSError) and error.errno is not None):
            raise
        raise BadData(f"{path}: damaged ({str(error)[:200]}); convert the data set again") from error

"""The Parquet files of a release: read by row groups, and named where they are damaged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

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

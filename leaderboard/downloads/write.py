"""The files of a board that people take along, and the archive of all boards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from vidsal._version import __version__

from ..boards import Board, Entry
from .archive import archive_bytes
from .forms import csv_bytes, json_bytes, parquet_bytes
from .latex import bibtex, latex
from .tables import Ranks, board_rows, stimulus_rows

FOLDER = "downloads"
ARCHIVE = f"{FOLDER}/all.zip"
MOST_ROWS = 50_000
"""Rows of a table of stimuli that is also given as CSV; longer ones are Parquet alone, a fifth of the size."""


class Download(NamedTuple):
    """A file that was written.

    Attributes:
        label: what it is, in a few words.
        path: relative to the site, with `/`.
        size: bytes.
    """

    label: str
    path: str
    size: int


def write_downloads(
    site: Path,
    board: Board,
    ranks: Ranks | None = None,
    stimuli: Iterable[tuple[Entry, pa.Table]] | None = None,
    beside: Mapping[str, tuple[str, pa.Table]] | None = None,
) -> list[Download]:
    """Write the table of a board in every form.

    Args:
        site: folder of the site.
        board: gives the names of the files.
        ranks: of its models, as `board_rows` takes them.
        stimuli: each run with its stimuli.parquet; None = no tables of stimuli.
        beside: further tables, each under what it is, by the end of its file's name.

    Returns:
        The files, in the order in which a page lists them.
    """
    further = [
        (f"CSV, {label}", f"{FOLDER}/{board.id}-{name}.csv", csv_bytes(table))
        for name, (label, table) in (beside or {}).items()
    ]
    return [_written(site, *file) for file in (*_files(board, ranks, stimuli), *further)]


def _files(
    board: Board, ranks: Ranks | None, stimuli: Iterable[tuple[Entry, pa.Table]] | None
) -> Iterator[tuple[str, str, bytes]]:
    rows, start = board_rows(board, ranks), f"{FOLDER}/{board.id}"
    yield "CSV", f"{start}.csv", csv_bytes(rows)
    yield "Parquet", f"{start}.parquet", parquet_bytes(rows)
    yield "JSON", f"{start}.json", json_bytes(about(board), rows)
    yield "LaTeX", f"{start}.tex", latex(board).encode()
    yield "BibTeX", f"{start}.bib", bibtex(board).encode()
    if stimuli is not None:
        each = stimulus_rows(board, stimuli)
        if each.num_rows <= MOST_ROWS:
            yield "CSV, each stimulus", f"{start}-stimuli.csv", csv_bytes(each)
        yield "Parquet, each stimulus", f"{start}-stimuli.parquet", parquet_bytes(each)


def about(board: Board) -> dict[str, Any]:
    """Return what the runs of a board share."""
    return {
        "board": board.id,
        "title": board.title,
        "release": board.release.model_dump(mode="json"),
        "split": board.split,
        "protocol": {"name": board.protocol.name, "digest": board.protocol.digest},
        "truth": board.truth.model_dump(mode="json"),
        "frames": board.coverages[0].frames_digest,
        "metrics": [
            {"name": c.name, "id": c.metric.id, "higher_is_better": c.metric.higher_is_better} for c in board.columns
        ],
    }


def write_archive(site: Path, downloads: Sequence[Download]) -> Download:
    """Write one archive of downloads, with the digest of each in its manifest."""
    files = {path.removeprefix(f"{FOLDER}/"): (site / path).read_bytes() for _, path, _ in downloads}
    content = archive_bytes(files, {"made_by": f"vidsal {__version__}"})
    return _written(site, "all tables of all boards", ARCHIVE, content)


def _written(site: Path, label: str, path: str, content: bytes) -> Download:
    (site / path).parent.mkdir(parents=True, exist_ok=True)
    (site / path).write_bytes(content)
    return Download(label, path, len(content))

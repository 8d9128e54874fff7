"""`history.jsonl`, a line a step, and `epochs.jsonl`, a line a validation; cut back when a training goes on."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from vidsal.loaders.errors import BadData
from vidsal.loaders.io.files import atomic_write, parse_json

STEPS, EPOCHS = "history.jsonl", "epochs.jsonl"


class History:
    """One file of a run; lines after the state that is gone on from are dropped.

    Args:
        path: of the file; None = count the lines and write none, where another process writes them.
        lines: how many lines belong to the state.
        digest: SHA-256 of these; None = there is no state.

    Raises:
        BadData: the lines are not those of the state.
    """

    def __init__(self, path: Path | None, lines: int, digest: str | None = None) -> None:
        self._path = path
        self._file: IO[bytes] | None = None  # from the first line on
        self._sum = sha256()
        self.lines = lines
        if path is None:
            return
        kept = _whole_lines(path)[:lines] if path.is_file() else []
        self._sum.update(b"".join(kept))
        if digest not in (None, self.digest):
            raise damaged(path)
        with atomic_write(path) as temporary:
            temporary.write_bytes(b"".join(kept))
        self.lines = len(kept)

    @property
    def digest(self) -> str:
        """SHA-256 of all lines."""
        return self._sum.hexdigest()

    def write(self, entry: Mapping[str, Any]) -> None:
        """Add a line; numbers that are not finite become null."""
        text = json.dumps({k: _finite(v) for k, v in entry.items()}, sort_keys=True)
        self.lines += 1
        if self._path is not None:
            self._file = self._file or self._path.open("ab")
            self._sum.update(text.encode("utf-8") + b"\n")
            self._file.write(text.encode("utf-8") + b"\n")
            self._file.flush()  # whoever looks on sees every step

    def sync(self) -> None:
        """Bring the lines onto the disk, before the state that counts them."""
        if self._file is not None:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def read_history(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a file; one that was cut off is left out, and there are none without the file.

    Raises:
        BadData: it is damaged.
    """
    try:
        return [parse_json(line) for line in _whole_lines(path)] if path.is_file() else []
    except ValueError as error:
        raise damaged(path) from error


def damaged(path: Path) -> BadData:
    """Return what is said of a file whose lines are not those that were written."""
    return BadData(f"{path}: damaged: its lines are not those that were written; train in another folder, or anew")


def _whole_lines(path: Path) -> list[bytes]:
    return [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def means(terms: Iterable[tuple[int, Mapping[str, float]]]) -> dict[str, float]:
    """Return the mean of each term, weighted by the samples of each batch."""
    sums: dict[str, float] = {}
    weights: dict[str, int] = {}
    for samples, batch in terms:
        for name, value in batch.items():
            sums[name] = sums.get(name, 0.0) + samples * value
            weights[name] = weights.get(name, 0) + samples
    return {name: sums[name] / weights[name] for name in sums}

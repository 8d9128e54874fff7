"""A board as tables: the one source of every form in which it can be taken along. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from .. import format as words
from ..boards import Board, Entry

Ranks = Mapping[str, Mapping[str, tuple[int, int]]]
"""The ranks that a run may have, first and last, by the run's digest and the metric."""

_FACTS: tuple[tuple[str, pa.DataType], ...] = (
    ("model", pa.string()),
    ("version", pa.string()),
    ("group", pa.string()),
)
_FURTHER: tuple[tuple[str, pa.DataType], ...] = (
    ("frames_scored", pa.int64()),
    ("frames_without_prediction", pa.int64()),
    ("truth_points", pa.string()),
    ("causal", pa.bool_()),
    ("trained_on", pa.string()),
    ("licence", pa.string()),
    ("paper", pa.string()),
    ("badges", pa.string()),
    ("scored_on", pa.string()),
    ("run", pa.string()),
    ("folder", pa.string()),
)
BETWEEN = "; "
"""Between the parts of a cell that holds several."""


def board_rows(board: Board, ranks: Ranks | None = None) -> pa.Table:
    """Return the table of a board, a row for each run that it shows, in its order.

    Args:
        board: models first, then human references.
        ranks: of the models; a metric without any has no columns for them.

    Returns:
        `model`, `version`, `group` (`model`, `reference` or `human`); for each metric its mean in full precision under
        its name, the ends of the 95 % interval of its mean over stimuli (`_low`, `_high`), the number of frames that
        define it (`_frames`), the ranks that it may have (`_rank_low`, `_rank_high`); then what must be known of the
        run. Null where there is no value.
    """
    columns: dict[str, tuple[pa.DataType, list[Any]]] = {}

    def add(name: str, kind: pa.DataType, values: list[Any]) -> None:
        columns[name] = (kind, values)

    shown = board.shown
    facts = [_facts(board, entry) for entry in shown]
    for name, kind in _FACTS:
        add(name, kind, [f[name] for f in facts])
    for column in board.columns:
        metrics = [entry.record.metrics[column.name] for entry in shown]
        add(column.name, pa.float64(), [m.mean for m in metrics])
        add(f"{column.name}_low", pa.float64(), [m.low for m in metrics])
        add(f"{column.name}_high", pa.float64(), [m.high for m in metrics])
        add(f"{column.name}_frames", pa.int64(), [m.n for m in metrics])
        if ranks is not None and any(column.name in of_run for of_run in ranks.values()):
            placed = [ranks.get(entry.record.digest, {}).get(column.name, (None, None)) for entry in shown]
            add(f"{column.name}_rank_low", pa.int64(), [low for low, _ in placed])
            add(f"{column.name}_rank_high", pa.int64(), [high for _, high in placed])
    for name, kind in _FURTHER:
        add(name, kind, [f[name] for f in facts])
    return pa.table({name: pa.array(values, kind) for name, (kind, values) in columns.items()})


def _facts(board: Board, entry: Entry) -> dict[str, Any]:
    r = entry.record
    return {
        "model": r.model.name,
        "version": r.model.version,
        "group": "human" if r.human else "reference" if r.model.kind == "reference" else "model",
        "frames_scored": r.counts.scored,
        "frames_without_prediction": r.counts.no_prediction,
        "truth_points": r.truth.points,
        "causal": r.model.causal,
        "trained_on": None if r.model.trained_on is None else BETWEEN.join(r.model.trained_on),
        "licence": r.model.licence or None,
        "paper": r.model.paper or None,
        "badges": BETWEEN.join([*words.badges(r), *words.partly(board, entry)]) or None,
        "scored_on": r.time,
        "run": r.digest,
        "folder": entry.folder,
    }


def stimulus_rows(board: Board, stimuli: Iterable[tuple[Entry, pa.Table]]) -> pa.Table:
    """Return the means of every stimulus, a row for each run of the board and stimulus.

    Args:
        board: gives the metrics.
        stimuli: each run with its stimuli.parquet; the order is kept.

    Returns:
        `model`, `run`, `stimulus_id`, `n_frames`, `n_scored`, and each metric; null where it is undefined.
    """
    labels = [column.name for column in board.columns]
    schema = pa.schema(
        [("model", pa.string()), ("run", pa.string()), ("stimulus_id", pa.string())]
        + [(name, pa.int64()) for name in ("n_frames", "n_scored")]
        + [(label, pa.float64()) for label in labels]
    )
    parts = []
    for entry, table in stimuli:
        n = table.num_rows
        columns = [pa.array([text] * n, pa.string()) for text in (entry.record.model.name, entry.record.digest)]
        columns += [
            table[name].cast(kind.type).combine_chunks()
            for name, kind in zip(schema.names[2:], list(schema)[2:], strict=True)
        ]
        parts.append(pa.table(columns, schema=schema))
    return without_nan(pa.concat_tables(parts) if parts else schema.empty_table())


def without_nan(table: pa.Table) -> pa.Table:
    """Return a table with null in place of NaN."""
    for place, kind in enumerate(table.schema):
        if pa.types.is_floating(kind.type):
            column = table.column(place)
            table = table.set_column(place, kind, pc.if_else(pc.is_nan(column), pa.scalar(None, kind.type), column))
    return table

"""What stands beside the table of a board: stated speeds, published numbers, means by attribute, differences of pairs;
and all of it as tables to take along. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from vidsal.benchmark.evaluation.explain import causes
from vidsal.benchmark.evaluation.results.schema import RunRecord
from vidsal.benchmark.reported import Reported, reported

from .. import format as words
from ..boards import Board, Entry
from ..collect import Stimuli
from ..downloads.tables import without_nan
from ..standing import Tested, pairs_of


@dataclass(frozen=True)
class Stated:
    """What a submission states of its speed, in frames a second, and of its peak memory, in bytes, on some hardware."""

    entry: Entry
    speed: float | None
    memory: float | None
    hardware: str


def speeds(entries: Iterable[Entry]) -> list[Stated]:
    """Return what submissions state of speed and memory, hardware by hardware, the fastest first."""
    out = []
    for entry in entries:
        run = (entry.record.model.submission or {}).get("run") or {}
        speed, memory = _number(run.get("frames_per_second")), _number(run.get("peak_memory_bytes"))
        hardware = run.get("hardware")
        if hardware and (speed is not None or memory is not None):
            out.append(Stated(entry, speed, memory, str(hardware)))
    return sorted(out, key=lambda one: (one.hardware, -(one.speed or 0)))


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


@dataclass(frozen=True)
class Elsewhere:
    """Published numbers of a model on a split, by one source.

    Attributes:
        found: by label.
        ours: the best run of the same model on the board; None where it has none.
        why: why its numbers may differ, as `vidsal results why` says it.
    """

    found: dict[str, Reported]
    ours: Entry | None
    why: str

    @property
    def source(self) -> Reported:
        """One of the numbers: all say the same of their source."""
        return next(iter(self.found.values()))


def elsewhere(board: Board) -> list[Elsewhere]:
    """Return published numbers of the board's data set and protocol, by model and split."""
    of: dict[tuple[str, str], dict[str, Reported]] = {}
    for one in reported():
        if one.dataset == board.release.dataset and one.protocol == board.protocol.name:
            of.setdefault((one.model, one.split), {})[one.metric] = one
    ours = {_plain(e.record.model.name): e for e in reversed(board.models) if e.record.model.kind != "reference"}
    beside = [(found, ours.get(_plain(model))) for (model, _), found in of.items()]
    return [Elsewhere(found, entry, _why(entry.record, found) if entry else "") for found, entry in beside]


def _plain(name: str) -> str:
    """Return a model's name as any source writes it: `TASED-Net (updated)` is our `tased_net`."""
    return "".join(c for c in name.partition("(")[0].lower() if c.isalnum())


def _why(record: RunRecord, found: Mapping[str, Reported]) -> str:
    """Say why our numbers may differ from published ones that were scored alike."""
    one = next(iter(found.values()))
    said = [*causes.of_cited(record, one), *causes.of_part(record)]
    texts = [f"{c.what} {c.a} here, {c.b} there: {c.effect}" for c in said if c.what != "source"]
    alike: dict[str, list[str]] = {}
    for label, r in found.items():
        for cause in causes.of_chance(record, label, r.value, r.digits):
            alike.setdefault(cause.effect, []).append(words.label_of(label))
    return "; ".join([*texts, *(f"{', '.join(labels)}: {effect}" for effect, labels in alike.items())])


def tables_of(
    board: Board, stimuli: Mapping[str, Stimuli], tests: Sequence[Sequence[Tested]]
) -> dict[str, tuple[str, pa.Table]]:
    """Return the tables of a board beside its own and that of its stimuli, those that have a line, by the end of their
    name, each under what it is.

    Args:
        board: a board, or a comparison.
        stimuli: the means of each of its runs, by page.
        tests: of each of its pairs that has a page.
    """
    by = board.sort_column.name
    speed = [
        {**_run(one.entry), "frames_per_second": one.speed, "peak_memory_bytes": one.memory, "hardware": one.hardware}
        | {by: one.entry.record.metrics[by].mean}
        for one in speeds(board.models)
    ]
    found = {
        "speed": ("speed and memory", speed),
        "attributes": ("by attribute", _by_attribute(board, stimuli)),
        "pairs": ("pairs of models", _pairs(board, tests)),
        "reported": ("reported elsewhere", [] if board.common else _reported(board)),
    }
    return {name: (label, without_nan(pa.Table.from_pylist(lines))) for name, (label, lines) in found.items() if lines}


def _run(entry: Entry, before: str = "") -> dict[str, Any]:
    return {f"{before}model": entry.record.model.name, f"{before}run": entry.record.digest}


def _by_attribute(board: Board, stimuli: Mapping[str, Stimuli]) -> list[dict[str, Any]]:
    return [
        {**_run(e), "attribute": name, "n_stimuli": n}
        | {c.name: float(mean) for c, mean in zip(board.columns, means, strict=True)}
        for e in board.shown
        for name, (n, means) in stimuli[e.page].by_attribute.items()
    ]


def _pairs(board: Board, tests: Sequence[Sequence[Tested]]) -> list[dict[str, Any]]:
    return [
        _run(a, "first_")
        | _run(b, "second_")
        | {"metric": line.column.name, "first": line.a, "second": line.b, "stimuli": line.found.stimuli}
        | {"difference": line.found.mean, "low": line.found.low, "high": line.found.high}
        | {"p": line.found.p, "p_holm": line.p_holm}
        | {"better": {a.page: "first", b.page: "second"}.get(line.better or "")}
        for (a, b), lines in zip(pairs_of(board) if tests else [], tests, strict=True)
        for line in lines
    ]


def _reported(board: Board) -> list[dict[str, Any]]:
    return [
        {"model": r.model, "split": r.split, "metric": label, "value": r.value, "computed_by": r.computed_by}
        | {"source": r.source, "place": r.place, "link": r.link, "note": r.note or None}
        | (
            {**_run(one.ours, "our_"), "our_split": board.split, "our_value": one.ours.record.metrics[label].mean}
            if one.ours
            else dict.fromkeys(("our_model", "our_run", "our_split", "our_value"))
        )
        for one in elsewhere(board)
        for label, r in one.found.items()
    ]

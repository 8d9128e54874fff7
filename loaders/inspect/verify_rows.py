"""Checking the rows of a release's tables, a batch at a time: memory does not grow with the table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..records import EVENTS, POINT_EVENTS, Int64Array, Mask
from ..schema import ROW_GROUP_ROWS

Numbers = npt.NDArray[Any]
MOST_NAMED = 5
_LAST = np.iinfo(np.int64).max
"""Where a null sorts: after everything."""


@dataclass(frozen=True)
class Finding:
    """One result of the check.

    Attributes:
        rule: short name of the rule.
        ok: whether it holds.
        message: what was checked; where it does not hold, the first differences.
    """

    rule: str
    ok: bool
    message: str


@dataclass
class Rule:
    """A rule of the rows of one table, and the rows that break it: how many, and the first few in words."""

    name: str
    text: str
    wrong: int = 0
    first: list[str] = field(default_factory=list)

    def see(self, wrong: Mask, describe: Callable[[int], str]) -> None:
        """Count the rows that break the rule; `describe` puts one into words."""
        places = np.flatnonzero(wrong)
        self.wrong += len(places)
        self.first += [describe(int(place)) for place in places[: MOST_NAMED - len(self.first)]]

    def finding(self, table: str, rows: int) -> Finding:
        """Say whether the rule holds."""
        if not self.wrong:
            return Finding(self.name, True, f"{table}: {self.text}, {rows:,} rows")
        more = f" and {self.wrong - len(self.first):,} more" if self.wrong > len(self.first) else ""
        return Finding(
            self.name,
            False,
            f"{table}: {self.wrong:,} of {rows:,} rows break the rule that {self.text}: {'; '.join(self.first)}{more}",
        )


class Stimuli:
    """What the rows are compared with: the lines of stimuli.parquet by their place.

    Attributes:
        ids: stimulus ids, in order.
        place: of each id.
        split, width, height, n_frames, annotated: arrays by place.
        ranges: annotated frames by place, None = all; those that are not well-formed are None too.
    """

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self.ids = [r["stimulus_id"] for r in rows]
        self.place = {stimulus_id: place for place, stimulus_id in enumerate(self.ids)}
        self.split = np.array([r["split"] for r in rows], object)
        self.width, self.height, self.n_frames = (
            np.array([r[name] for r in rows], np.int64) for name in ("width", "height", "n_frames")
        )
        self.annotated = np.array([r["annotated"] for r in rows], bool)
        self.ranges = [
            None if r["annotated_frames"] is None or fault_of(r) else np.array(r["annotated_frames"]) for r in rows
        ]


def fault_of(row: Mapping[str, Any]) -> str | None:
    """Say what is wrong with the annotated frames of a line of stimuli.parquet; None if they are well-formed."""
    ranges = row["annotated_frames"]
    if ranges is None:
        return None
    if len(ranges) % 2 or None in ranges:
        return f"expected pairs of first and last, found {ranges[:6]}"
    firsts, lasts = ranges[::2], ranges[1::2]
    if any(a > b for a, b in zip(firsts, lasts, strict=True)):
        return f"a range ends before it begins: {ranges[:6]}"
    if any(a <= b for a, b in zip(firsts[1:], lasts[:-1], strict=True)):
        return f"ranges are not ascending: {ranges[:6]}"
    if ranges and (ranges[0] < 0 or ranges[-1] >= row["n_frames"]):
        return f"expected 0 to {row['n_frames'] - 1}, found {ranges[0]} to {ranges[-1]}"
    return None


class Rows:
    """Walks one table and applies the rules that both tables of rows share; see `Fixations` and `Gaze`."""

    table = ""
    columns: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()

    def __init__(self, stimuli: Stimuli, dataset: str) -> None:
        self.stimuli, self.dataset = stimuli, dataset
        self.rows = 0
        self.seen_by: dict[int, set[str]] = {}
        self.known = Rule("ids", "its stimulus is one of stimuli.parquet")
        self.same = Rule("dataset", f"its dataset is {dataset}")
        self.order = Rule("sorted", f"rows are in the order of stimulus, {', '.join(self.keys)}")
        self._last: tuple[int, list[Any]] | None = None

    def walk(self, path: Path, step: Callable[[], object]) -> list[Finding]:
        """Read the table and return a finding for every rule; `step` is called after each part of it."""
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(ROW_GROUP_ROWS, columns=list(self.columns), use_threads=False):
                self._check(batch)
                self.rows += batch.num_rows
                step()
        return [rule.finding(self.table, self.rows) for rule in self.rules()]

    def rules(self) -> Iterator[Rule]:
        """All rules of the table."""
        yield from (self.known, self.same, self.order)

    def _check(self, batch: pa.RecordBatch) -> None:
        codes, words = _coded(batch["stimulus_id"])
        place = np.array([self.stimuli.place.get(word, -1) for word in words] or [-1], np.int64)[codes]
        self.known.see(place < 0, lambda i: f"row {self.rows + i}: {words[codes[i]]!r}")
        sets, names = _coded(batch["dataset"])
        self.same.see(
            np.array([name != self.dataset for name in names] or [True])[sets],
            lambda i: f"{self._at(place, i)}: expected {self.dataset}, found {names[sets[i]]}",
        )
        self._check_order(batch, place)
        self._note_observers(batch, place)
        self.check(batch, place)

    def check(self, batch: pa.RecordBatch, place: Numbers) -> None:
        """Apply the rules of one kind of table."""

    def _at(self, place: Numbers, i: int) -> str:
        name = self.stimuli.ids[place[i]] if place[i] >= 0 else "?"
        return f"{name}, row {self.rows + i}"

    def _check_order(self, batch: pa.RecordBatch, place: Numbers) -> None:
        """Compare each row with the one before, the last row of the batch before included."""
        before = [None] * len(self.keys) if self._last is None else self._last[1]
        first = place[0] if self._last is None else self._last[0]
        compared = [np.concatenate([[first], place])]
        compared += [_sortable(batch[name], value) for name, value in zip(self.keys, before, strict=True)]
        falls, equal = np.zeros(batch.num_rows, bool), np.ones(batch.num_rows, bool)
        for number in compared:
            falls |= equal & (number[1:] < number[:-1])
            equal &= number[1:] == number[:-1]
        if self._last is None:
            falls[0] = False
        self.order.see(falls, lambda i: f"{self._at(place, i)}: comes before the row above it")
        self._last = int(place[-1]), [batch[name][-1].as_py() for name in self.keys]

    def _note_observers(self, batch: pa.RecordBatch, place: Numbers) -> None:
        codes, words = _coded(batch["observer_id"])
        named = codes >= 0
        pairs = np.unique(np.stack([place[named], codes[named]], axis=1), axis=0)
        for at, code in pairs.tolist():
            self.seen_by.setdefault(at, set()).add(words[code])


class Fixations(Rows):
    """The rules of fixations.parquet, and what release.json counts in it."""

    table = "fixations"
    columns = (
        *("dataset", "stimulus_id", "split", "observer_id", "event", "order", "frame", "frame_end"),
        *("x_px", "y_px", "weight", "in_bounds"),
    )
    keys = ("frame", "observer_id", "order")

    def __init__(self, stimuli: Stimuli, dataset: str) -> None:
        super().__init__(stimuli, dataset)
        self.points = self.outside = 0
        self.split = Rule("split", "its split is that of its stimulus")
        self.event = Rule("event", f"its event is one of {', '.join(EVENTS)}")
        self.frame = Rule("frame", "its frame is one of its stimulus")
        self.end = Rule("frame_end", "its last frame is not before its first nor after the stimulus's last")
        self.bounds = Rule("in_bounds", "in_bounds says whether 0 <= x < width and 0 <= y < height")
        self.weight = Rule("weight", "its weight is finite and not negative")
        self.annotated = Rule("annotated_frames", "its frame is annotated")

    def rules(self) -> Iterator[Rule]:
        """All rules of the table."""
        yield from super().rules()
        yield from (self.split, self.event, self.frame, self.end, self.bounds, self.weight, self.annotated)

    def check(self, batch: pa.RecordBatch, place: Numbers) -> None:
        """Apply the rules of fixations and count."""
        known = place >= 0
        self._check_words(batch, place, known)
        frame = batch["frame"].to_numpy()
        end = pc.coalesce(batch["frame_end"], batch["frame"]).to_numpy()
        n_frames = self.stimuli.n_frames[place]
        self.frame.see(
            known & ((frame < 0) | (frame >= n_frames)),
            lambda i: f"{self._at(place, i)}: expected 0 to {n_frames[i] - 1}, found {frame[i]}",
        )
        self.end.see(
            known & ((end < frame) | (end >= n_frames)),
            lambda i: f"{self._at(place, i)}: expected {frame[i]} to {n_frames[i] - 1}, found {end[i]}",
        )
        x, y = batch["x_px"].to_numpy(), batch["y_px"].to_numpy()
        width, height = self.stimuli.width[place], self.stimuli.height[place]
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        said = batch["in_bounds"].to_numpy(zero_copy_only=False)
        self.bounds.see(
            known & (inside != said),
            lambda i: (
                f"{self._at(place, i)}: ({x[i]:g}, {y[i]:g}) in {width[i]} x {height[i]}, "
                f"expected {bool(inside[i])}, found {bool(said[i])}"
            ),
        )
        weight = batch["weight"].to_numpy()
        self.weight.see(~(np.isfinite(weight) & (weight >= 0)), lambda i: f"{self._at(place, i)}: found {weight[i]:g}")
        bare = known & ~self._annotated(place, frame)
        self.annotated.see(bare, lambda i: f"{self._at(place, i)}: frame {frame[i]} is not")
        points = pc.is_in(batch["event"].cast(pa.string()), pa.array(POINT_EVENTS)).to_numpy(zero_copy_only=False)
        self.points += int((said & points).sum())
        self.outside += int((~said).sum())

    def _check_words(self, batch: pa.RecordBatch, place: Numbers, known: Mask) -> None:
        codes, words = _coded(batch["split"])
        found = np.array(words or [""], object)[codes]
        expected = self.stimuli.split[place]
        self.split.see(
            known & np.asarray(found != expected, bool),
            lambda i: f"{self._at(place, i)}: expected {expected[i]}, found {found[i]}",
        )
        numbers, events = _coded(batch["event"])
        strange = np.array([event not in EVENTS for event in events] or [True])[numbers]
        self.event.see(strange, lambda i: f"{self._at(place, i)}: found {events[numbers[i]]}")

    def _annotated(self, place: Numbers, frame: Numbers) -> Mask:
        inside = self.stimuli.annotated[place].copy()
        starts = np.flatnonzero(np.diff(place, prepend=-2))
        for a, b in zip(starts, [*starts[1:], len(place)], strict=True):
            ranges = self.stimuli.ranges[place[a]] if place[a] >= 0 else None
            if ranges is not None:
                which = np.searchsorted(ranges[::2], frame[a:b], "right") - 1
                inside[a:b] &= (which >= 0) & (frame[a:b] <= np.append(ranges[1::2], -1)[which])
        return inside


class Gaze(Rows):
    """The rules of gaze.parquet."""

    table = "gaze"
    columns = ("dataset", "stimulus_id", "observer_id", "trial_id", "t_us")
    keys = ("observer_id", "trial_id", "t_us")


def _coded(column: pa.Array) -> tuple[Int64Array, list[Any]]:
    """Return the codes of a column, -1 for a null, and its categories."""
    words = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    return pc.fill_null(words.indices.cast(pa.int64()), -1).to_numpy(), words.dictionary.to_pylist()


def _sortable(column: pa.Array, before: Any) -> Int64Array:
    """Return numbers that sort as the values do, nulls last; one more in front, of the value before the first."""
    if pa.types.is_integer(column.type):
        numbers = pc.fill_null(column.cast(pa.int64()), _LAST).to_numpy()
        return np.concatenate([[_LAST if before is None else before], numbers])
    codes, words = _coded(column)
    rank = {word: number for number, word in enumerate(sorted({*words, *([] if before is None else [before])}))}
    ranks = np.array([*(rank[word] for word in words), _LAST], np.int64)
    return np.concatenate([[_LAST if before is None else rank[before]], ranks[codes]])

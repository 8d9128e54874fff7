"""Everything that the pages of a site are made from: boards, what stands behind them, what was read of each run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from statistics import median

from vidsal.benchmark.evaluation.results.schema import ReleaseRecord

from .boards import Board, Entry
from .collect import Loaded, Stimuli
from .config import Config
from .format import qualifiers
from .kept import digest_of
from .links import data_page, model_page, protocol_page
from .standing import Standing, Tested, resamples_for, seed_for


def pair_key(board: Board, pair: Sequence[Entry], runs: Mapping[str, Loaded]) -> str:
    """Return the digest of what the differences of a pair of a board follow from; empty where it is not known."""
    keys = [runs[entry.page].key for entry in (board.shown[0], *pair)]
    return digest_of("tests", board.id, seed_for(board), resamples_for(board), keys) if all(keys) else ""


@dataclass(frozen=True)
class Content:
    """A site before it is written.

    Attributes:
        config: what the site says of itself.
        boards: in their order.
        comparisons: boards of the frames that models of several boards share.
        standings: of every board and comparison, by id.
        tests: of every board, by id: the differences of each pair that has a page.
        runs: what was read of each run that a board knows, by page.
        shared: of every comparison, by id: the means of each of its runs on the frames that all scored, by page.
    """

    config: Config
    boards: tuple[Board, ...]
    comparisons: tuple[Board, ...]
    standings: Mapping[str, Standing]
    tests: Mapping[str, list[list[Tested]]]
    runs: Mapping[str, Loaded]
    shared: Mapping[str, Mapping[str, Stimuli]]

    def stimuli(self, board: Board, entry: Entry) -> Stimuli:
        """Return the means of a run of a board or comparison, on its frames."""
        return self.shared[board.id][entry.page] if board.common else self.runs[entry.page].stimuli

    @cached_property
    def board_of(self) -> dict[str, Board]:
        """The board of each run, by page."""
        return {e.page: board for board in self.boards for runs in board.history.values() for e in runs}

    @cached_property
    def labels(self) -> dict[str, str]:
        """By page of each run that a board shows: its model's name, with what distinguishes it from others of its name
        there."""
        found = {}
        for board in self.boards:
            names = Counter(e.record.model.name for e in board.shown)
            for entry in board.shown:
                name = entry.record.model.name
                more = qualifiers(entry, board.shown) if names[name] > 1 else ()
                found[entry.page] = ", ".join([name, *more])
        return found

    def label(self, entry: Entry) -> str:
        """Return what tells a run's model from others of its name on its board."""
        return self.labels.get(entry.page, entry.record.model.name)

    @cached_property
    def middles(self) -> dict[str, dict[str, float]]:
        """By board and attribute of stimuli: the median over its models of their means over these stimuli, by the
        column of the order; without an attribute for which no model has a value."""
        return {board.id: self._middles(board) for board in self.boards}

    def _middles(self, board: Board) -> dict[str, float]:
        column = board.columns.index(board.sort_column)
        found: dict[str, list[float]] = {}
        for entry in board.models:
            for name, (_, means) in self.runs[entry.page].stimuli.by_attribute.items():
                if isfinite(means[column]):
                    found.setdefault(name, []).append(float(means[column]))
        return {name: median(values) for name, values in found.items()}

    @cached_property
    def faces(self) -> dict[str, tuple[str, str]]:
        """By page of each run that a board shows: its label, and the page of its model."""
        shown = (entry for board in self.boards for entry in board.shown)
        return {entry.page: (self.labels[entry.page], model_page(entry)) for entry in shown}

    @cached_property
    def models(self) -> dict[str, list[tuple[Board, Entry]]]:
        """By page of the model, in alphabetical order: the run that each board shows."""
        found: dict[str, list[tuple[Board, Entry]]] = {}
        for board in self.boards:
            for entry in board.shown:
                found.setdefault(model_page(entry), []).append((board, entry))
        return dict(sorted(found.items(), key=lambda item: (item[1][0][1].record.model.name.lower(), item[0])))

    @cached_property
    def protocols(self) -> dict[str, list[Board]]:
        """By page of the protocol: its boards."""
        found: dict[str, list[Board]] = {}
        for board in self.boards:
            found.setdefault(protocol_page(board.protocol), []).append(board)
        return found

    @cached_property
    def releases(self) -> dict[str, tuple[ReleaseRecord, list[Board]]]:
        """By page of the release: it, and its boards."""
        found: dict[str, tuple[ReleaseRecord, list[Board]]] = {}
        for board in self.boards:
            found.setdefault(data_page(board.release), (board.release, []))[1].append(board)
        return found

    @cached_property
    def newest(self) -> str:
        """When the newest run was scored."""
        return max(entry.record.time for board in self.boards for runs in board.history.values() for entry in runs)

    def key_of(self, *parts: object) -> str:
        """Return the digest of what a page is made from, beside the site's own words: see `board_key`, `run_key`."""
        return digest_of(self.config.model_dump(), *parts) if all(parts) else ""

    @cached_property
    def board_keys(self) -> dict[str, str]:
        """By id of a board or comparison: digest of everything that it shows of its runs; empty where it is not known
        of one of them."""
        return {
            board.id: self.key_of(board.id, board.title, self._runs(e for runs in board.history.values() for e in runs))
            for board in (*self.boards, *self.comparisons)
        }

    def run_key(self, address: str) -> str:
        """Return the digest of everything that the page of a run shows."""
        board, run = self.board_of[address], self.runs[address]
        shown = [self.labels[address]] if address in self.labels else []
        return self.key_of(address, board.id, board.title, [shown], self._runs(board.runs_of(run.entry)))

    def pair_key(self, board: Board, pair: Sequence[Entry], address: str) -> str:
        """Return the digest of everything that the page of a pair shows."""
        return self.key_of(
            address, board.title, [self.label(entry) for entry in pair], pair_key(board, pair, self.runs)
        )

    def _runs(self, entries: Iterable[Entry]) -> list[str]:
        keys = [self.runs[e.page].key for e in entries]
        return keys if all(keys) else []

    def comparison_of(self, board: Board) -> Board | None:
        """Return the comparison in which models of a board stand beside those of others."""
        pages = {e.page for e in board.shown}
        return next((c for c in self.comparisons if pages & {e.page for e in c.shown}), None)

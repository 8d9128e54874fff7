"""Which frames of a stimulus are kept, decided while they are scored: evenly spaced ones, the best, the worst."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from .cells import Cell

MOST_EVEN = 56
"""Most evenly spaced frames; at least half as many are kept where there are enough."""

MOST_EXTREME = 10
"""Most frames of the best, and of the worst."""

STRETCHES = 40
"""The best frames lie at least such a part of the video from each other, and so do the worst: neighbors look alike."""

_CONSIDERED = 2 * MOST_EXTREME
"""Stretches whose best frame is kept until the end: the best frames of two that touch may lie too near."""

Pair = tuple[Cell, Cell]
"""The cells of the map and of the truth."""

_Ranked = tuple[float, int, float, Pair]
"""Ascending: a score, negative where higher is better; the frame; the score itself; its cells."""


@dataclass(frozen=True)
class Chosen:
    """The frames that are kept.

    Attributes:
        even: of each evenly spaced frame its score and cells, ascending.
        extreme: the same of those best and worst frames that are not among them.
        best, worst: their numbers, the best and the worst one first.
    """

    even: Mapping[int, tuple[float, Pair]]
    extreme: Mapping[int, tuple[float, Pair]]
    best: tuple[int, ...]
    worst: tuple[int, ...]


class Chooser:
    """Takes the scored frames of a stimulus one by one, ascending, and keeps the cells of a few.

    The evenly spaced ones are every 1st, 2nd, 4th, 8th ... scored frame, by the smallest such step that leaves at most
    `MOST_EVEN`. So they follow from the scored frames alone, and models that scored the same frames share them.

    Args:
        higher_is_better: direction of the score.
        apart: how far the best frames lie from each other at least, and the worst. Of each stretch of so many frames
            the best one is considered, and the worst one.
    """

    def __init__(self, *, higher_is_better: bool, apart: int = 1) -> None:
        self._sign = -1 if higher_is_better else 1
        self._apart = apart
        self._seen = 0
        self._ranked = 0
        self._step = 1
        self._even: dict[int, tuple[float, Pair]] = {}
        self._best: list[_Ranked] = []
        self._worst: list[_Ranked] = []

    def look(self, frame: int, score: float, cells: Callable[[], Pair]) -> None:
        """Take the next scored frame.

        Args:
            frame: its number.
            score: by which frames are ranked; one that is not finite is not ranked.
            cells: makes its cells; called only where they are kept.
        """
        made: Pair | None = None
        if self._seen % self._step == 0:
            made = cells()
            self._even[frame] = score, made
            if len(self._even) > MOST_EVEN:
                self._step *= 2
                self._even = dict(list(self._even.items())[::2])
        self._seen += 1
        if not isfinite(score):
            return
        self._ranked += 1
        for ranking, key in ((self._best, self._sign * score), (self._worst, -self._sign * score)):
            rival = next((r for r in ranking if r[1] // self._apart == frame // self._apart), None)
            if key < rival[0] if rival else len(ranking) < _CONSIDERED or key < ranking[-1][0]:
                made = made or cells()
                if rival:
                    ranking.remove(rival)
                insort(ranking, (key, frame, score, made), key=lambda entry: entry[:2])
                del ranking[_CONSIDERED:]

    def chosen(self) -> Chosen:
        """Return what is kept of all frames that were taken.

        The best and the worst are at most half of the ranked frames each, and no frame is both; of equal scores the
        earlier frames count.
        """
        most = min(MOST_EXTREME, self._ranked // 2)
        best = self._spread(self._best)[:most]
        named = {frame for _, frame, *_ in best}
        worst = [entry for entry in self._spread(self._worst) if entry[1] not in named][:most]
        further = {f: (score, pair) for _, f, score, pair in (*best, *worst) if f not in self._even}
        return Chosen(
            dict(self._even), {f: further[f] for f in sorted(further)},
            tuple(f for _, f, *_ in best), tuple(f for _, f, *_ in worst),
        )  # fmt: skip

    def _spread(self, ranking: Sequence[_Ranked]) -> list[_Ranked]:
        """Return the first ones that lie apart."""
        found: list[_Ranked] = []
        for entry in ranking:
            if all(abs(entry[1] - other[1]) >= self._apart for other in found):
                found.append(entry)
        return found[:MOST_EXTREME]

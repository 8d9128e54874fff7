"""Scoring people against people over one stimulus: each row is the mean of a frame's comparisons."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vidsal.loaders.io.progress import tick
from vidsal.loaders.release.release import Stimulus

from ..human import Comparison, HumanReference
from ..metrics.maps import Map
from ..prefetch import prefetch_calls
from ..scoring.frame import FrameScores, FrameTruth, score
from ..scoring.negatives import Negatives
from .stimulus import AHEAD, NO_FIXATION, NO_PREDICTION, SCORED, FrameRows, FrameScorer, n_fixated_of, reason_of


def score_humans(reference: HumanReference, stimulus: Stimulus, scorer: FrameScorer) -> pa.Table:
    """Score a human reference over one stimulus; a row is the mean over its comparisons."""
    rows = FrameRows(stimulus.id, scorer.protocol.labels)
    negatives = scorer.negatives.of(stimulus)
    truths = _PartTruths(stimulus, scorer, negatives)
    for frame in filter(scorer.asked_for, stimulus.annotated_indices().tolist()):
        tick()
        n_fixated = n_fixated_of(stimulus, frame)
        if not n_fixated:
            rows.add(frame, 0, None, NO_FIXATION, None)
            continue
        truths.next_frame(frame)
        mean_map = MeanMap() if scorer.previews else None
        compared = _compared(reference.compare(stimulus, frame, scorer.recipe), truths, mean_map)
        scores = list(prefetch_calls(compared, 1, AHEAD))  # one is scored while the next one is made
        if not scores:
            rows.add(frame, n_fixated, None, NO_PREDICTION, "only one observer looked")
            continue
        means = {label: _mean([s[label] for s in scores]) for label in scorer.protocol.labels}
        mean = FrameScores(means, shared_reasons(scores))
        rows.add(frame, n_fixated, mean, SCORED, reason_of(mean))
        if scorer.previews and mean_map:
            everyone = scorer.truth(stimulus, frame, negatives)
            scorer.previews.look(frame, mean, mean_map.mean, "density", everyone)
    return scorer.add_left_out(rows, stimulus).table()


@dataclass
class _PartTruths:
    """The truths of some of a frame's points. Those of the frame before are kept: a fixation lasts many frames."""

    stimulus: Stimulus
    scorer: FrameScorer
    negatives: Negatives | None
    where: str = ""
    _before: dict[bytes, FrameTruth] = field(default_factory=dict)
    _now: dict[bytes, FrameTruth] = field(default_factory=dict)

    def next_frame(self, frame: int) -> None:
        """Begin a frame."""
        self.where = f"{self.stimulus.id}, frame {frame}"
        self._before, self._now = self._now, {}

    def of(self, chosen: npt.NDArray[np.intp]) -> FrameTruth:
        """Return the truth of these points of the stimulus."""
        key = chosen.tobytes()
        truth = self._before.get(key) or self.scorer.truth_of(self.stimulus, chosen, self.negatives, self.where)
        self._now[key] = truth
        return truth


class MeanMap:
    """The mean of a frame's densities, to look at: only their sum is kept, for all of a large frame fill the memory."""

    def __init__(self) -> None:
        self._sum: Map = np.zeros((), np.float32)
        self._count = 0

    def add(self, values: Map) -> None:
        """Add a density."""
        if self._count:
            self._sum += values
        else:
            self._sum = values.copy()
        self._count += 1

    def mean(self) -> Map:
        """Return the mean, of the densities' type."""
        mean: Map = self._sum / self._sum.dtype.type(self._count)
        return mean


def _compared(
    comparisons: Iterator[Comparison], truths: _PartTruths, mean_map: MeanMap | None
) -> Iterator[Callable[[], FrameScores]]:
    """Yield what scores each comparison of a frame, and add up its densities."""
    protocol = truths.scorer.protocol
    for comparison in comparisons:
        if mean_map:
            mean_map.add(comparison.values)
        truth = truths.of(comparison.truth)
        yield partial(score, comparison.values, "density", truth, protocol, encode=True, where=truths.where)


def shared_reasons(scores: Sequence[FrameScores]) -> dict[str, str]:
    """The first reason of each label; where not all comparisons share it, of how many it is."""
    found = {}
    for label in scores[0]:
        texts = [s.reasons[label] for s in scores if label in s.reasons]
        if texts:
            n = texts.count(texts[0])
            found[label] = texts[0] if n == len(scores) else f"{texts[0]} ({n} of {len(scores)} comparisons)"
    return found


def _mean(values: list[float]) -> float:
    defined = [v for v in values if v == v]
    return sum(defined) / len(defined) if defined else float("nan")

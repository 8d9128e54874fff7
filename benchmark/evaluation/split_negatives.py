"""The negatives of a run: where people looked in other stimuli, or in random frames, of one release and split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vidsal.loaders.release.release import Stimulus

from ..protocols import Protocol
from ..scoring.negatives import Negatives, StimulusUnion, union_probability

FloatMap = npt.NDArray[np.float64]
ONE_STIMULUS = "only one annotated stimulus in the split"
NO_OTHERS = "no point in any other stimulus of the split"
NOT_WANTED = "not reported by this protocol"
DRAWN = {"ten-stimulus-union": 10, "forty-other-union": 40}
"""How many stimuli a protocol draws a frame each from."""


@dataclass(frozen=True)
class SplitNegatives:
    """The negatives for the frames of one size.

    Attributes:
        total: weight of every pixel over the whole split, shape (H, W); or, where other stimuli are drawn, in which
            part of its frames each stimulus has each pixel fixated, shape (stimuli, H, W).
        others: True if a stimulus's own part is taken off before use.
        reason: why there are none; empty where there are.
    """

    total: FloatMap
    others: bool
    reason: str = ""

    def of(self, stimulus: Stimulus) -> Negatives | None:
        """Return the negatives for one stimulus's frames; None where there are none."""
        if self.reason:
            return None
        if not self.others:
            return Negatives(self.total)
        if self.total.ndim == 3:
            union = _union_without(self.total, _share(stimulus, self.total.shape[1:]))
            return Negatives(union) if union.any() else None
        own = _weights(stimulus, self.total.shape)
        rest = np.where(np.isclose(self.total, own, rtol=1e-12, atol=0), 0.0, self.total - own)
        return Negatives(rest) if rest.any() else None


def split_negatives(stimuli: Sequence[Stimulus], shape: tuple[int, int], protocol: Protocol) -> SplitNegatives:
    """Collect the negatives of a split for frames of one size.

    Args:
        stimuli: all annotated stimuli of the release and split, whatever part of them is scored.
        shape: height and width of the frames; points of other sizes are scaled to it by floor(x W / W').
        protocol: says which negatives are wanted.
    """
    others = protocol.negatives in ("others-list", "forty-other-union")
    if protocol.negatives == "none":
        return SplitNegatives(np.zeros(shape), others, NOT_WANTED)
    if others and len(stimuli) < 2:
        return SplitNegatives(np.zeros(shape), others, ONE_STIMULUS)
    total = np.zeros(shape)
    if protocol.negatives == "forty-other-union":
        total = np.stack([_share(stimulus, shape) for stimulus in stimuli])
    elif protocol.negatives == "ten-stimulus-union":
        drawn = StimulusUnion(shape, DRAWN[protocol.negatives])
        for stimulus in stimuli:
            drawn.add(_share(stimulus, shape))
        total = drawn.probability()
    elif others:
        for stimulus in stimuli:
            total += _weights(stimulus, shape)
    else:
        for stimulus in stimuli:
            total += _frame_counts(stimulus, shape)
        frames = sum(len(s.annotated_indices()) for s in stimuli)
        total = union_probability(np.rint(total).astype(np.int64), frames)
    return SplitNegatives(total, others, "" if total.any() else NO_OTHERS)


def _union_without(shares: FloatMap, own: FloatMap) -> FloatMap:
    """Probability to be in a union drawn from all stimuli but one."""
    left_out = next(i for i, share in enumerate(shares) if np.array_equal(share, own))
    drawn = StimulusUnion((own.shape[0], own.shape[1]), DRAWN["forty-other-union"])
    for i, share in enumerate(shares):
        if i != left_out:
            drawn.add(share)
    return drawn.probability()


def _share(stimulus: Stimulus, shape: tuple[int, ...]) -> FloatMap:
    """In which part of the stimulus's annotated frames each pixel is fixated."""
    counts = _frame_counts(stimulus, (shape[0], shape[1]))
    return np.minimum(counts / max(1, len(stimulus.annotated_indices())), 1.0)


def _pixels(stimulus: Stimulus, shape: tuple[int, int]) -> npt.NDArray[np.int64]:
    """Flat pixel of each point on a grid of another size: floor(x W / W'), floor(y H / H')."""
    points = stimulus.gaze_points
    height, width = shape
    column = np.floor(points.x.astype(np.float64) * width / stimulus.width).astype(np.int64)
    row = np.floor(points.y.astype(np.float64) * height / stimulus.height).astype(np.int64)
    pixels: npt.NDArray[np.int64] = row * width + column
    return pixels


def _spans(stimulus: Stimulus) -> npt.NDArray[np.int64]:
    """How many frames of the stimulus each point covers."""
    points = stimulus.gaze_points
    last = np.minimum(points.frame_end, stimulus.n_frames - 1)
    spans: npt.NDArray[np.int64] = np.maximum(last.astype(np.int64) - points.frame + 1, 0)
    return spans


def _weights(stimulus: Stimulus, shape: tuple[int, int]) -> FloatMap:
    weight = stimulus.gaze_points.weight * _spans(stimulus)
    counts = np.bincount(_pixels(stimulus, shape), weight, shape[0] * shape[1])
    return counts.astype(np.float64).reshape(shape)


def _frame_counts(stimulus: Stimulus, shape: tuple[int, int]) -> FloatMap:
    """In how many of the stimulus's frames each pixel is fixated."""
    spans = _spans(stimulus)
    pixel = np.repeat(_pixels(stimulus, shape), spans)
    start = np.repeat(stimulus.gaze_points.frame.astype(np.int64), spans)
    offset = np.arange(len(start)) - np.repeat(np.cumsum(spans) - spans, spans)
    size = shape[0] * shape[1]
    distinct = np.unique((start + offset) * size + pixel)
    return np.bincount(distinct % size, minlength=size).astype(np.float64).reshape(shape)

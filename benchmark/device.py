"""Frames scored by torch in batches, where a predictor left them: CUDA, or the CPU as its test.

The arithmetic is float64, as in the definitions; for float32 predictions the scores agree with them to 1e-6 and
better. Sums are taken in a fixed order (no atomic additions of floats), so a batch scored twice on one device gives
the same bytes. Frames that are not ordinary (constant maps, truths without mass) and protocols without formulas here
are scored by `scoring.score`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vidsal.loaders.errors import NonFinite, WrongUse

from .declaration import find
from .door import SUM_TOLERANCE
from .frame_truth import FrameTruth
from .metrics import EPS
from .predictor import Kind
from .protocols import SHORT_NAMES, Protocol
from .protocols import protocol as find_protocol
from .published import EPS_MIT
from .reasons import convention, facts_of, missing_part
from .resize import RESIZES
from .scoring import FrameScores, score

MOST_PIXELS = 1 << 24
"""Pixels that are worked on at a time; a batch of more is cut."""


@dataclass(frozen=True)
class TruthBatch:
    """The truths of a batch of frames on a device; made by `upload` and good for any number of predictions.

    Attributes:
        truths: as prepared on the CPU, one a frame.
        fixated: (B, n) int64 flat pixels, ascending, padded with 0.
        once: (B, n) float64 one for each fixated pixel, 0 for padding.
        repeated: (B, n) float64 fixations on each, 0 for padding.
        density: (B, H W) of the truth's own type, or None.
        others: (B, m) int64 flat pixels of listed negatives, padded with 0, and their (B, m) float64 weights; or None.
        weights: (B, H W) float64 weights where the negatives are kept as maps; or None.
    """

    truths: tuple[FrameTruth, ...]
    fixated: Tensor
    once: Tensor
    repeated: Tensor
    density: Tensor | None
    others: tuple[Tensor, Tensor] | None
    weights: Tensor | None

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the frames."""
        return self.truths[0].shape

    def part(self, start: int, stop: int) -> TruthBatch:
        """Return the truths of some of the frames."""

        def cut(tensor: Tensor | None) -> Any:
            return None if tensor is None else tensor[start:stop]

        return TruthBatch(
            self.truths[start:stop], cut(self.fixated), cut(self.once), cut(self.repeated), cut(self.density),
            None if self.others is None else (cut(self.others[0]), cut(self.others[1])), cut(self.weights),
        )  # fmt: skip


def upload(truths: Sequence[FrameTruth], device: torch.device | str) -> TruthBatch:
    """Copy prepared truths of equally large frames to a device.

    Raises:
        WrongUse: no truth, different sizes, or densities or negatives for some frames only.
    """
    if not truths:
        raise WrongUse("a batch needs at least one frame")
    if len({t.full_shape for t in truths}) > 1 or any(t.shape != t.full_shape for t in truths):
        raise WrongUse("a batch holds frames of one size, at their full resolution")
    for name in ("truth_map", "negatives"):
        if len({getattr(t, name) is None for t in truths}) > 1:
            raise WrongUse(f"all frames of a batch have a {name}, or none has")
    fixated, once = _padded([t.fixated for t in truths], [t.once for t in truths], device)
    _, repeated = _padded([t.fixated for t in truths], [t.repeated for t in truths], device)
    density, others, weights = None, None, None
    maps = [t.truth_map for t in truths if t.truth_map is not None]
    if maps:
        density = torch.from_numpy(np.stack([m.values.reshape(-1) for m in maps])).to(device)
    negatives = [t.negatives for t in truths if t.negatives is not None]
    if negatives and any(n.many for n in negatives):
        first = negatives[0]
        if all(n is first for n in negatives):
            weights = torch.from_numpy(first.weights.reshape(1, -1)).to(device).expand(len(truths), -1)
        else:
            weights = torch.from_numpy(np.stack([n.weights.reshape(-1) for n in negatives])).to(device)
    elif negatives:
        others = _padded([n.pixels[0] for n in negatives], [n.pixels[1] for n in negatives], device)
    return TruthBatch(tuple(truths), fixated, once, repeated, density, others, weights)


def _padded(index: list[Any], weight: list[Any], device: torch.device | str) -> tuple[Tensor, Tensor]:
    longest = max(1, *(len(i) for i in index))
    indices, weights = np.zeros((len(index), longest), np.int64), np.zeros((len(index), longest))
    for row, (i, w) in enumerate(zip(index, weight, strict=True)):
        indices[row, : len(i)], weights[row, : len(i)] = i, w
    return torch.from_numpy(indices).to(device), torch.from_numpy(weights).to(device)


def score_batch(
    values: Tensor,
    truths: TruthBatch | Sequence[FrameTruth],
    protocol: Protocol | str = "exact-1",
    *,
    kind: Kind = "saliency",
    encode: bool = False,
    where: Sequence[str] | None = None,
) -> list[FrameScores]:
    """Score a batch of predictions where they are.

    Args:
        values: (B, h, w) uint8, float16, bfloat16, float32 or float64, on any device.
        truths: one prepared truth a frame (with the same protocol and `encode`), or what `upload` made of them.
        protocol: name or declaration.
        kind: of the predictions.
        encode: True passes predictions through the protocol's 8-bit stage, as a run does.
        where: stimulus and frame of each prediction, named in errors.

    Returns:
        The scores of each frame, in order; equal to `scoring.score` to 1e-6 for float32 predictions.

    Raises:
        NonFinite, BadData, WrongUse: as `scoring.score`.
    """
    rules = find_protocol(protocol)
    if values.ndim != 3:
        raise WrongUse(f"a batch of predictions has shape (B, h, w); found {tuple(values.shape)}")
    batch = truths if isinstance(truths, TruthBatch) else upload(truths, values.device)
    if len(values) != len(batch.truths):
        raise WrongUse(f"{len(values)} predictions for {len(batch.truths)} truths")
    names = list(where) if where is not None else [f"prediction {i}" for i in range(len(values))]
    step = max(1, MOST_PIXELS // (batch.shape[0] * batch.shape[1]))
    scores: list[FrameScores] = []
    with torch.no_grad():
        for start in range(0, len(values), step):
            stop = min(start + step, len(values))
            part = _Batch(values[start:stop], batch.part(start, stop), rules, kind, encode, names[start:stop])
            scores += part.scores()
    return scores


class _Batch:
    """The visit of some frames: what `fast.Visit` is to one."""

    def __init__(
        self, values: Tensor, truths: TruthBatch, rules: Protocol, kind: Kind, encode: bool, where: list[str]
    ) -> None:
        self.given = values
        self.truths = truths
        self.rules = rules
        self.kind: Kind = kind
        self.encode = encode
        self.where = where

    def scores(self) -> list[FrameScores]:
        if not set(self.rules.metrics) <= FORMULAS.keys() or self.rules.stretch != "none" or self.rules.halved:
            return [self._alone(i) for i in range(len(self.given))]
        self._prepare()
        truths = self.truths.truths
        lacking = [[missing_part(find(m), t) for m in self.rules.metrics] for t in truths]
        columns = []
        for column, metric_id in enumerate(self.rules.metrics):
            if all(row[column] for row in lacking):
                columns.append([math.nan] * len(truths))
            else:
                columns.append(FORMULAS[metric_id](self).tolist())
        low, high = self.low.tolist(), self.high.tolist()
        return [self._one(i, [c[i] for c in columns], lacking[i], low[i], high[i]) for i in range(len(truths))]

    def _one(self, i: int, values: list[float], lacking: list[str], low: float, high: float) -> FrameScores:
        truth = self.truths.truths[i]
        facts = facts_of(truth, constant=low == high, negative=low < 0)
        if facts.constant_prediction or facts.constant_truth or (low < 0 and self._needs_no_negatives):
            return self._alone(i)
        scores, reasons = {}, {}
        for short, metric_id, value, lack in zip(SHORT_NAMES, self.rules.metrics, values, lacking, strict=True):
            scores[short] = math.nan if lack else value
            reason = lack or convention(find(metric_id), scores[short], facts)
            if reason:
                reasons[short] = reason
        return FrameScores(scores, reasons, truth.n_out_of_bounds)

    @property
    def _needs_no_negatives(self) -> bool:
        return any("zero_sum=undivided" in m for m in self.rules.metrics)

    def _alone(self, i: int) -> FrameScores:
        truth = self.truths.truths[i]
        return score(self.given[i], self.kind, truth, self.rules, encode=self.encode, where=self.where[i])

    # The maps ------------------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        p = self.given.to(torch.float64)
        size = p.shape[1:]
        p = p.reshape(len(p), -1)
        self._check(p)
        ranks = p
        if self.kind == "log_density":
            p = torch.exp(p - p.amax(1, keepdim=True))
            ranks = ranks if self.rules.log_ranks else p
        changed = p
        if self.encode and self.rules.encoding == "uint8" and self.given.dtype != torch.uint8:
            low, high = changed.amin(1, keepdim=True), changed.amax(1, keepdim=True)
            changed = torch.nan_to_num(torch.round(255 * (changed - low) / (high - low)))
        if tuple(size) != self.truths.shape:
            changed = self._resized(changed.reshape(len(p), *size))
        self.linear = changed
        self.ranks = ranks if changed is p else changed
        self.low, self.high = self.linear.amin(1), self.linear.amax(1)
        self.size = self.linear.shape[1]
        self.total = self.linear.sum(1)
        self.mean = self.total / self.size

    def _check(self, p: Tensor) -> None:
        fine = torch.isfinite(p)
        if self.kind == "log_density":
            fine = (fine | (p == -math.inf)) & fine.any(1, keepdim=True)
        fine = fine.all(1)
        if self.kind == "density":
            fine &= (p.amin(1) >= 0) & ((p.sum(1) - 1).abs() <= SUM_TOLERANCE)
        if not bool(fine.all()):
            bad = int((~fine).nonzero()[0, 0])
            self._alone(bad)  # raises with the words of the CPU's door
            raise NonFinite(f"{self.where[bad]}: the prediction can not be scored")

    def _resized(self, p: Tensor) -> Tensor:
        height, width = self.truths.shape
        method = RESIZES[self.rules.resize]
        rows = torch.from_numpy(method(np.eye(p.shape[1]), (height, p.shape[1]))).to(p)
        columns = torch.from_numpy(method(np.eye(p.shape[2]), (width, p.shape[2]))).to(p)
        constant = p.flatten(1).amin(1) == p.flatten(1).amax(1)
        resized = (rows @ p @ columns.T).reshape(len(p), -1)
        return torch.where(constant[:, None], p.flatten(1)[:, :1], resized)

    @cached_property
    def g(self) -> Tensor:
        """The truth's density, any positive scale."""
        assert self.truths.density is not None
        return self.truths.density.to(torch.float64)

    # Areas ---------------------------------------------------------------------------------------------------------

    @cached_property
    def _thresholds(self) -> tuple[Tensor, Tensor, Tensor]:
        """Values at the fixated pixels, ascending, padding last; their weights once and repeated."""
        at = self.ranks.gather(1, self.truths.fixated)
        at = torch.where(self.truths.once > 0, at, math.inf)
        at, order = torch.sort(at, dim=1)
        return at, self.truths.once.gather(1, order), self.truths.repeated.gather(1, order)

    @cached_property
    def _pixels_reached(self) -> tuple[Tensor, Tensor]:
        """How many pixels reach, and how many exceed, each threshold."""
        at = self._thresholds[0]
        return self._reached(at, right=True), self._reached(at, right=False)

    def _reached(self, thresholds: Tensor, *, right: bool) -> Tensor:
        n, frames = thresholds.shape[1] + 1, len(thresholds)
        place = torch.searchsorted(thresholds, self.ranks, right=right)
        place += torch.arange(frames, device=place.device)[:, None] * n
        counts = torch.bincount(place.flatten(), minlength=frames * n).reshape(frames, n)
        return counts.flip(1).cumsum(1).flip(1)[:, 1:].to(torch.float64)

    def area(self, *, repeated: bool, everything: bool) -> Tensor:
        """Exact area: fixations against unfixated pixels, or against all."""
        at, once, twice = self._thresholds
        reached, exceeded = self._pixels_reached
        if not everything:
            reached = reached - _own_reached(at, once, strictly=False)
            exceeded = exceeded - _own_reached(at, once, strictly=True)
        pool = self.size - (0 if everything else once.sum(1))
        weights = twice if repeated else once
        won = (weights * (pool[:, None] if isinstance(pool, Tensor) else pool)).sum(1)
        lost = (weights * (reached + exceeded) / 2).sum(1)
        return (won - lost) / (weights.sum(1) * pool)

    def jittered_area(self) -> Tensor:
        """Area of the MIT code in expectation over its jitter."""
        at, once, _ = self._thresholds
        own_reached, own_exceeded = (_own_reached(at, once, strictly=s)[:, 0] for s in (False, True))
        reached, exceeded = (c[:, 0] for c in self._pixels_reached)
        n = once.sum(1)
        m = own_reached - own_exceeded
        above = exceeded - own_exceeded
        tied = reached - exceeded - m
        bonus = (above + tied * m / (m + 1)) / (2 * n * (self.size - n))
        return self.area(repeated=False, everything=False) + bonus

    def shuffled_area(self, *, repeated: bool) -> Tensor:
        """Exact area against the weighted negatives."""
        at, once, twice = self._thresholds
        if self.truths.others is not None:
            index, weight = self.truths.others
            values = self.ranks.gather(1, index)
        else:
            assert self.truths.weights is not None
            values, weight = self.ranks, self.truths.weights
        values, order = torch.sort(values, dim=1)
        below = weight.gather(1, order).cumsum(1)
        below = torch.nn.functional.pad(below, (1, 0))
        left, right = (torch.searchsorted(values, at, right=r) for r in (False, True))
        weights = twice if repeated else once
        won = (weights * (below.gather(1, left) + below.gather(1, right)) / 2).sum(1)
        return won / (weights.sum(1) * below[:, -1])

    def steps(self) -> Tensor:
        """Area at steps of 0.1 of the stretched map."""
        low, high = self.ranks.amin(1, keepdim=True), self.ranks.amax(1, keepdim=True)
        stretched = (self.ranks - low) / (high - low)
        if self.truths.others is not None:
            index, weight = self.truths.others
            values = stretched.gather(1, index)
        else:
            assert self.truths.weights is not None
            values, weight = stretched, self.truths.weights
        at, once = stretched.gather(1, self.truths.fixated), self.truths.once
        steps = (np.arange(11)[::-1] * 0.1).tolist()
        tp = torch.stack([((at >= t) * once).sum(1) for t in steps], 1) / once.sum(1, keepdim=True)
        fp = torch.stack([((values >= t) * weight).sum(1) for t in steps], 1) / weight.sum(1, keepdim=True)
        tp, fp = (torch.nn.functional.pad(torch.nn.functional.pad(x, (1, 0)), (0, 1), value=1.0) for x in (tp, fp))
        return ((fp[:, 1:] - fp[:, :-1]) * (tp[:, 1:] + tp[:, :-1]) / 2).sum(1)

    # The other scores ----------------------------------------------------------------------------------------------

    def mean_z(self, *, ddof: int, repeated: bool) -> Tensor:
        """Mean z-score at the fixations."""
        deviation = ((self.linear - self.mean[:, None]).square().sum(1) / (self.size - ddof)).sqrt()
        weights = self.truths.repeated if repeated else self.truths.once
        above = self.linear.gather(1, self.truths.fixated) - self.mean[:, None]
        return (weights * above).sum(1) / (weights.sum(1) * deviation)

    def correlation(self) -> Tensor:
        """Pearson's correlation with the truth."""
        x, y = self.linear - self.mean[:, None], self.g - self.g.mean(1, keepdim=True)
        return (x * y).sum(1) / (x.square().sum(1).sqrt() * y.square().sum(1).sqrt())

    @cached_property
    def density(self) -> Tensor:
        """The prediction lifted to 0 and divided by its sum."""
        p = self.linear - self.low.clamp(max=0)[:, None]
        return p / p.sum(1, keepdim=True)

    def overlap(self) -> Tensor:
        """Shared mass of the densities."""
        return torch.minimum(self.density, self.g / self.g.sum(1, keepdim=True)).sum(1)

    def stretched_overlap(self) -> Tensor:
        """Shared mass after both maps were stretched to 0..1."""
        p, g = self.linear - self.low[:, None], self.g - self.g.amin(1, keepdim=True)
        return torch.minimum(p / p.sum(1, keepdim=True), g / g.sum(1, keepdim=True)).sum(1)

    def divergence(self, eps: float) -> Tensor:
        """The MIT formula on densities."""
        q = self.g / self.g.sum(1, keepdim=True)
        return (q * torch.log(eps + q / (self.density + eps))).sum(1)


def _own_reached(at: Tensor, once: Tensor, *, strictly: bool) -> Tensor:
    """How many fixated pixels reach (or exceed) each fixated value; padding counts nowhere."""
    place = torch.searchsorted(at, at, right=strictly)
    reached = torch.nn.functional.pad(once.flip(1).cumsum(1).flip(1), (0, 1))
    return reached.gather(1, place)


FORMULAS: dict[str, Callable[[_Batch], Tensor]] = {
    "auc_judd[mw;pos=fixated_pixels;neg=unfixated_pixels]": lambda b: b.area(repeated=False, everything=False),
    "auc_judd[mw;pos=fixation_list;neg=all_pixels]": lambda b: b.area(repeated=True, everything=True),
    "auc_judd[trapz;jitter=expected]": _Batch.jittered_area,
    "shuffled_auc[mw;pos=fixated_pixels;neg=other_list]": lambda b: b.shuffled_area(repeated=False),
    "shuffled_auc[mw;pos=fixation_list;neg=other_list]": lambda b: b.shuffled_area(repeated=True),
    "shuffled_auc[step=0.1;expected;thr=0..1.0]": _Batch.steps,
    "nss[ddof=0;pos=fixated_pixels]": lambda b: b.mean_z(ddof=0, repeated=False),
    "nss[ddof=0;pos=fixation_list]": lambda b: b.mean_z(ddof=0, repeated=True),
    "nss[ddof=1;pos=fixated_pixels]": lambda b: b.mean_z(ddof=1, repeated=False),
    "cc[pearson]": _Batch.correlation,
    "cc[pearson;constant=nan]": _Batch.correlation,
    "sim[sum]": _Batch.overlap,
    "sim[sum;constant=uniform]": _Batch.overlap,
    "sim[minmax;sum]": _Batch.stretched_overlap,
    "kld[gt||pred;sum;log(eps+q/(p+eps));eps=2.220446049250313e-16]": lambda b: b.divergence(EPS),
    "kld[gt||pred;sum;log(eps+q/(p+eps));eps=2.2204e-16]": lambda b: b.divergence(EPS_MIT),
    "kld[gt||pred;sum;log(eps+q/(p+eps));eps=2.220446049250313e-16;zero_sum=undivided]": lambda b: b.divergence(EPS),
}
"""Scores of a batch by the metric's full id; each agrees with its definition on ordinary frames."""

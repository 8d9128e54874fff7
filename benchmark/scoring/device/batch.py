"""Frames scored by torch in batches, where a predictor left them: CUDA, or the CPU as its test.

The arithmetic is float64, as in the definitions; for float32 predictions the scores agree with them to 1e-6 and
better. Sums are taken in a fixed order (atomic additions of integers only), so a batch scored twice on one device
gives the same bytes. Frames that are not ordinary (constant maps, truths without mass or nearly constant) and protocols
without formulas here are scored by `scoring.score`.

Memory traffic decides the speed on a GPU, then waiting for it. So there is no sort of pixels: they are counted between
the fixated values by a binary search in these few; maps are read as they come and widened on the way; SIM is
1 - sum |p - q| / 2, whose terms need one temporary; and `score_columns` never waits for the device: what a frame's
reasons and errors need comes back with its scores, once for a batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from vidsal.loaders.errors import NonFinite, WrongUse

from ...metrics import find
from ...metrics.maps import EPS, EPS_MIT
from ...predictor import Kind
from ...protocols import Protocol, protocol as find_protocol
from ..degenerate import convention, facts_of, missing_part
from ..frame import FrameScores, score
from ..inputs import SUM_TOLERANCE
from ..resize import cubic_taps, linear_taps
from ..truth import FrameTruth
from .truths import TruthBatch, upload

__all__ = ["MOST_PIXELS", "TruthBatch", "covers", "score_batch", "score_columns", "upload"]

_TAPS = {"bilinear-halfpixel": linear_taps, "bicubic-antialias": cubic_taps}

_NARROW = 1e-6

MOST_PIXELS = 1 << 24
"""Pixels that are worked on at a time; a batch of more is cut."""


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
    batch = _checked(values, truths)
    names = list(where) if where is not None else [f"prediction {i}" for i in range(len(values))]

    def alone(i: int) -> FrameScores:
        return score(values[i], kind, batch.truths[i], rules, encode=encode, where=names[i])

    if not covers(rules):
        return [alone(i) for i in range(len(values))]
    lacking = _lacking(batch, rules, kind)
    rows = score_columns(values, batch, rules, kind=kind, encode=encode).tolist()
    for i, row in enumerate(rows):
        if not row[-1]:
            alone(i)  # raises with the words of the CPU's door
            raise NonFinite(f"{names[i]}: the prediction can not be scored")
    return [_explained(i, row, lacking[i], batch.truths[i], rules, alone) for i, row in enumerate(rows)]


def covers(protocol: Protocol | str) -> bool:
    """Tell whether every score of a protocol has a formula here; else its frames are scored one by one."""
    rules = find_protocol(protocol)
    resizes = rules.resize in _TAPS
    return set(rules.metrics.values()) <= FORMULAS.keys() and resizes and rules.stretch == "none" and not rules.halved


def score_columns(
    values: Tensor,
    truths: TruthBatch | Sequence[FrameTruth],
    protocol: Protocol | str = "exact-1",
    *,
    kind: Kind = "saliency",
    encode: bool = False,
) -> Tensor:
    """Score a batch without waiting for the device; arguments as `score_batch`.

    Returns:
        (B, scores + 3) float64 on the device: the scores (NaN where the truth lacks what one needs), the lowest and
        highest value of the map that is scored (resized, of extreme magnitude brought near 1), and 1 if it passes the
        door. The scores of constant maps and truths have no meaning here.

    Raises:
        WrongUse: wrong shapes, or a protocol that is not covered.
    """
    rules = find_protocol(protocol)
    if not covers(rules):
        raise WrongUse(f"{rules.name} has scores that are not computed in batches; use score_batch")
    batch = _checked(values, truths)
    step = max(1, MOST_PIXELS // (batch.shape[0] * batch.shape[1]))
    with torch.no_grad():
        parts = [
            _Batch(values[i : i + step], batch.part(i, i + step), rules, kind, encode).columns()
            for i in range(0, len(values), step)
        ]
    return torch.cat(parts)


def _checked(values: Tensor, truths: TruthBatch | Sequence[FrameTruth]) -> TruthBatch:
    if values.ndim != 3:
        raise WrongUse(f"a batch of predictions has shape (B, h, w); found {tuple(values.shape)}")
    batch = truths if isinstance(truths, TruthBatch) else upload(truths, values.device)
    if len(values) != len(batch.truths):
        raise WrongUse(f"{len(values)} predictions for {len(batch.truths)} truths")
    return batch


def _lacking(batch: TruthBatch, rules: Protocol, kind: Kind) -> list[list[str]]:
    entries = [find(m) for m in rules.metrics.values()]
    return [[missing_part(entry, truth, kind) for entry in entries] for truth in batch.truths]


def _explained(
    i: int,
    row: list[float],
    lacking: list[str],
    truth: FrameTruth,
    rules: Protocol,
    alone: Callable[[int], FrameScores],
) -> FrameScores:
    """Give a row of `score_columns` its reasons; a frame that is not ordinary is scored on the CPU."""
    low, high = row[-3], row[-2]
    facts = facts_of(truth, constant=low == high, negative=low < 0)
    undivided = any("zero_sum=undivided" in m for m in rules.metrics.values())
    g = truth.truth_map
    narrow = g is not None and g.high - g.low < _NARROW * g.high  # its density has lost the digits of its range
    if facts.constant_prediction or facts.constant_truth or narrow or (low < 0 and undivided):
        return alone(i)
    scores, reasons = {}, {}
    for (label, metric_id), value, lack in zip(rules.metrics.items(), row, lacking, strict=False):
        scores[label] = math.nan if lack else value
        reason = lack or convention(find(metric_id), scores[label], facts)
        if reason:
            reasons[label] = reason
    return FrameScores(scores, reasons, truth.n_out_of_bounds)


class _Batch:
    """The visit of some frames: what `fast.Visit` is to one."""

    def __init__(self, values: Tensor, truths: TruthBatch, rules: Protocol, kind: Kind, encode: bool) -> None:
        self.truths = truths
        self.rules = rules
        size = values.shape[1:]
        p = values.reshape(len(values), -1)
        if p.dtype != torch.float64:
            p = p.to(torch.float32)  # exact: wider, or as wide
        low, high = torch.aminmax(p, dim=1)
        self.fine = self._passes(p, low, high, kind)
        ranks = p
        if kind == "log_density":
            p = torch.exp(p.to(torch.float64) - high[:, None].to(torch.float64))
            low, high = torch.aminmax(p, dim=1)
        elif p.dtype == torch.float64:
            p, low, high = self._tame(p, low, high)
        ranks = ranks if rules.log_ranks else p
        changed = p
        if encode and rules.encoding == "uint8" and values.dtype != torch.uint8:
            changed = self._levels(changed, low, high)
        if tuple(size) != truths.shape:
            changed = self._resized(changed.reshape(len(p), *size))
            low, high = torch.aminmax(changed, dim=1)
            changed, low, high = self._tame(changed, low, high)
        elif changed is not p:
            low, high = torch.aminmax(changed, dim=1)
        self.linear = changed
        self.ranks = ranks if changed is p else changed
        self.low, self.high = low.to(torch.float64), high.to(torch.float64)
        self.size = self.linear.shape[1]

    def columns(self) -> Tensor:
        """Return the scores, the range, and whether the prediction passes the door."""
        present = {"density": self.truths.density is not None}
        present["negatives"] = self.truths.others is not None or self.truths.weights is not None
        missing = torch.full_like(self.low, math.nan)
        columns = [
            FORMULAS[m](self) if all(present.get(need, True) for need in find(m).needs) else missing
            for m in self.rules.metrics.values()
        ]
        return torch.stack([*columns, self.low, self.high, self.fine.to(torch.float64)], 1)

    @staticmethod
    def _passes(p: Tensor, low: Tensor, high: Tensor, kind: Kind) -> Tensor:
        # A NaN is the lowest and the highest value of its map.
        if kind == "log_density":
            return torch.isfinite(high) & ~torch.isnan(low)
        fine = torch.isfinite(high) & torch.isfinite(low)
        if kind == "density":
            fine &= (low >= 0) & ((p.sum(1, dtype=torch.float64) - 1).abs() <= SUM_TOLERANCE)
        return fine

    @staticmethod
    def _tame(p: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As `door.tame`, for float64 (float32 values are squared in float64): the maps, their lowest and highest."""
        largest = torch.maximum(low.abs(), high.abs())
        extreme = (largest > 0) & ((largest <= 1e-30) | (largest >= 1e30))
        power = (torch.frexp(largest)[0] / largest).clamp(max=2.0**1020)
        scale = torch.where(extreme, power, 1.0)
        return p * scale[:, None], low * scale, high * scale

    @staticmethod
    def _levels(p: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """The 8-bit stage: round(255 (p - min) / (max - min)), 0 for a constant map; float32 holds it exactly."""
        low, high = low[:, None].to(torch.float64), high[:, None].to(torch.float64)
        levels = (p - low).mul_(255).div_(high - low).round_()
        return levels.nan_to_num_(nan=0.0).to(torch.float32)

    def _resized(self, p: Tensor) -> Tensor:
        """The operations of the CPU's bodies in their order: pixels that tie there tie here."""
        p = p.to(torch.float64)
        for axis, source, weight in _TAPS[self.rules.resize](tuple(p.shape[1:]), self.truths.shape):
            at = torch.from_numpy(source.astype(np.int64)).to(p.device)
            w = torch.from_numpy(weight).to(p)
            nearest = p.index_select(axis + 1, at[0])
            total = nearest.clone()
            for tap in range(1, len(at)):
                share = w[tap][:, None] if axis == 0 else w[tap]
                # Not addcmul: it rounds once where the CPU's bodies round twice.
                total += p.index_select(axis + 1, at[tap]).sub_(nearest).mul_(share)
            p = total
        return p.flatten(1)

    @cached_property
    def q(self) -> Tensor:
        """The truth's density."""
        assert self.truths.density is not None
        return self.truths.density

    def fact(self, column: int) -> Tensor:
        """One of the truth's facts."""
        assert self.truths.facts is not None
        return self.truths.facts[:, column]

    # Areas ---------------------------------------------------------------------------------------------------------

    @cached_property
    def _thresholds(self) -> tuple[Tensor, Tensor, Tensor]:
        """Values at the fixated pixels, ascending, padding last; their weights once and repeated."""
        at = self.ranks.gather(1, self.truths.fixated)
        at = torch.where(self.truths.once > 0, at, math.inf)
        at, order = torch.sort(at, dim=1)
        return at, self.truths.once.gather(1, order), self.truths.repeated.gather(1, order)

    @cached_property
    def _regions(self) -> tuple[Tensor, Tensor, Tensor]:
        """Cuts (B, c) just below and just above each threshold, ascending; how many cuts each pixel reaches, and how
        many pixels reach at least so many (B, c + 1).
        """
        at = self._thresholds[0]
        cuts, _ = torch.cat([at, torch.nextafter(at, torch.full_like(at, math.inf))], 1).sort(dim=1)
        place = torch.searchsorted(cuts, self.ranks, right=True)
        one = torch.ones((), dtype=torch.int32, device=place.device).expand(place.shape)
        return cuts, place, _reaching(place, one, cuts.shape[1] + 1)

    def _at_and_above(self, reaching: Tensor) -> tuple[Tensor, Tensor]:
        """What reaches, and what exceeds, each threshold."""
        at, cuts = self._thresholds[0], self._regions[0]
        above = torch.nextafter(at, torch.full_like(at, math.inf))
        reached, exceeded = (reaching.gather(1, torch.searchsorted(cuts, v, right=True)) for v in (at, above))
        return reached.to(torch.float64), exceeded.to(torch.float64)

    @cached_property
    def _pixels_reached(self) -> tuple[Tensor, Tensor]:
        """How many pixels reach, and how many exceed, each threshold."""
        return self._at_and_above(self._regions[2])

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
        weights = twice if repeated else once
        if self.truths.weights is not None:
            cuts, place, _ = self._regions
            reaching = _reaching(place, self.truths.weights, cuts.shape[1] + 1)
            total = reaching[:, 0].to(torch.float64)
            reached, exceeded = self._at_and_above(reaching)
            won = (weights * (total[:, None] - (reached + exceeded) / 2)).sum(1)
            return won / (weights.sum(1) * total)
        assert self.truths.others is not None
        index, weight = self.truths.others
        values, order = torch.sort(self.ranks.gather(1, index), dim=1)
        below = weight.gather(1, order).cumsum(1)
        below = torch.nn.functional.pad(below, (1, 0))
        left, right = (torch.searchsorted(values, at, right=r) for r in (False, True))
        won = (weights * (below.gather(1, left) + below.gather(1, right)) / 2).sum(1)
        return won / (weights.sum(1) * below[:, -1])

    def steps(self) -> Tensor:
        """Area at steps of 0.1 of the stretched map."""
        # Where steps are asked for the ranked map is the linear one.
        low, span = self.low[:, None], (self.high - self.low)[:, None]
        at, once = (self.ranks.gather(1, self.truths.fixated) - low) / span, self.truths.once
        steps = torch.arange(11, dtype=torch.float64, device=low.device) * 0.1
        tp = torch.stack([((at >= t) * once).sum(1) for t in steps], 1) / once.sum(1, keepdim=True)
        if self.truths.weights is not None:
            place = torch.searchsorted(steps, (self.ranks - low).div_(span), right=True)
            reaching = _reaching(place, self.truths.weights, 12).to(torch.float64)
            fp = reaching[:, 1:] / reaching[:, :1]
        else:
            assert self.truths.others is not None
            index, weight = self.truths.others
            values = (self.ranks.gather(1, index) - low) / span
            fp = torch.stack([((values >= t) * weight).sum(1) for t in steps], 1) / weight.sum(1, keepdim=True)
        tp, fp = (torch.nn.functional.pad(x.flip(1), (1, 0)) for x in (tp, fp))
        tp, fp = (torch.nn.functional.pad(x, (0, 1), value=1.0) for x in (tp, fp))
        return ((fp[:, 1:] - fp[:, :-1]) * (tp[:, 1:] + tp[:, :-1]) / 2).sum(1)

    # The other scores ----------------------------------------------------------------------------------------------

    @property
    def _lift(self) -> Tensor:
        """What is subtracted so that nothing is negative."""
        return self.low.clamp(max=0)

    @property
    def _origin(self) -> Tensor:
        """What is subtracted before all sums: of float64 maps the minimum, so that a large offset costs no digits."""
        return self.low if self.linear.dtype == torch.float64 else self._lift

    @cached_property
    def above(self) -> Tensor:
        """The prediction's differences from `_origin`: float64, not negative."""
        return torch.sub(self.linear, self._origin[:, None])

    @cached_property
    def _total(self) -> Tensor:
        return self.above.sum(1)

    @property
    def _floor(self) -> Tensor:
        """What the prediction without negative values has everywhere beyond `above`."""
        return self._origin - self._lift

    @property
    def _mass(self) -> Tensor:
        """Sum of the prediction without negative values."""
        return self._total + self.size * self._floor

    @cached_property
    def _variance(self) -> Tensor:
        return self.above.var(1, correction=0)

    def mean_z(self, *, ddof: int, repeated: bool) -> Tensor:
        """Mean z-score at the fixations."""
        deviation = (self._variance * (self.size / max(1, self.size - ddof))).sqrt()
        weights = self.truths.repeated if repeated else self.truths.once
        above = self.above.gather(1, self.truths.fixated) - (self._total / self.size)[:, None]
        return (weights * above).sum(1) / (weights.sum(1) * deviation)

    def correlation(self) -> Tensor:
        """Pearson's correlation with the truth."""
        products = self._dot(self.above, self.q) - self._total / self.size
        return products / ((self._variance * self.size).sqrt() * self.fact(0))

    def _dot(self, a: Tensor, b: Tensor) -> Tensor:
        """Sum of products of each frame, row by row first."""
        rows = self.truths.shape[0]
        width = self.size // rows
        return torch.bmm(a.reshape(-1, 1, width), b.reshape(-1, width, 1)).reshape(-1, rows).sum(1)

    def overlap(self) -> Tensor:
        """Shared mass of the densities."""
        scale = 1 / self._mass
        apart = torch.addcmul(self.q, self.above, -scale[:, None])
        if self.linear.dtype == torch.float64:  # else the floor is 0
            apart.sub_((self._floor * scale)[:, None])
        shared: Tensor = 1 - torch.linalg.vector_norm(apart, 1, dim=1) / 2
        return shared

    def stretched_overlap(self) -> Tensor:
        """Shared mass after both maps were stretched to 0..1."""
        stretch = self.fact(2)
        lowest = self.low - self._origin
        scale = 1 / (self._total - self.size * lowest) / stretch
        floor = lowest * scale - (1 - 1 / stretch) / self.size
        apart = torch.addcmul(self.q, self.above, -scale[:, None]).add_(floor[:, None])
        shared: Tensor = 1 - stretch * torch.linalg.vector_norm(apart, 1, dim=1) / 2
        return shared

    def divergence(self, eps: float) -> Tensor:
        """The MIT formula on densities; its outer eps moves nothing beyond 1e-15."""
        scale = 1 / self._mass
        floor = self._floor * scale + eps
        logs = torch.addcmul(floor[:, None], self.above, scale[:, None]).log_()
        return self.fact(1) - self._dot(logs, self.q)


def _reaching(place: Tensor, weight: Tensor, regions: int) -> Tensor:
    """Sum integer weights of the pixels in at least each region.

    Neighbouring pixels add to neighbouring counters, so that additions of one region seldom wait for each other.

    Args:
        place: (B, N) int64, the region of each pixel, below `regions`.
        weight: (B, N) integers.
        regions: how many there are.
    """
    frames, n = place.shape
    lanes = min(256, n & -n)
    sums = torch.zeros(frames, regions, lanes, dtype=weight.dtype, device=place.device)
    sums.scatter_add_(1, place.view(frames, -1, lanes), weight.view(frames, -1, lanes))
    return sums.sum(2, dtype=torch.int64).flip(1).cumsum(1).flip(1)


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

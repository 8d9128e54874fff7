"""Frames scored by torch in batches, where a predictor left them: on a GPU, or on the CPU.

The arithmetic is float64, as in the definitions; for float32 predictions the scores agree with them to 1e-6 and
better. Sums are taken in a fixed order (atomic additions of integers only), so a batch scored twice on one device
gives the same bytes. Frames that are not ordinary (constant maps, truths without mass or nearly constant) are scored by
`scoring.frame.score`.

Memory traffic decides the speed on a GPU, then waiting for it. So there is no sort of pixels: they are counted between
the fixated values by a binary search in these few; maps are read as they come and widened on the way; SIM is
1 - sum |p - q| / 2, whose terms need one temporary; and `score_columns` never waits for the device: what a frame's
reasons and errors need comes back with its scores, once for a batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from vidsal.loaders.errors import WrongUse

from ... import metrics
from ...metrics import find
from ...metrics.base import Function
from ...metrics.maps import EPS, EPS_MIT
from ...predictor import Kind
from ...protocols import PROTOCOLS, Protocol
from ..degenerate import convention, facts_of, missing_part
from ..frame import FrameScores, score
from ..inputs import SUM_TOLERANCE
from ..resize import cubic_taps, linear_taps
from ..truth import FrameTruth
from .truths import TruthBatch

_TAPS = {"bilinear-halfpixel": linear_taps, "bicubic-antialias": cubic_taps}

_NARROW = 1e-6


def score_batch(
    values: Tensor, truths: TruthBatch, rules: Protocol, kind: Kind, where: Sequence[str]
) -> Iterator[FrameScores]:
    """Score a batch of predictions where they are, as a run does: through the protocol's 8-bit stage.

    Args:
        values: (B, h, w) uint8, float16, float32 or float64, on the device of the truths.
        truths: one for each frame, prepared with this protocol.
        rules: a protocol that `covers` accepts.
        kind: of the predictions.
        where: stimulus and frame of each prediction, named in errors.

    Yields:
        The scores of each frame, in order; equal to `score` to 1e-6 for float32 predictions.

    Raises:
        NonFinite, BadData: as `score`, where it is the frame's turn.
    """
    rows = score_columns(values, truths, rules, kind).tolist()
    for i, (row, truth) in enumerate(zip(rows, truths.truths, strict=True)):
        if _ordinary(row, truth, rules):
            yield _explained(row, kind, truth, rules)
        else:
            yield score(values[i], kind, truth, rules, encode=True, where=where[i])


def covers(rules: Protocol) -> bool:
    """Whether the batch engine can score under a protocol."""
    known = all(find(metric_id).function in FORMULAS for metric_id in rules.metrics.values())
    return known and rules.resize in _TAPS and rules.stretch == "none" and not rules.halved


def check_covered(rules: Protocol) -> None:
    """Refuse a protocol that the batch engine cannot score under.

    Raises:
        WrongUse: the message names the protocols that it knows.
    """
    if not covers(rules):
        raise WrongUse(
            f"{rules.name} cannot be scored on the device; score on the host, or under "
            f"{', '.join(p.name for p in PROTOCOLS.values() if covers(p))}"
        )


def score_columns(values: Tensor, truths: TruthBatch, rules: Protocol, kind: Kind) -> Tensor:
    """Score a batch without waiting for the device; arguments as `score_batch`.

    Returns:
        (B, n + 3) float64 on the device: the protocol's n scores (NaN where the truth lacks what one needs), the lowest
        and highest value of the map that is scored (resized, rescaled where its values are extreme), and 1 if the map
        is valid. The scores of constant maps and truths have no meaning here.
    """
    with torch.no_grad():
        return _Batch(values, truths, rules, kind).columns()


def _ordinary(row: list[float], truth: FrameTruth, rules: Protocol) -> bool:
    """Whether a row of `score_columns` holds a frame's scores; others follow conventions, or are refused."""
    low, high, valid = row[-3:]
    facts = facts_of(truth, constant=low == high, negative=low < 0)
    g = truth.truth_map
    narrow = g is not None and g.high - g.low < _NARROW * g.high  # its density has lost the digits of its range
    undivided = low < 0 and any("zero_sum=undivided" in metric_id for metric_id in rules.metrics.values())
    return bool(valid) and not (facts.constant_prediction or facts.constant_truth or narrow or undivided)


def _explained(row: list[float], kind: Kind, truth: FrameTruth, rules: Protocol) -> FrameScores:
    """Name the scores of an ordinary row, and give their reasons."""
    facts = facts_of(truth, constant=False, negative=row[-3] < 0)
    scores, reasons = {}, {}
    for (label, metric_id), value in zip(rules.metrics.items(), row, strict=False):
        entry = find(metric_id)
        missing = missing_part(entry, truth, kind)
        scores[label] = math.nan if missing else value
        reason = missing or convention(entry, scores[label], facts)
        if reason:
            reasons[label] = reason
    return FrameScores(scores, reasons, truth.n_out_of_bounds)


class _Batch:
    """Some frames and what several scores need of them: what `cpu.frame_stats` is to one frame."""

    def __init__(self, values: Tensor, truths: TruthBatch, rules: Protocol, kind: Kind) -> None:
        self.truths = truths
        self.rules = rules
        size = values.shape[1:]
        p = values.reshape(len(values), -1)
        if p.dtype != torch.float64:
            p = p.to(torch.float32)  # exact: wider, or as wide
        low, high = torch.aminmax(p, dim=1)
        self.valid = self._valid(p, low, high, kind)
        ranks = p
        if kind == "log_density":
            p = torch.exp(p.to(torch.float64) - high[:, None].to(torch.float64))
            low, high = torch.aminmax(p, dim=1)
        elif p.dtype == torch.float64:
            p, low, high = self._rescale_extremes(p, low, high)
        ranks = ranks if rules.log_ranks else p
        changed = p
        if rules.encoding == "uint8" and (values.dtype != torch.uint8 or kind == "log_density"):
            changed = self._levels(changed, low, high)
        if tuple(size) != truths.shape:
            changed = self._resized(changed.reshape(len(p), *size))
            low, high = torch.aminmax(changed, dim=1)
            changed, low, high = self._rescale_extremes(changed, low, high)
        elif changed is not p:
            low, high = torch.aminmax(changed, dim=1)
        self.linear = changed
        self.ranks = ranks if changed is p else changed
        self.low, self.high = low.to(torch.float64), high.to(torch.float64)
        self.size = self.linear.shape[1]

    def columns(self) -> Tensor:
        """Return the scores, the range, and whether the prediction is valid."""
        unscored = torch.full_like(self.low, math.nan)
        columns = [
            unscored if "negatives" in m.needs and self.truths.negatives is None else FORMULAS[m.function](self)
            for m in map(find, self.rules.metrics.values())
        ]
        return torch.stack([*columns, self.low, self.high, self.valid.to(torch.float64)], 1)

    @staticmethod
    def _valid(p: Tensor, low: Tensor, high: Tensor, kind: Kind) -> Tensor:
        # A NaN is the lowest and the highest value of its map.
        if kind == "log_density":
            return torch.isfinite(high) & ~torch.isnan(low)
        valid = torch.isfinite(high) & torch.isfinite(low)
        if kind == "density":
            valid &= (low >= 0) & ((p.sum(1, dtype=torch.float64) - 1).abs() <= SUM_TOLERANCE)
        return valid

    @staticmethod
    def _rescale_extremes(p: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As in `scoring.inputs`, for float64 (float32 values are squared in float64): the maps, and their range."""
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
        if isinstance(self.truths.negatives, Tensor):
            cuts, place, _ = self._regions
            reaching = _reaching(place, self.truths.negatives, cuts.shape[1] + 1)
            total = reaching[:, 0].to(torch.float64)
            reached, exceeded = self._at_and_above(reaching)
            won = (weights * (total[:, None] - (reached + exceeded) / 2)).sum(1)
            return won / (weights.sum(1) * total)
        index, weight = self._listed
        values, order = torch.sort(self.ranks.gather(1, index), dim=1)
        below = weight.gather(1, order).cumsum(1)
        below = torch.nn.functional.pad(below, (1, 0))
        left, right = (torch.searchsorted(values, at, right=r) for r in (False, True))
        won = (weights * (below.gather(1, left) + below.gather(1, right)) / 2).sum(1)
        return won / (weights.sum(1) * below[:, -1])

    @property
    def _listed(self) -> tuple[Tensor, Tensor]:
        """Pixels and weights of negatives that are kept as a list."""
        assert isinstance(self.truths.negatives, tuple)
        return self.truths.negatives

    def steps(self) -> Tensor:
        """Area at steps of 0.1 of the stretched map."""
        # Where steps are asked for the ranked map is the linear one.
        low, span = self.low[:, None], (self.high - self.low)[:, None]
        at, once = (self.ranks.gather(1, self.truths.fixated) - low) / span, self.truths.once
        steps = torch.arange(11, dtype=torch.float64, device=low.device) * 0.1
        tp = torch.stack([((at >= t) * once).sum(1) for t in steps], 1) / once.sum(1, keepdim=True)
        if isinstance(self.truths.negatives, Tensor):
            place = torch.searchsorted(steps, (self.ranks - low).div_(span), right=True)
            reaching = _reaching(place, self.truths.negatives, 12).to(torch.float64)
            fp = reaching[:, 1:] / reaching[:, :1]
        else:
            index, weight = self._listed
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
        products = self._dot(self.above, self.truths.density) - self._total / self.size
        return products / ((self._variance * self.size).sqrt() * self.truths.spread)

    def _dot(self, a: Tensor, b: Tensor) -> Tensor:
        """Sum of products of each frame, row by row first."""
        rows = self.truths.shape[0]
        width = self.size // rows
        return torch.bmm(a.reshape(-1, 1, width), b.reshape(-1, width, 1)).reshape(-1, rows).sum(1)

    def overlap(self) -> Tensor:
        """Shared mass of the densities."""
        scale = 1 / self._mass
        apart = torch.addcmul(self.truths.density, self.above, -scale[:, None])
        if self.linear.dtype == torch.float64:  # else the floor is 0
            apart.sub_((self._floor * scale)[:, None])
        shared: Tensor = 1 - torch.linalg.vector_norm(apart, 1, dim=1) / 2
        return shared

    def stretched_overlap(self) -> Tensor:
        """Shared mass after both maps were stretched to 0..1."""
        stretch = self.truths.stretch
        lowest = self.low - self._origin
        scale = 1 / (self._total - self.size * lowest) / stretch
        floor = lowest * scale - (1 - 1 / stretch) / self.size
        apart = torch.addcmul(self.truths.density, self.above, -scale[:, None]).add_(floor[:, None])
        shared: Tensor = 1 - stretch * torch.linalg.vector_norm(apart, 1, dim=1) / 2
        return shared

    def divergence(self, eps: float) -> Tensor:
        """The MIT formula on densities; its outer eps moves nothing beyond 1e-15."""
        scale = 1 / self._mass
        floor = self._floor * scale + eps
        logs = torch.addcmul(floor[:, None], self.above, scale[:, None]).log_()
        return self.truths.negentropy - self._dot(logs, self.truths.density)


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


FORMULAS: dict[Function, Callable[[_Batch], Tensor]] = {
    metrics.auc_judd: lambda b: b.area(repeated=False, everything=False),
    metrics.auc_all_pixels: lambda b: b.area(repeated=True, everything=True),
    metrics.auc_judd_jittered: _Batch.jittered_area,
    metrics.shuffled_auc: lambda b: b.shuffled_area(repeated=False),
    metrics.shuffled_auc_list: lambda b: b.shuffled_area(repeated=True),
    metrics.shuffled_auc_step: _Batch.steps,
    metrics.nss: lambda b: b.mean_z(ddof=0, repeated=False),
    metrics.nss_list: lambda b: b.mean_z(ddof=0, repeated=True),
    metrics.nss_sample: lambda b: b.mean_z(ddof=1, repeated=False),
    metrics.cc: _Batch.correlation,
    metrics.cc_undefined: _Batch.correlation,
    metrics.sim: _Batch.overlap,
    metrics.sim_tuebingen: _Batch.overlap,
    metrics.sim_stretched: _Batch.stretched_overlap,
    metrics.kld: lambda b: b.divergence(EPS),
    metrics.kld_tuebingen: lambda b: b.divergence(EPS_MIT),
    metrics.kld_undivided: lambda b: b.divergence(EPS),
}
"""The formula of each definition for a batch; they agree on ordinary frames."""

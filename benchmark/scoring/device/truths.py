"""Truths of a batch of frames on the device that scores them; see `device`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vidsal.loaders.errors import WrongUse

from ..truth import FrameTruth


@dataclass(frozen=True)
class TruthBatch:
    """The truths of a batch of frames on a device; made by `upload` and good for any number of predictions.

    Attributes:
        truths: as prepared on the CPU, one a frame.
        fixated: (B, n) int64 flat pixels, ascending, padded with 0.
        once: (B, n) float64 one for each fixated pixel, 0 for padding.
        repeated: (B, n) float64 fixations on each, 0 for padding.
        density: (B, H W) float64 truth, sum 1; or None.
        facts: (B, 3) float64 of the density: root of the sum of its centred squares, sum of q log q, and what it is
            multiplied by when its minimum is subtracted; or None.
        others: (B, m) int64 flat pixels of listed negatives, padded with 0, and their (B, m) float64 weights; or None.
        weights: (B, H W) int64 weights, in any unit, where the negatives are kept as maps; or None.
    """

    truths: tuple[FrameTruth, ...]
    fixated: Tensor
    once: Tensor
    repeated: Tensor
    density: Tensor | None
    facts: Tensor | None
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

        others = None if self.others is None else (cut(self.others[0]), cut(self.others[1]))
        return TruthBatch(
            self.truths[start:stop], cut(self.fixated), cut(self.once), cut(self.repeated), cut(self.density),
            cut(self.facts), others, cut(self.weights),
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
    density, facts, others, weights = None, None, None, None
    maps = [t.truth_map for t in truths if t.truth_map is not None]
    if maps:
        density, facts = _densities(torch.from_numpy(np.stack([m.values.reshape(-1) for m in maps])).to(device))
    negatives = [t.negatives for t in truths if t.negatives is not None]
    if negatives and any(n.many for n in negatives):
        if all(n is negatives[0] for n in negatives):
            weights = _in_units([negatives[0].weights]).to(device).expand(len(truths), -1)
        else:
            weights = _in_units([n.weights for n in negatives]).to(device)
    elif negatives:
        others = _padded([n.pixels[0] for n in negatives], [n.pixels[1] for n in negatives], device)
    return TruthBatch(tuple(truths), fixated, once, repeated, density, facts, others, weights)


def _densities(values: Tensor) -> tuple[Tensor, Tensor]:
    """Divide maps by their sums, and gather what scores need of them; not finite for a map without mass."""
    q = values.to(torch.float64)
    q = q / q.sum(1, keepdim=True)
    squares = (q - 1 / q.shape[1]).square().sum(1).sqrt()
    stretch = 1 / (1 - q.shape[1] * q.amin(1))
    return q, torch.stack([squares, torch.xlogy(q, q).sum(1), stretch], 1)


def _in_units(weights: list[Any]) -> Tensor:
    """Weights as multiples of a power of two, so that sums do not depend on their order: of counts exactly."""
    maps = np.stack([w.reshape(-1) for w in weights])
    return torch.from_numpy(np.rint(np.ldexp(maps, 60 - int(np.frexp(maps.sum(1).max())[1]))).astype(np.int64))


def _padded(index: list[Any], weight: list[Any], device: torch.device | str) -> tuple[Tensor, Tensor]:
    longest = max(1, *(len(i) for i in index))
    indices, weights = np.zeros((len(index), longest), np.int64), np.zeros((len(index), longest))
    for row, (i, w) in enumerate(zip(index, weight, strict=True)):
        indices[row, : len(i)], weights[row, : len(i)] = i, w
    return torch.from_numpy(indices).to(device), torch.from_numpy(weights).to(device)

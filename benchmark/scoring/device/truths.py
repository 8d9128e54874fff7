"""Truths of a batch of frames on the device that scores them; see `batch`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..negatives import Negatives
from ..truth import FrameTruth


@dataclass(frozen=True)
class TruthBatch:
    """The truths of a batch of frames on a device; made by `upload` and good for any number of predictions.

    Attributes:
        truths: as prepared on the CPU, one for each frame.
        fixated: (B, n) int64 flat pixels, ascending, padded with 0.
        once: (B, n) float64 one for each fixated pixel, 0 for padding.
        repeated: (B, n) float64 fixations on each, 0 for padding.
        density: (B, H W) float64 truth, sum 1; not finite for a map without mass.
        spread: (B,) root of the sum of the density's centered squares.
        negentropy: (B,) sum of q log q over the density.
        stretch: (B,) what the density is multiplied by when its minimum is subtracted.
        negatives: those that all frames share: (B, H W) int64 weights in any unit; where they are few, (B, m) int64
            flat pixels and their (B, m) float64 weights; or None.
    """

    truths: tuple[FrameTruth, ...]
    fixated: Tensor
    once: Tensor
    repeated: Tensor
    density: Tensor
    spread: Tensor
    negentropy: Tensor
    stretch: Tensor
    negatives: Tensor | tuple[Tensor, Tensor] | None

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the frames."""
        return self.truths[0].shape


def upload(truths: Sequence[FrameTruth], device: torch.device | str) -> TruthBatch:
    """Copy prepared truths to a device: of frames of one size, with densities and with the same negatives."""
    first = truths[0]
    assert all((t.shape, t.negatives) == (first.full_shape, first.negatives) for t in truths)
    fixated, once = _padded([t.fixated for t in truths], [t.once for t in truths], device)
    _, repeated = _padded([t.fixated for t in truths], [t.repeated for t in truths], device)
    maps = [t.truth_map.values.reshape(-1) for t in truths if t.truth_map is not None]
    q = torch.from_numpy(np.stack(maps)).to(device).to(torch.float64)
    q = q / q.sum(1, keepdim=True)
    return TruthBatch(
        tuple(truths),
        fixated,
        once,
        repeated,
        q,
        spread=(q - 1 / q.shape[1]).square().sum(1).sqrt(),
        negentropy=torch.xlogy(q, q).sum(1),
        stretch=1 / (1 - q.shape[1] * q.amin(1)),
        negatives=None if first.negatives is None else _shared(first.negatives, len(truths), device),
    )


def _shared(negatives: Negatives, frames: int, device: torch.device | str) -> Tensor | tuple[Tensor, Tensor]:
    """Copy negatives once, for all frames of a batch."""

    def expanded(values: Any) -> Tensor:
        return torch.from_numpy(values).to(device).expand(frames, -1)

    if negatives.many:
        return expanded(_in_units(negatives.weights.reshape(-1)))
    index, weight = negatives.pixels
    return expanded(index), expanded(weight)


def _in_units(weights: Any) -> Any:
    """Weights as multiples of a power of two, so that sums do not depend on their order: of counts exactly."""
    return np.rint(np.ldexp(weights, 60 - int(np.frexp(weights.sum())[1]))).astype(np.int64)


def _padded(index: list[Any], weight: list[Any], device: torch.device | str) -> tuple[Tensor, Tensor]:
    longest = max(1, *(len(i) for i in index))
    indices, weights = np.zeros((len(index), longest), np.int64), np.zeros((len(index), longest))
    for row, (i, w) in enumerate(zip(index, weight, strict=True)):
        indices[row, : len(i)], weights[row, : len(i)] = i, w
    return torch.from_numpy(indices).to(device), torch.from_numpy(weights).to(device)

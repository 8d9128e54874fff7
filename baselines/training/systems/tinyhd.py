"""TinyHD in training: divergence from the truth, from a teacher's maps, and of d1's maps from the teacher's inner ones.

S sees the clip and predicts its last frame. M predicts the last 16 of the clip's 32 frames; its teacher saw 16 windows,
which begin at the frames 0 to 15, so each of its maps belongs to the frame before (as published).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vidsal.benchmark import losses

from ...tinyhd.network import WINDOW, TinyHD
from .base import Batch, Maps, Terms


class Tinyhd:
    """Batches, W = 1 map for S, 16 for M:

    `clip` (B, 3, 16 or 32, H, W) normalized; `truth` (n, W, H, W'), maps of the labelled samples only; `has_truth` (B,)
    bool; `teacher_out` (B, W, H, W') and `teacher_side` (4, B, W, H, W'), the side maps finest first; the last two may
    be absent.
    """

    has_idle_parts = False

    def prepare(self, module: nn.Module, settings: Mapping[str, Any]) -> None:
        """Nothing: the network has no dropout."""

    def forward(self, module: nn.Module, batch: Batch, settings: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
        """Return the predicted maps (B, W, H, W') and those of d1 (B, 4, 1, H, W')."""
        assert isinstance(module, TinyHD)
        inner = module.maps(batch["clip"][:, :, -WINDOW:])
        out = module.fuse(*inner)
        return out[:, 0] if module.multiple else out, inner[0]

    def terms(self, output: tuple[Tensor, Tensor], batch: Batch, settings: Mapping[str, Any]) -> Terms:
        """Return `truth`, `teacher`, `side1` to `side4`, `sides_sum` and `total`; without a teacher's maps, less."""
        maps, inner = output
        labelled = batch["has_truth"]
        terms: Terms = {
            "truth": _divergence(maps[labelled], batch["truth"]) if bool(labelled.any()) else maps.sum() * 0
        }
        total = terms["truth"]
        if batch.get("teacher_out") is not None:
            terms["teacher"] = _divergence(maps, batch["teacher_out"])
            total = total + terms["teacher"]
        if batch.get("teacher_side") is not None:
            sides = batch["teacher_side"].mean(2)
            for number in range(4):
                terms[f"side{number + 1}"] = _divergence(inner[:, number, 0], sides[number])
            terms["sides_sum"] = torch.stack([terms[f"side{number}"] for number in range(1, 5)]).sum()
            total = total + terms["sides_sum"]
        terms["total"] = total
        return terms

    def maps(self, output: tuple[Tensor, Tensor], batch: Batch) -> Maps:
        """Return the predicted maps of all frames."""
        return Maps(output[0].flatten(0, 1), "saliency", batch["fixated"].flatten(0, 1))

    def samples(self, batch: Batch) -> int:
        """Return B."""
        return len(batch["clip"])


def _divergence(maps: Tensor, wanted: Tensor) -> Tensor:
    return losses.kld_plain(maps, wanted).mean()


SYSTEM = Tinyhd()

"""DeepGaze MR's readout in training: minus the log density at the fixations, on features of the frozen VGG-19."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vidsal.benchmark import losses

from ...deepgaze_mr.network import DeepGazeMR
from .base import Batch, Maps, Terms


class DeepgazeMr:
    """Batches: `frames` (B, T, 3, H, W) in 0..1, or their mean `features` (B, 512, H // 16, W // 16).

    `fixated` (B, H, W), how often each pixel was looked at; `center_bias` (h, w), a density, where the module has none.
    """

    has_idle_parts = False

    def prepare(self, module: nn.Module, settings: Mapping[str, Any]) -> None:
        """Nothing: the network has no dropout."""

    def forward(self, module: nn.Module, batch: Batch, settings: Mapping[str, Any]) -> Tensor:
        """Return log densities (B, H, W)."""
        assert isinstance(module, DeepGazeMR)
        bias = module.log_center_bias(tuple(batch["fixated"].shape[-2:]), batch.get("center_bias"))
        logs = [module.finalizer(module.readout(features), bias.to(features)) for features in _features(module, batch)]
        return torch.stack(logs)

    def terms(self, output: Tensor, batch: Batch, settings: Mapping[str, Any]) -> Terms:
        """Return `nll` (nats, mean over the fixations of a frame, then over frames with any) and `total`, the same."""
        counts = batch["fixated"]
        found = losses.negative_log_likelihood(output, counts)
        seen = counts.flatten(1).sum(1) > 0
        nll = found[seen].mean() if bool(seen.any()) else output.sum() * 0
        return {"nll": nll, "total": nll}

    def maps(self, output: Tensor, batch: Batch) -> Maps:
        """Return the log densities of all clips."""
        return Maps(output, "log_density", batch["fixated"])

    def samples(self, batch: Batch) -> int:
        """Return B."""
        return len(batch["fixated"])


def _features(module: DeepGazeMR, batch: Batch) -> list[Tensor]:
    """Mean feature maps (1, 512, h, w) of each sample; no gradient reaches the frames."""
    if batch.get("features") is not None:
        return list(torch.split(batch["features"], 1))
    with torch.no_grad():
        return [module.clip_features(clip) for clip in batch["frames"]]


SYSTEM = DeepgazeMr()

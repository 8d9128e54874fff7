"""SalEMA and SalCLSTM in training: binary cross-entropy, frame after frame of a video, the state carried along."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vidsal.benchmark import losses

from ...salema.network import SalEMA
from .base import Batch, Maps, Terms, dropout_of


class Salema:
    """Batches: `frames` (T, 3, H, W) BGR minus the mean, `target` (T, h, w) in 0..1, `state` of the clip before."""

    has_idle_parts = False

    def prepare(self, module: nn.Module, settings: Mapping[str, Any]) -> None:
        """Set the dropout before the averaged layer."""
        if isinstance(module, SalEMA):
            module.dropout = dropout_of(settings, "bottleneck")

    def forward(self, module: nn.Module, batch: Batch, settings: Mapping[str, Any]) -> Tensor:
        """Return the maps (T, h, w).

        `batch["state"]` is set to the state after the clip, without its gradient; put it into the next clip's batch.
        """
        state, maps = batch.get("state"), []
        for frame in torch.split(batch["frames"], 1):
            saliency, state = module(frame, state)
            maps.append(saliency[0, 0])
        batch["state"] = _detached(state)
        return torch.stack(maps)

    def terms(self, output: Tensor, batch: Batch, settings: Mapping[str, Any]) -> Terms:
        """Return `total`: the mean over the pixels of each frame, summed over the frames."""
        return {"total": losses.binary_cross_entropy(output, batch["target"]).sum()}

    def maps(self, output: Tensor, batch: Batch) -> Maps:
        """Return the maps of all frames."""
        return Maps(output, "saliency", batch["fixated"])

    def samples(self, batch: Batch) -> int:
        """Return 1: a batch is one clip, whatever its length."""
        return 1


def _detached(state: Any) -> Any:
    """The state without its gradient: a tensor of SalEMA, two of SalCLSTM."""
    if isinstance(state, (tuple, list)):
        return tuple(_detached(part) for part in state)
    return None if state is None else state.detach()


SYSTEM = Salema()

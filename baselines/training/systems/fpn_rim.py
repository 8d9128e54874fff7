"""FPN+RIM in training: the gaze loss over a clip, labels fed back with the network's own probability."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidsal.benchmark import losses

from ...fpn_rim.cell import RimCell
from ...fpn_rim.network import FpnRim
from .base import Batch, Terms, dropout_of

_PHASES = 4


class FpnRimSystem:
    """Batches: `frames` (B, 3, T, H, W) normalized, `labels` (B, T, 2) in -1..1, `phase` (B, T): 0 noise, 1 fixation,
    2 saccade, 3 pursuit; `clips`, the observer's name and the first frame of each, where states come from a seed."""

    has_idle_parts = True

    def prepare(self, module: nn.Module, settings: Mapping[str, Any]) -> None:
        """Set the dropouts of both attentions."""
        for part in module.modules():
            if isinstance(part, RimCell):
                part.score_dropout.p = part.talk_dropout.p = dropout_of(settings, "attention")

    def forward(self, module: nn.Module, batch: Batch, settings: Mapping[str, Any]) -> Tensor:
        """Return the outputs (B, T, 2 or 6).

        In training the labels are handed to the network, which uses them by its `p_teacher_forcing`.
        """
        shown = batch["labels"]
        if module.outputs == _PHASES + 2:
            shown = torch.cat((shown, F.one_hot(batch["phase"].long(), _PHASES).to(shown)), dim=-1)
        assert isinstance(module, FpnRim)
        seeded = settings["options"]["seeded_states"]
        carry = module.seeded(batch["clips"], batch["labels"]) if seeded else None
        return module.trace(batch["frames"], shown if module.training else None, carry).gaze

    def terms(self, output: Tensor, batch: Batch, settings: Mapping[str, Any]) -> Terms:
        """Return `mse`, `reg_fix`, `reg_sacc`, `total`; with eye movements `em` too, which `total` then includes.

        Of changes of position, `total` is `mse` alone: that branch weighs its own regularisers by 0.
        """
        labels, phase, out = batch["labels"], batch["phase"], output
        terms = losses.gaze_loss(out, labels, phase, settings["options"]["pairing"])
        if settings["options"]["predict_change"]:
            terms["total"] = terms["mse"]
        if out.shape[-1] == _PHASES + 2:
            known = phase != 0
            logits = out[known][:, 2:]
            terms["em"] = F.cross_entropy(logits, phase[known].long()) if len(logits) else out.sum() * 0
            terms["total"] = terms["total"] + terms["em"]
        return terms

    def samples(self, batch: Batch) -> int:
        """Return B."""
        return len(batch["frames"])


SYSTEM = FpnRimSystem()

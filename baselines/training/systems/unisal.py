"""UNISAL in training: divergence, NSS and CC of log densities; its batches are of one domain each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from vidsal.benchmark import losses

from ...unisal.layers import ConvGRUCell
from .base import Batch, Maps, Terms, dropout_of


class Unisal:
    """Batches: `frames` (B, T, 3, H, W) normalized, `density` (B, T, h, w), `fixated` (B, T, h, w), `source`."""

    has_idle_parts = True

    def prepare(self, module: nn.Module, settings: Mapping[str, Any]) -> None:
        """Set the dropout of the skip connections and of the recurrent state."""
        for part in module.modules():
            if isinstance(part, nn.Dropout2d):
                part.p = dropout_of(settings, "skip")
            elif isinstance(part, ConvGRUCell):
                part.drop = dropout_of(settings, "recurrent")

    def forward(self, module: nn.Module, batch: Batch, settings: Mapping[str, Any]) -> Tensor:
        """Return log densities (B, T, h, w), of the size of the truth."""
        source = settings["loss"].get("source") or batch["source"]
        logs: Tensor = module(batch["frames"], target_size=tuple(batch["density"].shape[-2:]), source=source)
        return logs[:, :, 0]

    def terms(self, output: Tensor, batch: Batch, settings: Mapping[str, Any]) -> Terms:
        """Return the recipe's terms of `kld`, `nss`, `cc`, each the mean over frames and batch, and their `total`."""
        weights = {name: settings["loss"][name] for name in ("kld", "nss", "cc") if name in settings["loss"]}
        truth, logs = batch["density"], output
        terms: Terms = {}
        if "kld" in weights:
            terms["kld"] = losses.kld_of_logs(logs, truth).mean()
        if "nss" in weights:
            terms["nss"] = losses.nss_unisal(logs.exp(), batch["fixated"]).mean()
        if "cc" in weights:
            terms["cc"] = losses.cc(logs.exp(), truth).mean()
        terms["total"] = sum((weights[name] * term for name, term in terms.items()), logs.new_zeros(()))
        return terms

    def maps(self, output: Tensor, batch: Batch) -> Maps:
        """Return the log densities of all frames."""
        return Maps(output.flatten(0, 1), "log_density", batch["fixated"].flatten(0, 1))

    def samples(self, batch: Batch) -> int:
        """Return B."""
        return len(batch["frames"])


SYSTEM = Unisal()

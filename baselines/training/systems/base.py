"""What a system offers to a recipe."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any, Protocol

from torch import Tensor, nn

Batch = MutableMapping[str, Any]
Terms = dict[str, Tensor]


class System(Protocol):
    """One network in training."""

    def prepare(self, module: nn.Module, settings: Mapping[str, Any]) -> None:
        """Set what `train()` and the recipe's `network` table do not: dropouts."""
        ...

    def loss(self, module: nn.Module, batch: Batch, settings: Mapping[str, Any]) -> Terms:
        """Run the network and return the terms of its loss, scalars, `total` among them."""
        ...

    def samples(self, batch: Batch) -> int:
        """Return how many samples a batch holds, by which means over batches are weighted."""
        ...


def dropout_of(settings: Mapping[str, Any], name: str) -> float:
    """Return one dropout of a recipe: the option `dropout` if given, else the recipe's own."""
    given = settings["options"].get("dropout")
    return float(settings["dropout"][name] if given is None else given)

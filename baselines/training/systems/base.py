"""What a system offers to a recipe."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from torch import Tensor, nn

from vidsal.benchmark.predictor import Kind

Batch = MutableMapping[str, Any]
Terms = dict[str, Tensor]


@dataclass(frozen=True)
class Maps:
    """Predictions of a batch to be scored.

    Attributes:
        maps: (N, h, w).
        kind: `saliency` or `log_density`.
        fixated: (N, h, w), which pixels were looked at.
    """

    maps: Tensor
    kind: Kind
    fixated: Tensor


class System(Protocol):
    """One network in training.

    Attributes:
        has_idle_parts: whether some of its parameters have no part in some batches' loss.
    """

    has_idle_parts: ClassVar[bool]

    def prepare(self, module: nn.Module, settings: Mapping[str, Any]) -> None:
        """Set what `train()` and the recipe's `network` table do not: dropouts."""
        ...

    def forward(self, module: nn.Module, batch: Batch, settings: Mapping[str, Any]) -> Any:
        """Run the network on a batch."""
        ...

    def terms(self, output: Any, batch: Batch, settings: Mapping[str, Any]) -> Terms:
        """Return the terms of the loss of what `forward` returned, scalars, `total` among them."""
        ...

    def samples(self, batch: Batch) -> int:
        """Return how many samples a batch holds, by which means over batches are weighted."""
        ...


class MapSystem(System, Protocol):
    """A network that predicts maps."""

    def maps(self, output: Any, batch: Batch) -> Maps:
        """Return the predicted maps of what `forward` returned, and where people looked."""
        ...


def dropout_of(settings: Mapping[str, Any], name: str) -> float:
    """Return one dropout of a recipe: the option `dropout` if given, else the recipe's own."""
    given = settings["options"].get("dropout")
    return float(settings["dropout"][name] if given is None else given)

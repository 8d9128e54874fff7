"""What a metric declares about itself, and the one register of all metrics and their variants.

Importing `metrics` and `published` fills the register; `find` does so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

import numpy.typing as npt

from vidsal.loaders.errors import UnknownName

Map = npt.NDArray[Any]


@dataclass(frozen=True)
class Metric:
    """What a metric declares about itself, so that no table has to know it by heart.

    Attributes:
        name: family, as in the papers (`auc_judd`); several variants share it.
        short: name of columns, options and keys (`AUC-J`).
        params: the variant: every choice that moves the number.
        function: the definition.
        needs: names of its arguments, of `saliency`, `fixated`, `negatives`, `density`, `baseline`.
        higher_is_better: direction.
        range: lowest and highest possible value.
        chance: value of a prediction that knows nothing (a constant map), in words where it is no constant.
        ceiling: value of a perfect prediction, in words where it depends on the frame.
        unit: of the value.
        degenerate: what constant maps and empty truths give.
        source: where the definition comes from.
        version: raised when the numbers change.
        subtracts_minimum: True if a prediction with negative values is lifted to 0 first.
        scores_no_fixation: True if a frame without fixations has a score (a fault of published code).
    """

    name: str
    short: str
    params: str
    function: Callable[..., float]
    needs: tuple[str, ...]
    higher_is_better: bool
    range: tuple[float, float]
    chance: float | str
    ceiling: float | str
    unit: str
    degenerate: str
    source: str
    version: int = 1
    subtracts_minimum: bool = False
    scores_no_fixation: bool = False

    @property
    def id(self) -> str:
        """Full id: family and parameters."""
        return f"{self.name}[{self.params}]"

    def __call__(self, **maps: Map) -> float:
        """Score, picking the needed ones of the named maps."""
        return self.function(**{name: maps[name] for name in self.needs})


REGISTER: dict[str, Metric] = {}
"""Every variant of every metric by its full id."""


@dataclass(frozen=True)
class _Family:
    """What all variants of one metric share."""

    name: str
    short: str
    needs: tuple[str, ...]
    higher_is_better: bool
    range: tuple[float, float]
    chance: float | str
    ceiling: float | str
    unit: str


_INF = float("inf")
_ON_FIXATIONS = ("saliency", "fixated")
_FAMILIES = {
    f.name: f
    for f in (
        _Family("auc_judd", "AUC-J", _ON_FIXATIONS, True, (0.0, 1.0), 0.5, "below 1 where fixations scatter", "area"),
        _Family("shuffled_auc", "sAUC", (*_ON_FIXATIONS, "negatives"), True, (0.0, 1.0), 0.5, "below 1", "area"),
        _Family("auc_borji", "AUC-B", _ON_FIXATIONS, True, (0.0, 1.0), 0.5, "below 1", "area"),
        _Family("nss", "NSS", _ON_FIXATIONS, True, (-_INF, _INF), 0.0, "sqrt(N/n - 1)", "standard deviations"),
        _Family("cc", "CC", ("saliency", "density"), True, (-1.0, 1.0), 0.0, 1.0, "correlation"),
        _Family(
            "sim", "SIM", ("saliency", "density"), True, (0.0, 1.0), "overlap with the uniform density", 1.0, "mass"
        ),
        _Family(
            "kld", "KLD", ("saliency", "density"), False, (0.0, _INF), "divergence from the uniform density", 0.0,
            "nats",
        ),
        _Family(
            "information_gain", "IG", (*_ON_FIXATIONS, "baseline"), True, (-_INF, _INF), 0.0, "of the true density",
            "bits per fixation",
        ),
        _Family(
            "log_likelihood", "LL", _ON_FIXATIONS, True, (-_INF, _INF), 0.0, "of the true density",
            "bits per fixation",
        ),
    )
}  # fmt: skip


def metric(
    name: str,
    params: str,
    *,
    degenerate: str,
    source: str,
    version: int = 1,
    chance: float | str | None = None,
    subtracts_minimum: bool = False,
    scores_no_fixation: bool = False,
    value_range: tuple[float, float] | None = None,
) -> Callable[[Callable[..., float]], Callable[..., float]]:
    """Enter a definition into the register as one variant of a metric."""
    family = _FAMILIES[name]

    def enter(function: Callable[..., float]) -> Callable[..., float]:
        entry = Metric(
            name, family.short, params, function, family.needs, family.higher_is_better,
            value_range or family.range,
            family.chance if chance is None else chance, family.ceiling, family.unit, degenerate, source, version,
            subtracts_minimum, scores_no_fixation,
        )  # fmt: skip
        REGISTER[entry.id] = entry
        return function

    return enter


@cache
def find(metric_id: str) -> Metric:
    """Return a metric by its full id.

    Raises:
        UnknownName: no such id; the message lists the known ones.
    """
    import_module("vidsal.benchmark.metrics")
    import_module("vidsal.benchmark.metrics.published")
    if metric_id not in REGISTER:
        raise UnknownName("metric", metric_id, REGISTER)
    return REGISTER[metric_id]

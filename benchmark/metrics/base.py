"""What a metric declares about itself, and the registry of all metrics and their variants.

A module of metrics defines a `Family` and enters each variant with `@metric(FAMILY, "parameters", ...)`; importing
`vidsal.benchmark.metrics` imports all of them.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vidsal.loaders.errors import WrongUse

from .maps import Map

Function = Callable[..., float]

NOT_SCORED = "not scored"
"""Parameters of the entry of a family that stands for "the origin does not report it"."""

ON_FIXATIONS = ("saliency", "fixated")
MAP_AGAINST_MAP = ("saliency", "density")

RESERVED = ("attributes", "frame", "group_id", "n_fixations", "n_frames", "n_scored", "reason", "status", "stimulus_id")
"""Names of the other columns of a run's tables."""

_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9-]*")


@dataclass(frozen=True, kw_only=True)
class _Shared:
    """What all variants of one metric share; see `Metric`."""

    higher_is_better: bool
    range: tuple[float, float]
    chance: float | str
    ceiling: float | str
    unit: str
    ranks: bool = False
    of_densities: bool = False


@dataclass(frozen=True)
class Family(_Shared):
    """What all variants of one metric share.

    Attributes:
        name: as in the papers (`auc_judd`).
        short: name of columns, options and keys (`AUC-J`).
        needs: names of the arguments, of `saliency`, `log_density`, `fixated`, `negatives`, `density`, `baseline`.

    The others: see `Metric`.

    Raises:
        WrongUse: the short name cannot be a column.
    """

    name: str
    short: str
    needs: tuple[str, ...]

    def __post_init__(self) -> None:
        if not _LABEL.fullmatch(self.short) or self.short in RESERVED:
            raise WrongUse(
                f"metric {self.name}: {self.short!r} cannot be a label; it is letters, digits and hyphens, and none of "
                f"{', '.join(RESERVED)}"
            )


@dataclass(frozen=True, kw_only=True)
class Metric(_Shared):
    """What a metric declares about itself, so that no table repeats it.

    Attributes:
        name: family, as in the papers (`auc_judd`); several variants share it.
        short: name of columns, options and keys (`AUC-J`).
        params: the variant: every choice that moves the number.
        function: the definition.
        needs: names of its arguments, of `saliency`, `log_density`, `fixated`, `negatives`, `density`, `baseline`.
        higher_is_better: direction.
        range: lowest and highest possible value.
        chance: value of a prediction that knows nothing (a constant map), in words where it is no constant.
        ceiling: value of a perfect prediction, in words where it depends on the frame.
        unit: of the value.
        ranks: True if only the order of the pixels counts, so a log density is read as it is.
        of_densities: True if a prediction must be a density; a saliency map has no such score.
        degenerate: what constant maps and empty truths give.
        source: where the definition comes from.
        version: raised when the numbers change.
        subtracts_minimum: True if a prediction with negative values is lifted to 0 first.
        scores_no_fixation: True if a frame without fixations has a score (a fault of published code).
    """

    name: str
    short: str
    params: str
    function: Function
    needs: tuple[str, ...]
    degenerate: str
    source: str
    version: int = 1
    subtracts_minimum: bool = False
    scores_no_fixation: bool = False

    @property
    def id(self) -> str:
        """Full id: family and parameters."""
        return f"{self.name}[{self.params}]"

    @property
    def summary(self) -> str:
        """First line of what the definition says of itself."""
        return (_docstring(self.function) or self.name).splitlines()[0]

    @property
    def definition(self) -> str:
        """First paragraph of what the definition says of itself, on one line."""
        return (_docstring(self.function) or self.name).split("\n\n")[0].replace("\n", " ")

    def __call__(self, **maps: Map) -> float:
        """Score, picking the needed ones of the named maps."""
        return self.function(**{name: maps[name] for name in self.needs})


def _docstring(function: Function) -> str:
    """Return the docstring of a definition, from its source where `python -OO` dropped it."""
    if function.__doc__:
        return inspect.cleandoc(function.__doc__)
    try:
        first = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
        return ast.get_docstring(first) or ""  # type: ignore[arg-type]
    except (OSError, SyntaxError, TypeError):
        return ""


REGISTRY: dict[str, Metric] = {}
"""Every variant of every metric by its full id."""


def metric(
    family: Family,
    params: str,
    *,
    degenerate: str,
    source: str,
    version: int = 1,
    chance: float | str | None = None,
    subtracts_minimum: bool = False,
    scores_no_fixation: bool = False,
    value_range: tuple[float, float] | None = None,
    needs: tuple[str, ...] | None = None,
) -> Callable[[Function], Function]:
    """Enter a definition into the registry as one variant of a metric."""

    def enter(function: Function) -> Function:
        entry = Metric(
            name=family.name,
            short=family.short,
            params=params,
            function=function,
            needs=needs or family.needs,
            higher_is_better=family.higher_is_better,
            range=value_range or family.range,
            chance=family.chance if chance is None else chance,
            ceiling=family.ceiling,
            unit=family.unit,
            ranks=family.ranks,
            of_densities=family.of_densities,
            degenerate=degenerate,
            source=source,
            version=version,
            subtracts_minimum=subtracts_minimum,
            scores_no_fixation=scores_no_fixation,
        )
        _check_free(entry)
        REGISTRY[entry.id] = entry
        return function

    return enter


def _check_free(entry: Metric) -> None:
    """Refuse an id that is taken, and a label under which two families would be published."""
    if entry.id in REGISTRY:
        raise WrongUse(f"metric {entry.id} is registered already; another variant has other parameters")
    for other in REGISTRY.values():
        if (other.short == entry.short) != (other.name == entry.name):
            raise WrongUse(f"{entry.name} cannot have the label {entry.short!r}: {other.name} has {other.short!r}")


def _not_scored(**_: Any) -> float:
    """Not reported by the origin."""
    return float("nan")


def not_scored(family: Family) -> None:
    """Enter the variant that stands for "the origin does not report it": always NaN."""
    metric(
        family,
        NOT_SCORED,
        degenerate="always NaN",
        source="the protocol's origin does not report it",
        chance="NaN",
    )(_not_scored)

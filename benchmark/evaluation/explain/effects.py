"""How far each choice of a protocol moves a score: measured on simulated frames, and on code that others published.

The sizes are those of docs/why_scores_differ.md and of the faults that the protocols name. They are what to expect of
smooth maps and some 15 fixations a frame; whoever has both runs has the real ones.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from ...protocols import Protocol
from ...protocols.describe import diff


@dataclass(frozen=True)
class Expected:
    """A choice that two protocols make differently.

    Attributes:
        what: the choice, `AUC-J` or `resize`.
        first, second: what each does, in words.
        size: about how far it moves a score, by which choices are ordered.
        effect: the same in words.
    """

    what: str
    first: str
    second: str
    size: float
    effect: str


@dataclass(frozen=True)
class _Rule:
    """A line of `registers/effects.csv`: what a part of a choice does where only one of two protocols has it.

    The name of that protocol is put for `{it}`.
    """

    choice: str
    part: str
    size: float
    effect: str


@cache
def _rules() -> tuple[_Rule, ...]:
    text = files("vidsal.benchmark").joinpath("registers", "effects.csv").read_text(encoding="utf-8")
    return tuple(
        _Rule(r["choice"], r["part"], float(r["size"]), r["effect"]) for r in csv.DictReader(text.splitlines())
    )


_BONUS = ((1, 0.0819), (3, 0.0733), (8, 0.0377), (15, 0.0225), (30, 0.0136), (100, 0.0046), (300, 0.0016))
"""Fixations a frame, and the mean bonus of AUC-J as published."""


def bonus_of_auc(fixations: float) -> float:
    """Return the mean bonus of AUC-J as published, for so many fixated pixels a frame.

    >>> round(bonus_of_auc(15), 4)
    0.0225
    """
    counts, sizes = np.log(np.array(_BONUS)).T
    return float(np.exp(np.interp(np.log(max(fixations, 1.0)), counts, sizes)))


_MOVES = {
    "negatives": {"sAUC"},
    "log densities": {"AUC-J", "sAUC"},
    "truth": {"CC", "SIM", "KLD"},
    "stretch": {"SIM", "KLD"},
    "baseline": {"IG"},
    "frame order": {"AUC-J", "NSS"},
}
"""Which metrics a choice moves; of a metric's definition itself, of others all."""


def expected(first: Protocol, second: Protocol, fixations: float, labels: Iterable[str]) -> list[Expected]:
    """Return the choices that two protocols make differently, the largest effect first.

    Args:
        first, second: the protocols.
        fixations: fixated pixels in a frame of the data, on average.
        labels: metrics; choices that move none of them are left out.
    """
    found, asked = [], set(labels)
    for d in diff(first, second):
        own = {d.choice} if d.choice in {*first.metrics, *second.metrics} else asked
        if not _MOVES.get(d.choice, own) & asked or _parts(first, d.choice) == _parts(second, d.choice):
            continue  # it moves other metrics, or is the same in other words
        told = list(_told(d.choice, first, second, fixations))
        words = "; ".join(text for _, text in told) or "size not known"
        found.append(Expected(d.choice, d.first, d.second, max((size for size, _ in told), default=0.0), words))
    return sorted(found, key=lambda e: -e.size)


def _told(choice: str, first: Protocol, second: Protocol, fixations: float) -> Iterator[tuple[float, str]]:
    lacking = [p.name for p in (first, second) if choice in {*first.metrics, *second.metrics} - {*p.metrics}]
    if lacking:
        yield 0.0, f"{lacking[0]} does not score it"
        return
    one, other = _parts(first, choice), _parts(second, choice)
    if choice == "AUC-J" and ("trapz" in one) != ("trapz" in other):
        name, size = (first if "trapz" in one else second).name, bonus_of_auc(fixations)
        bonus = f"a bonus of fp_n / (2 n): about +{size:.3f} with {fixations:.0f} fixated pixels a frame"
        yield size, f"{name} joins few points of the curve by straight lines, {bonus}"
    for rule in _rules():
        if rule.choice == choice and (rule.part in one) != (rule.part in other):
            yield rule.size, rule.effect.format(it=(first if rule.part in one else second).name)


def _parts(protocol: Protocol, choice: str) -> frozenset[str]:
    """The parts of a choice: the parameters of a metric, or the value of a field."""
    if choice in protocol.metrics:
        return frozenset(protocol.metrics[choice].partition("[")[2].removesuffix("]").split(";"))
    field = {
        "resize": protocol.resize,
        "prediction": protocol.encoding,
        "truth": protocol.truth_encoding,
        "stretch": protocol.stretch,
        "resolution": "halved" if protocol.halved else "whole",
        "log densities": "ranked" if protocol.log_ranks else "exponentiated",
        "negatives": protocol.negatives,
        "average": protocol.average,
        "frame order": protocol.frame_order,
    }
    return frozenset([field.get(choice, "")])

"""Reported elsewhere: numbers that others published, each with the place where it was read.

They are cited, never mixed with what was measured here: other videos, other people's code, often rounded. A line enters
`registers/reported.csv` only when somebody has read it at the place that it names.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class Reported:
    """One published number.

    Attributes:
        model: as the source names it.
        dataset: id of the data set.
        split: of which it is the score.
        protocol: that of this project which reproduces the scoring.
        metric: label of the metric, as in results.
        value: as printed.
        digits: decimals that were printed.
        computed_by: who computed it.
        source, place, link: the document, the table or page in it, where it lies.
        note: what is known to be odd about it; empty for nothing.
    """

    model: str
    dataset: str
    split: str
    protocol: str
    metric: str
    value: float
    digits: int
    computed_by: str
    source: str
    place: str
    link: str
    note: str

    @property
    def cited(self) -> str:
        """Who says it, and where, in words."""
        return f"{self.model} on {self.dataset}, {self.split}, by {self.computed_by}: {self.source}, {self.place}"


@cache
def reported() -> tuple[Reported, ...]:
    """Return all published numbers, in the order of the file."""
    text = files("vidsal.benchmark").joinpath("registers", "reported.csv").read_text(encoding="utf-8")
    found = []
    for row in csv.DictReader(text.splitlines()):
        value = row["value"]
        found.append(Reported(**{**row, "value": float(value), "digits": len(value.partition(".")[2])}))  # type: ignore[arg-type]
    return tuple(found)


def find_reported(metric: str, value: float, dataset: str | None = None) -> tuple[Reported, ...]:
    """Return the published numbers that a number quotes: the same metric, and the same value as printed.

    Args:
        metric: its label.
        value: as quoted, not less precise than printed.
        dataset: of which data set; None = of any.
    """
    return tuple(
        r for r in reported()
        if r.metric == metric and dataset in (None, r.dataset) and round(value, r.digits) == r.value
    )  # fmt: skip

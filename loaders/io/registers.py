"""Registers: real frame counts, sizes, rates and splits, shipped as data."""

from __future__ import annotations

import csv
import re
from functools import cache
from importlib.resources import files


@cache
def rows(name: str) -> tuple[dict[str, str], ...]:
    """Return the lines of `registers/<name>.csv` as dicts of text, in the order of the file."""
    text = files("vidsal.loaders").joinpath("registers", f"{name}.csv").read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key that reads runs of digits as numbers.

    >>> sorted(["i10", "i9", "a"], key=natural_key)
    ['a', 'i9', 'i10']
    """
    parts = re.split(r"([0-9]+)", name)
    return tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in parts if p)

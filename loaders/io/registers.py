"""Registers: real frame counts, sizes, rates and splits, shipped as data."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files


@cache
def rows(name: str) -> tuple[dict[str, str], ...]:
    """Return the lines of `registers/<name>.csv` as dicts of text, in the order of the file."""
    text = files("vidsal.loaders").joinpath("registers", f"{name}.csv").read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))

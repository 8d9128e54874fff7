"""How far a score may move before a gate closes: defaults, and a file that says otherwise."""

from __future__ import annotations

import math
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vidsal.loaders.errors import BadData, MissingData, UnknownName, WrongUse
from vidsal.loaders.io.files import parse_json

from ...metrics.base import REGISTRY
from ...metrics.gaze_path import METRICS as GAZE_METRICS

SMALLEST = 1e-9
"""Largest change of a score, in its unit or as a share of its size, that is no change."""

BETWEEN_ENGINES = 1e-6
"""The same between scores of the host and scores of batches on a device, which agree so far."""

ALL = "default"
_STIMULI = "stimuli"


@dataclass(frozen=True)
class Tolerance:
    """How far a score may move: the larger of the two.

    Attributes:
        absolute: in the metric's unit.
        relative: as a share of the larger of both scores.
        one_sided: a move to the better is allowed, however large.
    """

    absolute: float = SMALLEST
    relative: float = SMALLEST
    one_sided: bool = False

    def of(self, a: float, b: float) -> float:
        """Return how far these two may lie apart."""
        size = max(abs(a), abs(b))
        return max(self.absolute, self.relative * size if math.isfinite(size) else 0.0)


def read_tolerances(path: str | Path) -> dict[str, Tolerance]:
    """Read a file of tolerances, TOML or JSON: a table for each metric, with `absolute` and `relative`.

        [default]
        relative = 1e-9
        [KLD]
        absolute = 1e-6
        [NSS]
        one_sided = true      # it may only rise, and what is better lower may only fall
        [stimuli.002.NSS]
        absolute = 0.01       # for one stimulus

    Returns:
        Tolerances by metric, `default` for the others; those of a stimulus under `of_stimulus`.

    Raises:
        MissingData: there is no such file. BadData: it cannot be read. WrongUse: a name or number is wrong.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingData(f"{path}: no such file of tolerances")
    form = "JSON" if path.suffix.lower() == ".json" else "TOML"
    try:
        text = path.read_text(encoding="utf-8")
        tables = parse_json(text) if form == "JSON" else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadData(f"{path}: not readable as {form}: {error}") from error
    if not isinstance(tables, dict):
        raise WrongUse(f'{path}: expected a table for each metric, as {{"KLD": {{"absolute": 1e-6}}}}')
    stimuli = tables.pop(_STIMULI, {})
    base = _tolerance(path, ALL, tables.get(ALL, {}), Tolerance())
    found = _tolerances(path, tables, base)
    for stimulus_id, table in stimuli.items() if isinstance(stimuli, dict) else [("", stimuli)]:
        if not isinstance(table, dict):
            raise WrongUse(f"{path}: {_STIMULI} holds a table for each stimulus, with one for each metric")
        for metric, tolerance in _tolerances(path, table, base).items():
            found[of_stimulus(stimulus_id, metric)] = tolerance
    return found


def of_stimulus(stimulus_id: str, metric: str) -> str:
    """Return the key of the tolerance of one stimulus's metric."""
    return f"{stimulus_id}: {metric}"


def _tolerances(path: Path, tables: dict[str, Any], base: Tolerance) -> dict[str, Tolerance]:
    known = {ALL, *GAZE_METRICS, *(entry.short for entry in REGISTRY.values())}
    found = {}
    for name, table in tables.items():
        if name not in known:
            raise UnknownName(f"metric in {path}", name, known)
        found[name] = _tolerance(path, name, table, base)
    return found


def _tolerance(path: Path, name: str, table: Any, base: Tolerance) -> Tolerance:
    if not isinstance(table, dict):
        raise WrongUse(f"{path}: {name} is {table!r}; expected a table with `absolute` or `relative`")
    values: dict[str, Any] = asdict(base)
    for key, value in table.items():
        if key not in values:
            raise UnknownName(f"key of {name} in {path}", key, values)
        if key == "one_sided":
            if not isinstance(value, bool):
                raise WrongUse(f"{path}: {name}, {key} is {value!r}; expected true or false")
        elif isinstance(value, bool) or not isinstance(value, (int, float)) or not (0 <= value < math.inf):
            raise WrongUse(f"{path}: {name}, {key} is {value!r}; expected a number from 0")
        values[key] = value if key == "one_sided" else float(value)
    return Tolerance(**values)

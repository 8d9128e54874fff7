"""What a gate compares of a run, in a small file that lies well in a repository: a snapshot.

Canonical JSON, numbers to 12 digits, no time, no place, no frame: the same scores give the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from vidsal.loaders.errors import BadData
from vidsal.loaders.io.files import canonical, parse_json, write_json

from ...model_card import faults_in_words
from .gate import Scores
from .store import Run

ANEW = "made anew by each build"
"""Stands for the digest of a release that is made anew, by whatever versions of libraries are there."""

_DIGITS = 12
_OF_MODEL = ("name", "version", "checkpoint_sha256", "options", "moves_between_machines")
_NOT_OF_ENGINE = ("python", "threads")
_OF_A_FILE = ("file_sha256", "package_sha256")  # change with every line of code, which is what is watched

_Number = float | None


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class _Release(_Part):
    id: str
    digest: str


class _Protocol(_Part):
    name: str
    digest: str
    average: str


class _Model(_Part):
    name: str
    version: str | None = None
    checkpoint_sha256: str | None = None
    options: dict[str, JsonValue] = Field(default_factory=dict)
    moves_between_machines: str | None = None


class _Means(_Part):
    mean: _Number
    mean_stimuli: _Number
    mean_frames: _Number
    n: int


class _Gaze(_Part):
    mean: dict[str, _Number]
    stimuli: dict[str, dict[str, _Number]]


class Snapshot(_Part):
    """The scores of a run as a file keeps them; the fields are those of run.json, as far as a gate looks.

    Attributes:
        truth: the recipe of the densities.
        engine: versions of what moves a number.
        stimuli: by id: `n_frames`, `n_scored`, and the mean of each metric over its frames.
    """

    format: Literal[1] = 1
    release: _Release
    split: str
    protocol: _Protocol
    truth: dict[str, JsonValue]
    model: _Model
    engine: dict[str, str | int]
    counts: dict[str, int]
    metrics: dict[str, _Means]
    stimuli: dict[str, dict[str, _Number]]
    gaze_points: _Gaze | None = None

    @classmethod
    def of(cls, run: Run, *, anew: bool = False) -> Snapshot:
        """Return that of a run.

        Args:
            run: saved or not.
            anew: its release is made anew in each build, so its bytes are not part of the comparison.
        """
        r = run.record
        model = {key: r["model"][key] for key in _OF_MODEL if r["model"].get(key) is not None}
        model["options"] = {k: v for k, v in r["model"]["options"].items() if k not in _OF_A_FILE}
        content = {
            "release": {"id": r["release"]["id"], "digest": ANEW if anew else r["release"]["digest"]},
            "split": r["split"],
            "protocol": {key: r["protocol"][key] for key in _Protocol.model_fields},
            "truth": r["truth"],
            "model": model,
            "engine": {key: value for key, value in r["engine"].items() if key not in _NOT_OF_ENGINE},
            "counts": r["counts"],
            "metrics": {name: {key: m[key] for key in _Means.model_fields} for name, m in r["metrics"].items()},
            "stimuli": Scores.of(run).stimuli,
        }
        if gaze := r.get("gaze_points"):
            content["gaze_points"] = {key: gaze[key] for key in _Gaze.model_fields}
        return cls.model_validate_json(canonical(_short(content)))

    @property
    def scores(self) -> Scores:
        """What a gate looks at."""
        record: dict[str, Any] = self.to_dict()
        stimuli = {
            stimulus_id: {name: math.nan if value is None else value for name, value in row.items()}
            for stimulus_id, row in record.pop("stimuli").items()
        }
        return Scores(record | {"coverage": {"scored": list(stimuli)}}, stimuli)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for the file."""
        return self.model_dump(mode="json", exclude_none=False, exclude=None if self.gaze_points else {"gaze_points"})

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        write_json(path, self.to_dict())


def read_snapshot(path: Path) -> Snapshot:
    """Read a snapshot.

    Raises:
        BadData: it is none; the message says what is wrong.
    """
    try:
        content = parse_json(path.read_text(encoding="utf-8"))
        found = Snapshot.model_validate_json(canonical(content))
    except ValidationError as error:
        raise BadData(f"{path}: no snapshot of scores: {faults_in_words(error)[0]}") from error
    except (ValueError, RecursionError) as error:
        raise BadData(f"{path}: no snapshot of scores: {error}") from error
    columns = {"n_frames", "n_scored", *found.metrics}
    for stimulus_id, row in found.stimuli.items():
        if set(row) != columns:
            wrong = ", ".join(sorted(set(row) ^ columns))
            raise BadData(f"{path}: no snapshot of scores: stimulus {stimulus_id} and the metrics differ in {wrong}")
    return found


def _short(value: Any) -> Any:
    """Plain data with its numbers cut to what a gate needs; None for NaN."""
    if isinstance(value, Mapping):
        return {key: _short(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_short(item) for item in value]
    if not isinstance(value, float):
        return value
    return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None

"""What a training left beside its weights: `training.json`, by which a model knows what it has seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidsal.benchmark.predictor import check_trained_on
from vidsal.loaders.errors import BadData
from vidsal.loaders.io.files import parse_json, sha256

RECORD = "training.json"


@dataclass(frozen=True)
class Trained:
    """The part of training.json that a model needs.

    Attributes:
        model: registered name.
        options: settings of the network.
        trained_on: ids of the data sets whose gaze the weights have seen, those of the start weights among them.
    """

    model: str
    options: Mapping[str, Any]
    trained_on: tuple[str, ...]


def read_trained(weights: Path) -> Trained | None:
    """Return what lies beside a weight file, if it is of that file: its SHA-256 is in it. None if not.

    Raises:
        BadData: training.json is damaged.
    """
    path = weights.parent / RECORD
    if not path.is_file():
        return None
    try:
        record = parse_json(path.read_bytes())
        if record["weights"].get(weights.name) != sha256(weights):
            return None
        options = {k: tuple(v) if isinstance(v, list) else v for k, v in record["model"]["options"].items()}
        trained = Trained(record["model"]["name"], options, tuple(record["trained_on"]))
        check_trained_on(trained.model, trained.trained_on)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadData(f"{path}: damaged ({error}); train again, or take it away") from error
    return trained

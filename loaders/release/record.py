"""release.json: read, and its shape checked, before anything in it is used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ..errors import BadData, MissingData, WrongUse
from ..io.files import parse_json
from ..records import Screen, Truth
from ..schema import SCHEMA_VERSION


class _Part(BaseModel):
    model_config = ConfigDict(strict=True)


class _Truths(_Part):
    default: str
    recipes: dict[str, Truth]


class _Content(_Part):
    """What the program takes from release.json; further keys are nobody's business."""

    release: str
    dataset: str
    digest: str
    files: dict[str, str]
    counts: dict[str, int | None]
    truth: _Truths
    screen: Screen
    variant: str | None = None
    version: str | None = None
    title: str = ""
    licence: str = ""
    citation: str = ""
    first_frame_numbers: dict[str, int] = {}


def read_record(root: Path) -> dict[str, Any]:
    """Read the release.json of a folder.

    Raises:
        MissingData: there is none. WrongUse: it is of another schema.
        BadData: it is damaged: no strict JSON, a key lacks, or a value has another type.
    """
    path = root / "release.json"
    if not path.is_file():
        raise MissingData(
            f"{root}: no release is here (release.json is missing); make one with `vidsal data convert NAME --src DIR "
            f"--out {root}`"
        )
    content = path.read_bytes()
    try:
        record = parse_json(content)
        version = record["schema_version"]
        if version == SCHEMA_VERSION:
            found = _Content.model_validate_json(content)
            if found.truth.default not in found.truth.recipes:
                raise ValueError("it lacks a truth recipe")
            if unknown := set(record["screen"]) - set(Screen.__dataclass_fields__):
                raise ValueError(f"screen: {sorted(unknown)[0]!r} is unknown")
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        what = f"it lacks {place}" if first["type"] == "missing" else f"{place}: {first['msg']}"
        raise BadData(f"{path}: damaged ({what}); convert the data set again") from error
    except (ValueError, KeyError, TypeError) as error:
        raise BadData(f"{path}: damaged ({error}); convert the data set again") from error
    if version != SCHEMA_VERSION:
        raise WrongUse(f"{path}: schema {version}, this program reads {SCHEMA_VERSION}; convert again or update vidsal")
    return dict(record)

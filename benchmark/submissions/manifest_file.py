"""Reading and writing submission.json, and what a file beside it says of the model."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from vidsal.loaders.errors import BadData, MissingData, WrongUse
from vidsal.loaders.io.files import canonical, parse_json, write_json

from ..model_card import MOST_TEXT, in_words
from .faults import Fault, Refused
from .manifest import NAME, Manifest, content
from .parts import Declarations, Encoding, ModelPart, PredictionPart, RunPart
from .safe_files import read_bounded

MOST_BYTES = 64 << 20
"""Largest manifest that is read."""
PLACEHOLDER = "FILL IN"
"""How every text begins that `vidsal submit init` leaves to be replaced."""

_DEEPEST = 40
_MOST_SAID = 10
_MOST_FAULTS = 1000


def write(folder: Path, manifest: Manifest) -> None:
    """Write submission.json, whole or not at all."""
    write_json(folder / NAME, content(manifest))


@dataclass(frozen=True)
class Reading:
    """What a submission.json holds.

    Attributes:
        manifest: its content; of one with faults what is left without the wrong fields, None where nothing is left.
        faults: every wrong field.
    """

    manifest: Manifest | None
    faults: tuple[Fault, ...] = ()


def read(folder: Path) -> Manifest | None:
    """Read submission.json; None if there is none.

    Raises:
        Refused: it is not a manifest; every wrong field is named.
    """
    reading = examine(folder)
    if reading is None:
        return None
    if reading.faults:
        said = [str(fault) for fault in reading.faults]
        more = [f"and {len(said) - _MOST_SAID} more"] if len(said) > _MOST_SAID else []
        text = "; ".join(said[:_MOST_SAID] + more)
        raise Refused(f"{folder / NAME}: no manifest of format 1: {text}", reading.faults)
    return reading.manifest


def examine(folder: Path) -> Reading | None:
    """Read submission.json and find every fault; None if there is none.

    Raises:
        BadData: it is a link or no regular file, or too large.
    """
    try:
        raw = read_bounded(folder / NAME, MOST_BYTES)
    except MissingData:
        return None
    try:
        text = raw.decode("utf-8-sig")
        found = parse_json(text)
    except UnicodeDecodeError as error:
        return Reading(None, (Fault("", f"it is not UTF-8 ({error.reason} at byte {error.start})", rule="manifest"),))
    except ValueError as error:
        return Reading(None, (Fault("", f"it is no JSON: {short(str(error))}", rule="manifest"),))
    odd = list(_texts(found))
    if any(fault.rule == "manifest" for fault in odd):  # too deep or too long for anything else
        return Reading(_rest(found, odd), tuple(odd[:_MOST_FAULTS]))
    unfilled = {fault.where for fault in odd}
    try:
        return Reading(Manifest.model_validate_json(text), tuple(odd))
    except ValidationError as error:
        wrong = [f for f in _faults(error) if not any(f"{f.where}.".startswith(f"{p}.") for p in unfilled)]
        return Reading(_salvaged(found, error), (*odd, *wrong)[:_MOST_FAULTS])


def _texts(value: Any) -> Iterator[Fault]:
    """Find what is left of the template, and what is no statement: texts without end, nesting without end."""
    stack: list[tuple[str, Any, int]] = [("", value, 0)]
    while stack:
        where, item, depth = stack.pop()
        if isinstance(item, str):
            if item.startswith(PLACEHOLDER):
                yield Fault(where, "still holds the placeholder of the template", rule="placeholder")
            elif len(item) > MOST_TEXT:
                yield Fault(where, f"a text of {len(item)} characters, at most {MOST_TEXT} are read", rule="manifest")
        elif isinstance(item, dict | list):
            if depth == _DEEPEST:
                yield Fault(where, f"nested deeper than {_DEEPEST} levels", rule="manifest")
                continue
            parts = item.items() if isinstance(item, dict) else enumerate(item)
            stack += [(f"{where}.{short(str(k))}".lstrip("."), v, depth + 1) for k, v in reversed(list(parts))]


def _rest(found: Any, odd: list[Fault]) -> Manifest | None:
    """What a manifest says beside texts and nestings without end."""
    if not isinstance(found, dict) or not all(fault.where for fault in odd):
        return None
    for fault in odd:
        _take_out(found, fault.where.split("."))
    try:
        return Manifest.model_validate_json(canonical(found))
    except ValidationError as error:
        return _salvaged(found, error)
    except (ValueError, RecursionError):
        return None


def _salvaged(found: Any, error: ValidationError) -> Manifest | None:
    """What a manifest says where it is right: the wrong fields are taken out."""
    for _ in range(len(Manifest.model_fields)):
        if not isinstance(found, dict):
            return None
        for fault in error.errors(include_url=False, include_input=False, include_context=False):
            _take_out(found, fault["loc"] or ("files",))
        try:
            return Manifest.model_validate_json(canonical(found))
        except ValidationError as again:
            error = again
        except (ValueError, RecursionError):
            return None
    return None


def _take_out(found: dict[str, Any], path: Sequence[str | int]) -> None:
    """Remove a wrong field, or the whole of what stands at the top around it."""
    part, path = found.get(str(path[0])), tuple(path)
    if path in (("prediction",), ("prediction", "kind")):
        found["prediction"] = {**(part if isinstance(part, dict) else {}), "kind": "saliency"}
        return
    if path == ("model", "name") and isinstance(part, dict):
        part["name"] = "unnamed"
        return
    if path[0] in ("prediction", "model", "run", "declarations") and isinstance(part, dict) and len(path) > 1:
        part.pop(str(path[1]), None)
        return
    found.pop(str(path[0]), None)


def read_model(path: str | Path) -> ModelPart:
    """Read what a file says of a model: the `model` part of a manifest as TOML or JSON, alone or under `model`.

    Raises:
        MissingData: there is no such file. BadData: it is something else; every wrong field is named.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingData(f"{path}: no such file; it holds what submission.json says of a model, as TOML or JSON")
    try:
        text = path.read_text(encoding="utf-8")
        found = parse_json(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
        part = found.get("model", found) if isinstance(found, dict) else found
        return ModelPart.model_validate_json(canonical(part))
    except ValidationError as error:
        raise BadData(f"{path}: not what a manifest says of a model: {'; '.join(faults(error)[:10])}") from error
    except (ValueError, TypeError) as error:
        raise BadData(
            f"{path}: not readable as {'JSON' if path.suffix.lower() == '.json' else 'TOML'}: {error}"
        ) from error


def with_model(manifest: Manifest, model: ModelPart | None, where: Path) -> Manifest:
    """Return the manifest with what else is known of the model.

    Raises:
        WrongUse: the two contradict each other.
    """
    if model is None:
        return manifest
    said = manifest.model.model_dump(exclude_unset=True) if manifest.model else {}
    further = model.model_dump(exclude_unset=True)
    differing = sorted(k for k in said.keys() & further.keys() if said[k] != further[k])
    if differing:
        key = differing[0]
        raise WrongUse(f"{where}: {NAME} says {key} {said[key]!r} of the model, the file of the model {further[key]!r}")
    return manifest.model_copy(update={"model": ModelPart.model_validate({**said, **further})})


def faults(error: ValidationError) -> list[str]:
    """Return one sentence for each wrong field."""
    return [str(fault) for fault in _faults(error)]


def _faults(error: ValidationError) -> list[Fault]:
    return [_fault(fault) for fault in error.errors(include_url=False, include_input=False)]


def _fault(error: Any) -> Fault:
    path = [str(part) for part in error["loc"]]
    where = ".".join(short(part) for part in path if not _BRANCH.fullmatch(part))
    if error["type"] == "extra_forbidden":
        name = path[-1]
        near = get_close_matches(name, sorted(_KNOWN), n=1) if len(name) < 100 else []
        return Fault(where, "no such field" + (f", did you mean {near[0]!r}?" if near else ""), rule="manifest")
    return Fault(where, short(in_words({**error, "loc": ()}), 300), rule="manifest")


def short(text: str, most: int = 80) -> str:
    """Return a text, cut where it is long."""
    return text if len(text) <= most else f"{text[:most]}..."


_BRANCH = re.compile(r"constrained-\w+|literal\[.*\]")
"""What a field of several types is called by: no part of its place."""

_PARTS: tuple[type[BaseModel], ...] = (Manifest, PredictionPart, ModelPart, Encoding, RunPart, Declarations)
_KNOWN = {name for part in _PARTS for name in part.model_fields}

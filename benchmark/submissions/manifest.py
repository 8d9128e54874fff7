"""submission.json: what stored predictions are, checked on reading; format 1.

The smallest one says what the maps are, `{"prediction": {"kind": "saliency"}}`; what `vidsal predict` writes says
everything. Nothing in it is ever opened, followed or evaluated.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from vidsal.loaders.errors import BadData, MissingData, WrongUse
from vidsal.loaders.io.files import canonical, parse_json, sha256_text, write_json

from ..model_card import Digest, ModelClaims, Text, in_words
from ..predictor import Fit, ModelInfo, check_trained_on, data_set_id
from .safe_files import read_bounded

NAME = "submission.json"
FOLDER = "predictions"
SUMS = "SHA256SUMS"
MOST_BYTES = 64 << 20
"""Largest manifest that is read."""

Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$")]
FirstFrame = Annotated[int, Field(ge=0, le=1_000_000)] | Literal["own"]
"""Number of frame 0 in names: of all stimuli, or `own`, that of each stimulus's first image in the release."""

Side = Annotated[int, Field(ge=1, le=1 << 16)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class ReleaseRef(_Part):
    """The release whose frames were predicted: id, content digest, data set."""

    id: Word
    digest: Digest | None = None
    dataset: Word | None = None


class ModelPart(ModelClaims):
    """The model, as a table names it."""

    model_config = ConfigDict(extra="forbid")

    @field_validator("trained_on")
    @classmethod
    def _ids_of_data_sets(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if names is None:
            return None
        ids = tuple(map(data_set_id, names))
        check_trained_on("of this submission", ids)
        return ids


class Encoding(_Part):
    """How a stored number becomes a value: offset + scale * number.

    Attributes:
        files: what the files are; None = any.
        transform: `log`: the value is the natural logarithm of the prediction (of `kind` density or saliency).
        scale, offset: of all files.
        zero: whether level 0 stands for probability 0, of which there is no logarithm.
    """

    files: Literal["png8", "png16", "npz", "npz16", "video"] | None = None
    transform: Literal["linear", "log"] = "linear"
    scale: float = Field(default=1.0, gt=0)
    offset: float = 0.0
    zero: bool = False

    @model_serializer(mode="wrap")
    def _as_said(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = plain(self)
        if not self.zero:  # files of before this was known have the same digest
            data.pop("zero", None)
        return data


class PredictionPart(_Part):
    """What the stored maps are.

    Attributes:
        kind: of the predictions, as in the predictor protocol; `point` for gaze positions (npz only).
        encoding: of the numbers.
        size: width and height of every map; None = not promised.
        first_frame: number of frame 0 in the names of images and arrays, or `own`; None = see `frame_numbers.py`.
        missing: what a frame without prediction means, as in the predictor protocol.
        as_published: whether these are the 8-bit maps that the model's authors would have written.
        fit: how maps of another aspect lie on the frame, see `geometry.py`; None = there are none.
    """

    kind: Literal["density", "log_density", "saliency", "point"]
    encoding: Encoding = Encoding()
    size: tuple[Side, Side] | None = None
    first_frame: FirstFrame | None = None
    missing: Literal["error", "first-available", "center-bias", "exclude"] = "error"
    as_published: bool = False
    fit: Fit | None = None

    @model_serializer(mode="wrap")
    def _as_said(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = plain(self)
        if self.fit is None:
            data.pop("fit", None)
        return data

    @model_validator(mode="after")
    def _one_logarithm(self) -> PredictionPart:
        if self.kind == "log_density" and self.encoding.transform == "log":
            raise ValueError("kind log_density is a logarithm already: its transform is linear")
        if self.encoding.zero and self.kind != "log_density" and self.encoding.transform != "log":
            raise ValueError("zero is of logarithms only: kind log_density, or transform log")
        return self


class CoveragePart(_Part):
    """Which stimuli of the split are predicted: how many, and the ids of those left out."""

    predicted: int = Field(ge=0)
    left_out: tuple[Text, ...] = ()


class FilePart(_Part):
    """The predictions of one stimulus.

    Attributes:
        stimulus: its id.
        frames: first, last, first, last ... of the predicted frames, inclusive, from 0.
        shape: height and width of the maps; None for points, or if they differ.
        sha256: of the file; of a folder, of its lines `name sha256`, sorted by name.
    """

    stimulus: Text
    frames: tuple[int, ...]
    shape: tuple[Side, Side] | None = None
    sha256: Digest

    @model_validator(mode="after")
    def _ranges(self) -> FilePart:
        ends = self.frames
        if len(ends) % 2 or any(a > b for a, b in zip(ends, ends[1:], strict=False)) or (ends and ends[0] < 0):
            raise ValueError(f"frames of {self.stimulus!r} are no ascending ranges first, last, first, last")
        if ends and ends[-1] > 100_000_000:
            raise ValueError(f"frames of {self.stimulus!r} reach {ends[-1]}")
        return self


class Manifest(_Part):
    """The content of submission.json.

    Attributes:
        format: 1.
        release, split: what was predicted; None = that on which it is scored.
        model: None = named after the folder.
        prediction: what the maps are.
        coverage: None = every annotated stimulus of the split.
        files: one entry for each stimulus; None = not listed.
        tool: what wrote it, with versions.
        input_digest: of everything that `vidsal predict` was asked for.
        authors, licence, declarations, run: further statements of the authors, kept unchanged.
    """

    format: Literal[1] = 1
    release: ReleaseRef | None = None
    split: Text | None = None
    model: ModelPart | None = None
    prediction: PredictionPart
    coverage: CoveragePart | None = None
    files: tuple[FilePart, ...] | None = None
    tool: dict[str, str | int] | None = None
    input_digest: Digest | None = None
    authors: tuple[Text, ...] = ()
    licence: Text | None = None
    declarations: dict[str, JsonValue] | None = None
    run: dict[str, JsonValue] | None = None

    @model_validator(mode="after")
    def _once(self) -> Manifest:
        ids = [f.stimulus for f in self.files or ()]
        twice = {i for i in ids if ids.count(i) > 1} if len(set(ids)) < len(ids) else set()
        if twice:
            raise ValueError(f"files lists {sorted(twice)[0]!r} twice")
        return self

    def info(self, name: str) -> ModelInfo:
        """Return what a run must know of the model; `name` is used if the manifest names none."""
        model = self.model or ModelPart(name=name)
        said = self.prediction
        return model.info(missing=said.missing, output=said.kind, needs_frames=False, fit=said.fit)


def content(manifest: Manifest) -> dict[str, Any]:
    """Return the manifest as plain data, without absent fields."""
    return manifest.model_dump(mode="json", exclude_none=True)


def write(folder: Path, manifest: Manifest) -> None:
    """Write submission.json, whole or not at all."""
    write_json(folder / NAME, content(manifest))


def read(folder: Path) -> Manifest | None:
    """Read submission.json; None if there is none.

    Raises:
        BadData: it is not a manifest; every wrong field is named.
    """
    path = folder / NAME
    try:
        text = read_bounded(path, MOST_BYTES)
    except MissingData:
        return None
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        found = faults(error)
        more = [f"and {len(found) - 10} more"] if len(found) > 10 else []
        raise BadData(f"{path}: no manifest of format 1: {'; '.join(found[:10] + more)}") from error


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
    except (ValueError, RecursionError, TypeError) as error:
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
    return [_fault(fault) for fault in error.errors(include_url=False, include_input=False)]


def _fault(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        field = ".".join(str(part) for part in error["loc"])
        known = _fields(Manifest) | _fields(PredictionPart) | _fields(ModelPart) | _fields(Encoding)
        near = get_close_matches(str(error["loc"][-1]), sorted(known), n=1)
        return f"{field}: no such field" + (f", did you mean {near[0]!r}?" if near else "")
    return in_words(error)


def _fields(part: type[BaseModel]) -> set[str]:
    return set(part.model_fields)


def digest(prediction: PredictionPart, files: Mapping[str, str]) -> str:
    """Digest of a submission's content: what the maps are, and the digest of every stimulus's files by its id."""
    return sha256_text(canonical({"prediction": prediction.model_dump(mode="json"), "files": dict(files)}))


def ranges(frames: list[int]) -> tuple[int, ...]:
    """Return ascending numbers as first, last, first, last ...

    >>> ranges([0, 1, 2, 5])
    (0, 2, 5, 5)
    """
    ends: list[int] = []
    for frame in frames:
        if ends and frame == ends[-1] + 1:
            ends[-1] = frame
        else:
            ends += [frame, frame]
    return tuple(ends)

"""submission.json: what stored predictions are; format 1.

The smallest one says what the maps are, `{"prediction": {"kind": "saliency"}}`; what `vidsal predict` writes says
what it knows, and `vidsal submit init` asks for everything. Nothing in it is ever opened, followed or evaluated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import field_validator, model_validator

from vidsal.loaders.io.files import canonical, sha256_text

from ..model_card import Digest, Text
from ..predictor import ModelInfo
from .parts import CoveragePart, Declarations, FilePart, ModelPart, Part, PredictionPart, ReleaseRef, RunPart

NAME = "submission.json"
FOLDER = "predictions"
SUMS = "SHA256SUMS"


class Manifest(Part):
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
        authors: of the predictions. licence: of the predictions.
        declarations, run: what the authors declare, and how the predictions were made.
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
    declarations: Declarations | None = None
    run: RunPart | None = None

    @field_validator("format", mode="before")
    @classmethod
    def _is_a_number(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError("Input should be 1")  # which true equals, but in the JSON Schema
        return value

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

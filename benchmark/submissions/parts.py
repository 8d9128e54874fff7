"""The parts of submission.json: what stored predictions say of themselves. Unknown is None, and no claim."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from ..model_card import COMMIT, LINK, Digest, ModelClaims, Text
from ..predictor import Fit, check_trained_on, data_set_id

Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$")]
FirstFrame = Annotated[int, Field(ge=0, le=1_000_000)] | Literal["own"]
"""Number of frame 0 in names: of all stimuli, or `own`, that of each stimulus's first image in the release."""

Side = Annotated[int, Field(ge=1, le=1 << 16)]

Link = Annotated[
    str,
    Field(
        max_length=2000,
        pattern=LINK,
        description="an https address; nothing else is ever made a link",
    ),
]
Commit = Annotated[str, Field(pattern=COMMIT)]


class Part(BaseModel):
    """A part of a manifest: frozen, strict, without unknown fields."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class ReleaseRef(Part):
    """The release whose frames were predicted: id, content digest, data set."""

    id: Word
    digest: Digest | None = None
    dataset: Word | None = None


class ModelPart(ModelClaims):
    """The model, as a table names it.

    Attributes:
        code, commit: address of the code, and the commit that made the predictions.
        weights: address of the weights; `checkpoint_sha256` is their digest.
        parameters: number of trained and fixed parameters.
        pretrained_on: as `trained_on`, of the weights that training began with, those of backbones included.
        input_fps: frames a second that the model was given, where that is not the stimulus's own rate.
        input_size: width and height to which it brings its frames.
    """

    model_config = ConfigDict(extra="forbid")

    code: Link | None = None
    commit: Commit | None = None
    weights: Link | None = None
    parameters: int | None = Field(default=None, ge=0, le=10**15)
    pretrained_on: tuple[Text, ...] | None = None
    input_fps: float | None = Field(default=None, gt=0, le=100_000)
    input_size: tuple[Side, Side] | None = None

    @field_validator("trained_on", "pretrained_on")
    @classmethod
    def _ids_of_data_sets(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if names is None:
            return None
        ids = tuple(map(data_set_id, names))
        check_trained_on("of this submission", ids)
        return ids


class Encoding(Part):
    """How a stored number becomes a value: offset + scale * number.

    Attributes:
        files: what the files are; None = any.
        transform: `log`: the value is the natural logarithm of the prediction (of `kind` density or saliency).
        scale, offset: of all files.
        zero: whether level 0 stands for probability 0, of which there is no logarithm.
        rounding: how levels were made of values.
    """

    files: Literal["png8", "png16", "npz", "npz16", "video"] | None = None
    transform: Literal["linear", "log"] = "linear"
    scale: float = Field(default=1.0, gt=0)
    offset: float = 0.0
    zero: bool = False
    rounding: Literal["nearest", "down", "up"] | None = None

    @model_serializer(mode="wrap")
    def _as_said(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return _without(plain(self), zero=False, rounding=None)  # files of before these were known have the same digest


class PredictionPart(Part):
    """What the stored maps are.

    Attributes:
        kind: of the predictions, as in the predictor protocol; `point` for gaze positions (npz only).
        encoding: of the numbers.
        size: width and height of every map; None = not promised.
        first_frame: number of frame 0 in the names of images and arrays, or `own`; None = see `frame_numbers.py`.
        missing: what a frame without prediction means, as in the predictor protocol.
        as_published: whether these are the 8-bit maps that the model's authors would have written.
        fit: how maps of another aspect lie on the frame, see `geometry.py`; None = there are none.
        upsampling: how smaller maps are brought to the frame: as the protocol does it, for all alike.
        tuned_for: the metric, or the protocol's id of it, for which the maps were tuned.
        post_processing: what was done to the model's output: smoothing, center bias, a power.
    """

    kind: Literal["density", "log_density", "saliency", "point"]
    encoding: Encoding = Encoding()
    size: tuple[Side, Side] | None = None
    first_frame: FirstFrame | None = None
    missing: Literal["error", "first-available", "center-bias", "exclude"] = "error"
    as_published: bool = False
    fit: Fit | None = None
    upsampling: Literal["protocol"] | None = None
    tuned_for: Text | None = None
    post_processing: Text | None = None

    @model_serializer(mode="wrap")
    def _as_said(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return _without(plain(self), fit=None, upsampling=None, tuned_for=None, post_processing=None)

    @model_validator(mode="after")
    def _one_logarithm(self) -> PredictionPart:
        if self.kind == "log_density" and self.encoding.transform == "log":
            raise ValueError("kind log_density is a logarithm already: its transform is linear")
        if self.encoding.zero and self.kind != "log_density" and self.encoding.transform != "log":
            raise ValueError("zero is of logarithms only: kind log_density, or transform log")
        return self


class CoveragePart(Part):
    """Which stimuli of the split are predicted: how many, and the ids of those left out."""

    predicted: int = Field(ge=0)
    left_out: tuple[Text, ...] = ()


class FilePart(Part):
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


class RunPart(BaseModel):
    """How the predictions were made; further fields are kept as they are.

    Attributes:
        version: of the program that made them, where it is not `tool`.
        command: that makes them again.
        seed: of random numbers.
        hardware: on which they were made.
        frames_per_second: speed, frames of the stimuli.
        peak_memory_bytes: of the device that predicted.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="allow", allow_inf_nan=False)
    __pydantic_extra__: dict[str, JsonValue] = Field(init=False)

    version: Text | None = None
    command: Text | None = None
    seed: int | Text | None = None
    hardware: Text | None = None
    frames_per_second: float | None = Field(default=None, gt=0)
    peak_memory_bytes: int | None = Field(default=None, ge=0)


class Declarations(BaseModel):
    """What the authors declare; further fields are kept as they are.

    Attributes:
        no_test_labels: whether no gaze of the split was used, in training or in choosing.
        external_data: data beyond `trained_on` and `pretrained_on`: none (False), some (True), or which.
        constant_maps: whether constant maps are meant, as those of a uniform prior.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="allow", allow_inf_nan=False)
    __pydantic_extra__: dict[str, JsonValue] = Field(init=False)

    no_test_labels: bool | None = None
    external_data: bool | Text | None = None
    constant_maps: bool | None = None


def _without(data: dict[str, Any], **unsaid: object) -> dict[str, Any]:
    """Leave out the fields that have these values."""
    return {k: v for k, v in data.items() if not (k in unsaid and v == unsaid[k])}

"""What a page reads of run.json, checked: a record that is not of this form is refused, never shown in part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vidsal.loaders.errors import BadData
from vidsal.loaders.io.files import canonical

_Digest = Field(pattern=r"^[0-9a-f]{64}$")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class ReleaseRecord(_Part):
    """Which data: id, content digest, data set, variant, title."""

    id: str
    digest: str
    dataset: str
    variant: str | None = None
    title: str = ""


class FaultRecord(_Part):
    """A known fault that a protocol reproduces, and how far it moves a score."""

    what: str
    effect: str


class ProtocolRecord(_Part):
    """Every choice that moved a number, see `vidsal.benchmark.protocols.Protocol`; `further` has what has no field."""

    model_config = ConfigDict(frozen=True, strict=True, extra="allow")

    name: str
    summary: str
    origin: str
    metrics: tuple[str, ...]
    resize: str
    encoding: str
    negatives_note: str
    average: Literal["stimulus", "frame"]
    frames: str
    approximations: tuple[str, ...] = ()
    faults: tuple[FaultRecord, ...] = ()
    digest: str

    @property
    def further(self) -> dict[str, Any]:
        """The other settings, sorted by name."""
        extra = self.model_extra or {}
        return {k: extra[k] for k in sorted(extra)}


class ModelRecord(_Part):
    """What was scored, see `vidsal.benchmark.evaluation.run.ModelRecord`."""

    name: str
    version: str
    kind: str
    causal: bool
    lookahead: int
    missing: str
    output: str
    trained_on: tuple[str, ...] = ()
    licence: str = ""
    paper: str = ""
    needs_frames: bool
    checkpoint: str | None = None
    checkpoint_sha256: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    device: str

    @property
    def identity(self) -> tuple[str, ...]:
        """What makes two runs runs of the same model: kind, name, version, weights, options."""
        return self.kind, self.name, self.version, self.checkpoint_sha256 or "", canonical(self.options)


class TruthRecord(_Part):
    """The truth recipe; its parameters are in `model_extra`.

    Attributes:
        points: `all`, or `single-observer` for a reference that is judged against one observer at a time.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="allow")

    recipe: str
    points: str = "all"

    @property
    def parameters(self) -> dict[str, Any]:
        """The recipe's parameters, sorted by name, those that are not set left out."""
        extra = self.model_extra or {}
        return {k: extra[k] for k in sorted(extra) if extra[k] not in (None, "")}


class CoverageRecord(_Part):
    """Which stimuli were scored, and which were left out and why; see `evaluation/coverage.py`."""

    scored: tuple[str, ...]
    annotated: int
    not_annotated: tuple[str, ...] = ()
    without_frames: tuple[str, ...] = ()
    left_out_by_limit: int = 0
    not_predicted: tuple[str, ...] = ()
    with_frames_only: bool = False

    @property
    def complete(self) -> bool:
        """Whether every annotated stimulus of the split is scored."""
        return len(self.scored) == self.annotated


class CountsRecord(_Part):
    """Rows by status."""

    frames: int
    scored: int
    no_fixation: int
    no_prediction: int


class MetricRecord(_Part):
    """Both means of a metric, None where no frame defines it, and why."""

    id: str
    mean: float | None
    mean_stimuli: float | None
    mean_frames: float | None
    n: int
    reason: str | None = None


class RunRecord(_Part):
    """The content of run.json, format 1."""

    format: Literal[1]
    release: ReleaseRecord
    split: str
    protocol: ProtocolRecord
    model: ModelRecord
    truth: TruthRecord
    coverage: CoverageRecord
    counts: CountsRecord
    metrics: dict[str, MetricRecord]
    input_digest: str
    frames_digest: str
    engine: dict[str, str | int]
    command: str | None = None
    time: str = Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
    duration_s: float
    digest: str = _Digest

    @property
    def human(self) -> bool:
        """Whether people, not a model, made the predictions."""
        return self.model.kind == "human" or self.truth.points == "single-observer"


def read_record(content: Mapping[str, Any], where: str) -> RunRecord:
    """Check the content of a run.json.

    Args:
        content: as read from JSON.
        where: the run's folder, named in errors.

    Raises:
        BadData: the content is not that of a run; the message names the first wrong field.
    """
    try:
        return RunRecord.model_validate_json(canonical(content))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise BadData(
            f"{where}: run.json can not be shown: {field}: {first['msg']}; score it again with this version"
        ) from error

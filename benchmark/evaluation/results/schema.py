"""run.json: the one record of a run, format 1. A run is written from it, and whatever reads a result reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, computed_field, model_validator

from vidsal.loaders.errors import BadData
from vidsal.loaders.io.files import canonical

from ...metrics.base import REGISTRY
from ...model_card import SHA256, ModelCard, faults_in_words
from ...protocols import SIX

FORMAT = 1
_Digest = Field(pattern=SHA256)


def _of_the_calendar(text: str) -> str:
    with suppress(ValueError):
        if datetime.fromisoformat(text).strftime("%Y-%m-%dT%H:%M:%SZ") == text:
            return text
    raise ValueError(f"{text!r} is no time of the calendar, as 2026-01-02T03:04:05Z")


Time = Annotated[str, AfterValidator(_of_the_calendar)]
"""A moment in UTC, to the second."""


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
    """Every choice that moved a number, see `vidsal.benchmark.protocols.Protocol`; `further` has what has no field.

    Attributes:
        metrics: ids of the scores; a list stands for the labels of `SIX`, any other set is a dict by label.
        labels: order of the columns where `metrics` is a dict.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="allow")

    name: str
    summary: str
    origin: str
    metrics: tuple[str, ...] | dict[str, str]
    labels: tuple[str, ...] = ()
    resize: str
    encoding: str
    negatives_note: str
    average: Literal["stimulus", "frame"]
    frames: str
    approximations: tuple[str, ...] = ()
    faults: tuple[FaultRecord, ...] = ()
    digest: str

    @property
    def columns(self) -> tuple[str, ...]:
        """Labels of the scores, in the order of the columns."""
        return self.labels if isinstance(self.metrics, dict) else SIX

    @property
    def metric_ids(self) -> dict[str, str]:
        """Full id of each score by its label, in the order of the columns."""
        if isinstance(self.metrics, dict):
            return {label: self.metrics[label] for label in self.columns}
        return dict(zip(SIX, self.metrics, strict=True))

    @model_validator(mode="after")
    def _labels_of_the_metrics(self) -> ProtocolRecord:
        if isinstance(self.metrics, dict):
            if len(self.labels) != len(self.metrics) or set(self.labels) != set(self.metrics):
                raise ValueError("labels does not list the labels of metrics")
        elif len(self.metrics) != len(SIX):
            raise ValueError(f"a list of metrics holds the ids of {', '.join(SIX)}")
        return self

    @property
    def further(self) -> dict[str, Any]:
        """The other settings, sorted by name."""
        extra = self.model_extra or {}
        return {k: extra[k] for k in sorted(extra)}


class ScoredModel(ModelCard):
    """What was scored, and what stored predictions say of themselves, where they were scored."""

    submission: dict[str, Any] | None = None

    @property
    def identity(self) -> tuple[str, ...] | None:
        """What makes two runs runs of one model: name, version, options, and the digest of its weights, or of its
        package or file for a class of one's own. None where that digest is missing: such runs are never merged.
        Reference predictors and human references have neither weights nor files; their version says it all.
        """
        code = [self.options.get(name) for name in ("package_sha256", "file_sha256")]
        digest = self.checkpoint_sha256 or next((c for c in code if isinstance(c, str)), None)
        if digest is None and self.kind in ("reference", "human"):
            digest = self.kind
        options = {k: v for k, v in self.options.items() if k != "file"}  # its name is not its content
        return None if digest is None else (self.name, self.version or "", digest, canonical(options))

    @property
    def lossiness(self) -> int:
        """How much storing may have changed the predictions, from 0: scored as they were predicted."""
        if self.submission is None:
            return 0
        prediction = self.submission.get("prediction") or {}
        files = str((prediction.get("encoding") or {}).get("files"))
        return 4 if self.submission.get("lossy") else _LOSSINESS.get(files, 3)


_LOSSINESS = {"npz": 1, "npz16": 2, "png16": 2}
"""Of forms of files; 3 for 8 bits, and where nothing says it."""


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
    """Which frames and stimuli of a split were scored, and which were left out and why; see `evaluation/coverage.py`.

    Attributes:
        scored: ids of the stimuli that were covered, in order; each of their annotated frames has a row.
        annotated: how many stimuli of the split have gaze.
        not_annotated: ids without gaze.
        without_frames: ids with gaze whose frames are not on this machine, left out.
        left_out_by_limit: how many `limit` leaves out.
        not_predicted: ids with gaze that a submission declares to leave out.
        with_frames_only: whether only stimuli with frames were asked for.
        left_out_by_frames_of: how many stimuli hold none of the frames that were asked for.
        frames_of: digest, as `frames_digest`, of the frames that were asked for; None = all.
        frames_scored: how many rows are scored; None only in a record that was never joined with its rows.
        frames_expected: how many frames of the split the protocol scores: annotated, and somebody looked; None in runs
            of before this was kept that leave stimuli out.
        frames_digest: which frames are scored, see `scored_frames.frames_digest`.
    """

    scored: tuple[str, ...]
    annotated: int
    not_annotated: tuple[str, ...] = ()
    without_frames: tuple[str, ...] = ()
    left_out_by_limit: int = 0
    not_predicted: tuple[str, ...] = ()
    with_frames_only: bool = False
    left_out_by_frames_of: int = 0
    frames_of: str | None = Field(default=None, pattern=SHA256)
    frames_scored: int | None = None
    frames_expected: int | None = None
    frames_digest: str | None = Field(default=None, pattern=SHA256)

    @property
    def all_stimuli(self) -> bool:
        """Whether every annotated stimulus of the split is covered."""
        return len(self.scored) == self.annotated

    @computed_field  # type: ignore[prop-decorator]
    @property
    def complete(self) -> bool:
        """Whether every frame of the split that the protocol scores is scored."""
        return self.all_stimuli and self.frames_scored == self.frames_expected


class GazeRecord(_Part):
    """Scores of predicted positions as positions, for a model that predicts them: their protocol, means, stimuli."""

    protocol: dict[str, Any]
    mean: dict[str, float | None]
    stimuli: dict[str, dict[str, float | None]]


class CountsRecord(_Part):
    """Rows by status; `left_out` are those that were not asked for."""

    frames: int
    scored: int
    no_fixation: int
    no_prediction: int
    left_out: int = 0

    @property
    def looked_at(self) -> int:
        """Rows that the protocol scores where there is a prediction: somebody looked."""
        return self.frames - self.no_fixation


class MetricRecord(_Part):
    """Both means of a metric, None where no frame defines it, and why.

    Attributes:
        low, high: 95 % interval of `mean_stimuli`, see docs/statistics.md; None where there is none.
        note: why there is none; a result of before intervals were kept says nothing.
    """

    id: str
    mean: float | None
    mean_stimuli: float | None
    mean_frames: float | None
    n: int
    reason: str | None = None
    low: float | None = None
    high: float | None = None
    note: str | None = None


class RunRecord(_Part):
    """The content of run.json, format 1.

    Attributes:
        input_digest: of everything that the run was asked for.
        rows_digest: of the values of frames.parquet; `stimuli_digest`: of those of stimuli.parquet.
        previews_digest: SHA-256 of `previews/previews.json` beside it, where the run left something to look at.
        digest: of all this but time, duration and previews.
    """

    format: Literal[1]
    release: ReleaseRecord
    split: str
    protocol: ProtocolRecord
    model: ScoredModel
    truth: TruthRecord
    coverage: CoverageRecord
    counts: CountsRecord
    metrics: dict[str, MetricRecord]
    suspicious: tuple[str, ...] = ()
    gaze_points: GazeRecord | None = None
    input_digest: str
    rows_digest: str
    stimuli_digest: str | None = Field(default=None, pattern=SHA256)
    engine: dict[str, str | int]
    command: str | None = None
    previews_digest: str | None = Field(default=None, pattern=SHA256)
    time: Time
    duration_s: float
    digest: str = _Digest

    @model_validator(mode="after")
    def _scores_of_the_protocol(self) -> RunRecord:
        of_protocol, here = self.protocol.metric_ids, {label: m.id for label, m in self.metrics.items()}
        if of_protocol != here:
            wrong = sorted(k for k in {*of_protocol, *here} if of_protocol.get(k) != here.get(k))
            raise ValueError(f"its scores are not those of its protocol: {', '.join(wrong)}")
        for label, metric_id in here.items():
            if metric_id in REGISTRY and REGISTRY[metric_id].short != label:
                raise ValueError(f"{label} is not the label of {metric_id}, {REGISTRY[metric_id].short} is")
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for run.json; what does not apply is left out."""
        data = self.model_dump(mode="json")
        for part, name in (
            (data, "gaze_points"),
            (data, "suspicious"),
            (data, "previews_digest"),
            (data["model"], "submission"),
            (data["protocol"], "labels"),
        ):
            if not part[name]:
                del part[name]
        return data

    @property
    def human(self) -> bool:
        """Whether people, not a model, made the predictions."""
        return self.model.kind == "human" or self.truth.points == "single-observer"


def read_record(content: Mapping[str, Any], where: str) -> RunRecord:
    """Check the content of a run.json.

    Args:
        content: as read from JSON.
        where: the file, named in errors.

    Raises:
        BadData: the content is not that of a run; the message names the first wrong field.
    """
    if "rows_digest" not in content and "frames_digest" in content:  # its name before coverage was kept by frame
        content = {**content, "rows_digest": content["frames_digest"]}
    try:
        return RunRecord.model_validate_json(json.dumps(content, allow_nan=False))
    except ValidationError as error:
        raise BadData(f"{where}: not of format {FORMAT}: {faults_in_words(error)[0]}") from error

"""What a run was asked for, and what its result says of the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import ValidationError

from vidsal.loaders.errors import UnknownName, WrongUse

from .. import protocols
from ..human import HumanReference
from ..model_card import faults_in_words
from ..predictor import ModelInfo
from .pool import Model as Model, check_model, default_threads
from .previews.collector import Show
from .results.schema import ScoredModel
from .selection import FrameSelection, select_frames

Kind = Literal["network", "reference", "human", "custom", "submission"]
ScoreOn = Literal["host", "device"]


@dataclass(frozen=True)
class Settings:
    """What a run was asked for, beside the model.

    Attributes:
        protocol: the declaration.
        recipe: truth recipe; None = the release's default.
        with_frames_only: cover only stimuli whose frames are here, whatever the predictor needs.
        limit: at most so many stimuli.
        predicted: cover only these stimuli, those that a submission holds; None = all.
        truth_cache: where precomputed truths lie, see `scoring/truth_cache.py`; `auto` = with the
            release; None = use none. Scores are the same.
        keep_truth: whether truth that is not there is kept with the release on the way, see `scoring/kept_truth.py`.
        threads: of torch in each process; recorded, because a network's bits may depend on it.
        score_on: `host`, or `device`: predictions are scored in batches where they are, to 1e-6 the same.
        frames_of: score only these frames; None = all.
        show: what is kept to look at beside the scores: `nothing`, `maps` or `frames`, see `previews`.
    """

    protocol: protocols.Protocol
    recipe: str | None = None
    with_frames_only: bool = False
    limit: int | None = None
    predicted: frozenset[str] | None = None
    truth_cache: str | Path | None = "auto"
    keep_truth: bool = False
    threads: int = field(default_factory=default_threads)
    score_on: ScoreOn = "host"
    frames_of: FrameSelection | None = None
    show: Show = "nothing"

    def only(self, stimulus_id: str) -> frozenset[int] | None:
        """Return the frames of a stimulus that are to be scored; None = all."""
        return None if self.frames_of is None else self.frames_of.of(stimulus_id)

    def __post_init__(self) -> None:
        if self.score_on not in get_args(ScoreOn):
            raise UnknownName("place to score on", self.score_on, get_args(ScoreOn))
        if self.show not in get_args(Show):
            raise UnknownName("thing to show", self.show, get_args(Show))


@dataclass(frozen=True)
class ModelRecord:
    """What a result says of the model.

    Attributes:
        info: the model's own declaration.
        kind: `network`, `reference`, `human`, `custom` or `submission`.
        checkpoint, checkpoint_sha256: file name and digest of the weights.
        options: settings beyond the defaults.
        device: `cpu` or `cuda`.
        command: the command that repeats the run.
        submission: what stored predictions say of themselves, their digest among it; None for a model that ran.
        points: against which fixations it is judged, `all`, or what a human reference says.
    """

    info: ModelInfo
    kind: Kind = "custom"
    checkpoint: str | None = None
    checkpoint_sha256: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    device: str = "cpu"
    command: str | None = None
    submission: Mapping[str, Any] | None = None
    points: str = "all"

    @classmethod
    def of(cls, model: Model, kind: Kind = "custom", **details: Any) -> ModelRecord:
        """Describe a model: its declaration, and for a human reference what it is judged against.

        Raises:
            WrongUse: it is neither a predictor nor a human reference.
        """
        check_model(model)
        if isinstance(model, HumanReference):
            return cls(model.info, "human", points=model.truth, **details)
        return cls(model.info, kind, **details)

    def card(self) -> ScoredModel:
        """Return what run.json says.

        Raises:
            WrongUse: the declaration cannot be stored.
        """
        try:
            return ScoredModel.of(
                self.info,
                self.options,
                kind=self.kind,
                checkpoint=self.checkpoint,
                checkpoint_sha256=self.checkpoint_sha256,
                device=self.device,
                submission=None if self.submission is None else dict(self.submission),
            )
        except ValidationError as error:
            what = faults_in_words(error)[0]
            raise WrongUse(f"model {self.info.name!r} cannot be described in run.json: {what}") from error


def with_threads(settings: Settings, threads: int | None) -> Settings:
    """Return the settings with another number of torch threads; None keeps the default."""
    return settings if threads is None else replace(settings, threads=threads)


def with_frames_of(settings: Settings, frames_of: str | Path | None) -> Settings:
    """Return the settings for only the frames of a run or of a list, see `select_frames`; None keeps all."""
    return settings if frames_of is None else replace(settings, frames_of=select_frames(frames_of))

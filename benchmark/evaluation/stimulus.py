"""Scoring one stimulus: predictions in, one row for every annotated frame out."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol as Protocol_, runtime_checkable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vidsal.loaders.errors import MACHINE, BadData, VidsalError, WrongUse
from vidsal.loaders.io.progress import tick
from vidsal.loaders.records import Frame
from vidsal.loaders.release.release import Stimulus
from vidsal.loaders.release.truth import density as make_density

from ..geometry import ShapeRule, on_frame
from ..metrics.gaze_path import METRICS as GAZE_METRICS, Viewing, observer_paths, score_gaze
from ..predictor import Kind, ModelInfo, Prediction, Predictor, Shown, StimulusInfo
from ..prefetch import prefetch_calls
from ..protocols import Protocol
from ..scoring.center_prior import center_prior_density
from ..scoring.frame import FrameScores, FrameTruth, prepare_truth, score
from ..scoring.inputs import as_map, value_range
from ..scoring.kept_truth import Keeper
from ..scoring.negatives import Negatives
from ..scoring.stimulus_truth import truth_of_frame
from ..scoring.truth import NO_NEGATIVES
from ..scoring.truth_file import StimulusTruth
from .hearing import with_sound
from .previews.collector import PreviewCollector
from .split_negatives import SplitNegatives
from .suspicious import Looks

SCORED, NO_FIXATION, NO_PREDICTION, LEFT_OUT = "scored", "no_fixation", "no_prediction", "left_out"
GAZE_KEY = b"vidsal.gaze_points"
DEVICES_KEY = b"vidsal.devices"
LOOKS_KEY = b"vidsal.looks"
AHEAD = 8
"""Frames, or comparisons of one, that are made while another one is scored."""


def frames_schema(labels: Iterable[str]) -> pa.Schema:
    """Return the schema of frames.parquet: one float64 column a score, by the labels of the protocol."""
    return pa.schema(
        [
            ("stimulus_id", pa.string()),
            ("frame", pa.int32()),
            ("n_fixations", pa.int32()),
            *((label, pa.float64()) for label in labels),
            ("status", pa.string()),
            ("reason", pa.string()),
        ]
    )


@dataclass
class FrameRows:
    """The rows of one stimulus, filled in any order of columns, one list each."""

    stimulus_id: str
    labels: tuple[str, ...]
    frame: list[int] = field(default_factory=list)
    n_fixations: list[int] = field(default_factory=list)
    scores: list[FrameScores | None] = field(default_factory=list)
    status: list[str] = field(default_factory=list)
    reason: list[str | None] = field(default_factory=list)

    def add(self, frame: int, n_fixations: int, scores: FrameScores | None, status: str, reason: str | None) -> None:
        """Append a row."""
        self.frame.append(frame)
        self.n_fixations.append(n_fixations)
        self.scores.append(scores)
        self.status.append(status)
        self.reason.append(reason)

    def ordered(self) -> FrameRows:
        """Return the same rows, ascending by frame."""
        order = sorted(range(len(self.frame)), key=self.frame.__getitem__)
        columns = (self.frame, self.n_fixations, self.scores, self.status, self.reason)
        return FrameRows(self.stimulus_id, self.labels, *([column[i] for i in order] for column in columns))  # type: ignore[arg-type]

    def table(self) -> pa.Table:
        """Return the rows as a table, in the order in which they were added."""
        values = [[float("nan") if s is None else s[name] for s in self.scores] for name in self.labels]
        columns = [
            pa.array([self.stimulus_id] * len(self.frame), pa.string()),
            pa.array(self.frame, pa.int32()),
            pa.array(self.n_fixations, pa.int32()),
            *(pa.array(v, pa.float64()) for v in values),
            pa.array(self.status, pa.string()),
            pa.array(self.reason, pa.string()),
        ]
        return pa.Table.from_arrays(columns, schema=frames_schema(self.labels))


@runtime_checkable
class HoldsPictures(Protocol_):
    """A predictor whose maps may be pictures as the script of a protocol reads them, so that none is rounded again."""

    def holds_pictures(self, stimulus_id: str) -> bool:
        """Return whether those of a stimulus are."""
        ...


@dataclass(frozen=True)
class FrameScorer:
    """Everything that scoring a stimulus needs beside the predictions.

    Attributes:
        protocol: the declaration.
        recipe: name of the truth recipe; None = the release's default.
        negatives: of the frames of this stimulus's size.
        stored: precomputed truths of the stimulus; None where there are none.
        keeper: takes every truth that was scored; None = none is kept.
        only: the frames to score; None = all.
        previews: takes every frame that is scored; None = nothing is kept to look at.
        encode: whether predictions pass the protocol's 8-bit stage.
    """

    protocol: Protocol
    recipe: str | None
    negatives: SplitNegatives
    stored: StimulusTruth | None = None
    only: frozenset[int] | None = None
    previews: PreviewCollector | None = None
    keeper: Keeper | None = None
    encode: bool = True

    def asked_for(self, frame: int) -> bool:
        """Whether a frame is to be scored."""
        return self.only is None or frame in self.only

    def add_left_out(self, rows: FrameRows, stimulus: Stimulus) -> FrameRows:
        """Add the rows of the frames that are not to be scored, and return all in their order."""
        if self.only is None:
            return rows
        for frame in stimulus.annotated_indices().tolist():
            if not self.asked_for(frame):
                n = n_fixated_of(stimulus, frame)
                rows.add(frame, n, None, LEFT_OUT if n else NO_FIXATION, "this frame was not asked for" if n else None)
        return rows.ordered()

    def truth(self, stimulus: Stimulus, frame: int, negatives: Negatives | None) -> FrameTruth:
        """Prepare the truth of a frame from all of its points, or take the stored one."""
        reason = self.negatives.reason or NO_NEGATIVES
        stored = self.stored and self.stored.at(frame, negatives, reason)
        if stored:
            return stored
        made = truth_of_frame(stimulus, frame, self.protocol, self.recipe, negatives, reason)
        if self.stored:
            self.stored.remind(frame, made)
        return made

    def truth_of(
        self, stimulus: Stimulus, chosen: npt.NDArray[np.intp], negatives: Negatives | None, where: str
    ) -> FrameTruth:
        """Prepare the truth from some of the points."""
        points = stimulus.gaze_points
        return prepare_truth(
            np.stack([points.x[chosen], points.y[chosen]], axis=1),
            (stimulus.height, stimulus.width),
            stimulus.density_of(chosen, self.recipe) if len(chosen) else None,
            negatives,
            self.protocol,
            encode=True,
            no_negatives_reason=self.negatives.reason or NO_NEGATIVES,
            where=where,
        )


def info_of(stimulus: Shown) -> StimulusInfo:
    """Return what a predictor may know of a stimulus."""
    fps = stimulus.fps
    return StimulusInfo(
        stimulus.id,
        stimulus.width,
        stimulus.height,
        None if fps is None else float(fps),
        stimulus.kind,
        stimulus.n_frames,
    )


def frames_for(info: ModelInfo, stimulus: Shown) -> Iterator[Frame]:
    """Yield the frames, or cheap black placeholders for a predictor that never looks at them."""
    if info.needs_frames:
        return stimulus.frames()
    blank = np.broadcast_to(np.zeros((), np.uint8), (stimulus.height, stimulus.width, 3))
    step = 1000 / float(stimulus.fps) if stimulus.fps else 0.0
    return (Frame(i, i * step, blank) for i in range(stimulus.n_frames))


def complete(predictor: Predictor, stimulus: Stimulus) -> Iterator[Prediction | int]:
    """Run a predictor over one stimulus; yield a prediction for each annotated frame in order, of the frame's aspect
    (`geometry.py`), or the frame's bare index where the model's declared rule leaves it without.

    Raises:
        BadData: predictions out of order, of frames that do not exist, or missing without a declared rule.
    """
    info = predictor.info
    wanted = set(stimulus.annotated_indices().tolist())
    early: list[int] = []
    expected = 0
    begun = False
    seen = info_of(stimulus)
    for prediction in predictions(predictor, stimulus):
        frame = int(prediction.frame)
        if not expected <= frame < stimulus.n_frames:
            raise BadData(
                f"{info.name}, {stimulus.id}: got a prediction of frame {frame}, expected {expected} of "
                f"{stimulus.n_frames}; predictions come once for each frame, in order"
            )
        for index in range(expected, frame):
            if index in wanted and info.missing == "first-available" and not begun:
                early.append(index)
            elif index in wanted:
                yield _absent(info, stimulus, index)
        prediction = on_frame(prediction, seen, info.fit)
        for index in early:
            yield Prediction(index, prediction.values, prediction.kind, prediction.xy)
        early.clear()
        begun = True
        if frame in wanted:
            yield prediction
        expected = frame + 1
    for index in range(expected, stimulus.n_frames):
        if index in wanted:
            yield _absent(info, stimulus, index)


def predictions(predictor: Predictor, stimulus: Shown) -> Iterator[Prediction]:
    """Run the predictor and yield what it says, each with a map of its own.

    Raises:
        BadData: it fails, yields something else or maps of a wrong shape; a fault in a user's own code is named with
            its place.
    """
    name, seen, fresh = predictor.info.name, -1, getattr(predictor, "fresh_maps", False)
    rule = ShapeRule((stimulus.height, stimulus.width), predictor.info.fit)
    frames = _Frames(with_sound(frames_for(predictor.info, stimulus), stimulus, predictor.info))
    try:
        for prediction in predictor.predict(frames, info_of(stimulus)):
            if not isinstance(prediction, Prediction):
                raise BadData(f"{name}, {stimulus.id}: predict gave a {type(prediction).__name__}, not a Prediction")
            seen = prediction.frame
            if prediction.values is not None:
                fault = rule.fault(tuple(prediction.values.shape), f"frame {seen}")
                if fault:
                    raise BadData(f"{name}, {stimulus.id}: {fault}")
            yield prediction if fresh else prediction.kept()
            tick()
        if predictor.info.needs_frames:
            stimulus.check_frames()
    except WrongUse as error:
        raise WrongUse(f"{name}, {stimulus.id}: {error}") from error
    except (VidsalError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        if error is frames.fault or (isinstance(error, OSError) and error.errno in MACHINE):
            raise
        last = traceback.extract_tb(error.__traceback__)[-1]
        hint = "" if isinstance(error, Exception) else ": a predictor raises an error, it does not end the program"
        when = "before its first prediction" if seen < 0 else f"after frame {seen}"
        raise BadData(
            f"{name}, {stimulus.id}: predict failed {when}: {type(error).__name__}: {error} "
            f"({Path(last.filename).name}, line {last.lineno}){hint}"
        ) from error


class _Frames:
    """Frames, and what went wrong in reading them, which is no fault of the model."""

    def __init__(self, frames: Iterator[Frame]) -> None:
        self._frames = frames
        self.fault: BaseException | None = None

    def __iter__(self) -> Iterator[Frame]:
        return self

    def __next__(self) -> Frame:
        try:
            return next(self._frames)
        except StopIteration:
            raise
        except BaseException as error:
            self.fault = error
            raise


def _absent(info: ModelInfo, stimulus: Shown, index: int) -> Prediction | int:
    """Apply the model's declared rule to a frame without prediction."""
    if info.missing == "exclude":
        return index
    if info.missing == "center-bias":
        return Prediction(index, center_prior_density(stimulus.height, stimulus.width), "density")
    raise gap(info, stimulus, index)


def gap(info: ModelInfo, stimulus: Shown, index: int) -> BadData:
    """Say that a frame has no prediction although the model's declared rule asks for one."""
    where = f"{info.name}, {stimulus.id}: no prediction of frame {index} of {stimulus.n_frames}, and the model declares"
    if info.missing == "first-available":
        return BadData(
            f"{where} missing='first-available', which fills only the frames before the first prediction; give one for "
            "each later frame, or declare exclude or center-bias"
        )
    return BadData(
        f"{where} missing={info.missing!r}; give one for each frame, or declare exclude, center-bias or first-available"
    )


def score_stimulus(
    predictor: Predictor, stimulus: Stimulus, scorer: FrameScorer, score_all: ScoreAll | None = None
) -> pa.Table:
    """Run a predictor over one stimulus and score its predictions.

    Args:
        predictor: the model.
        stimulus: what it is shown.
        scorer: everything else that scoring needs.
        score_all: makes rows of predictions; None = one by one as they come, in a second thread.

    Returns:
        One row for every annotated frame, `frames_schema`. The table's metadata hold what a few maps look like under
        `LOOKS_KEY`, and where positions were predicted, their scores as positions under `GAZE_KEY`.

    Raises:
        BadData: see `complete`; NonFinite: a map that is not finite, naming stimulus and frame.
    """
    if isinstance(predictor, HoldsPictures) and predictor.holds_pictures(stimulus.id):
        scorer = replace(scorer, encode=False)
    rows = FrameRows(stimulus.id, scorer.protocol.labels)
    path = np.full((stimulus.n_frames, 2), np.nan)
    looks = Looks()

    def items() -> Iterator[Item]:
        for item in complete(predictor, stimulus):
            if not scorer.asked_for(item if isinstance(item, int) else item.frame):
                continue
            if isinstance(item, Prediction) and item.xy is not None:
                path[item.frame] = item.xy
            elif isinstance(item, Prediction):
                looks.look(item.values)
            yield item

    for row in (score_all or _one_by_one)(items(), stimulus, scorer):
        rows.add(*row)
    rows = scorer.add_left_out(rows, stimulus)
    noted = {LOOKS_KEY: json.dumps(looks.to_dict())}
    if not np.isnan(path).all():
        noted[GAZE_KEY] = json.dumps(_gaze_scores(path, stimulus))
    return rows.table().replace_schema_metadata(noted)


def _gaze_scores(path: npt.NDArray[np.float64], stimulus: Stimulus) -> dict[str, float | None]:
    """Score predicted positions as positions, beside the densities made from them; None where that is impossible."""
    observers = list(observer_paths(stimulus).values()) if stimulus.gaze_points.observers else []
    if not observers:
        return dict.fromkeys(GAZE_METRICS)
    fps = None if stimulus.fps is None else float(stimulus.fps)
    viewing = Viewing(stimulus.width, stimulus.height, stimulus.n_frames, fps, stimulus.screen)
    values = score_gaze(path, observers, viewing).values
    return {name: None if np.isnan(values[name]) else float(values[name]) for name in GAZE_METRICS}


@dataclass(frozen=True)
class Case:
    """A frame, and what is to be scored of it.

    Attributes:
        frame: its index.
        truth: its truth.
        values: the predicted map, or the density of a predicted position; None where there is none.
        kind: of the map.
        where: stimulus and frame, named in errors.
    """

    frame: int
    truth: FrameTruth
    values: Any
    kind: Kind
    where: str


Item = Prediction | int
"""A prediction, or the index of a frame that is left without; see `complete`."""

Row = tuple[int, int, FrameScores | None, str, str | None]
"""The arguments of `FrameRows.add`."""

ScoreAll = Callable[[Iterator[Item], Stimulus, FrameScorer], Iterator[Row]]


def case_of(item: Item, stimulus: Stimulus, scorer: FrameScorer, negatives: Negatives | None) -> Case:
    """Bring a prediction and its frame's truth together."""
    frame = item if isinstance(item, int) else item.frame
    where = f"{stimulus.id}, frame {frame}"
    truth = scorer.truth(stimulus, frame, negatives)
    if isinstance(item, int):
        return Case(frame, truth, None, "saliency", where)
    if item.xy is None:
        return Case(frame, truth, item.values, item.kind, where)
    density = _density_at(item.xy, stimulus, scorer) if truth.n_fixated else None
    return Case(frame, truth, density, "density", where)


def row_of(case: Case, score_case: Callable[[Case], FrameScores], scorer: FrameScorer) -> Row:
    """Make the row of a frame; it is scored where there is something to score, and may be kept to be looked at.

    Its truth may be kept too.

    Raises:
        NonFinite: the map is not finite, even if nobody looked.
    """
    row = _row_of(case, score_case, scorer.previews)
    if scorer.keeper:
        scorer.keeper.add(case.frame, case.truth)
    return row


def _row_of(case: Case, score_case: Callable[[Case], FrameScores], previews: PreviewCollector | None) -> Row:
    n_fixated = case.truth.n_fixated
    if n_fixated == 0:
        if case.values is not None:
            value_range(as_map(case.values, case.where), case.where, log=case.kind == "log_density")
        return case.frame, 0, None, NO_FIXATION, None
    if case.values is None:
        return case.frame, n_fixated, None, NO_PREDICTION, "the model gives no prediction of this frame"
    scores = score_case(case)
    if previews:
        previews.look(case.frame, scores, case.values, case.kind, case.truth)
    return case.frame, n_fixated, scores, SCORED, reason_of(scores)


def _one_by_one(items: Iterator[Item], stimulus: Stimulus, scorer: FrameScorer) -> Iterator[Row]:
    negatives = scorer.negatives.of(stimulus)

    def score_case(case: Case) -> FrameScores:
        return score(case.values, case.kind, case.truth, scorer.protocol, encode=scorer.encode, where=case.where)

    def row(item: Item) -> Row:
        return row_of(case_of(item, stimulus, scorer, negatives), score_case, scorer)

    return prefetch_calls((partial(row, item) for item in items), 1, AHEAD)


def _density_at(xy: tuple[float, float], stimulus: Stimulus, scorer: FrameScorer) -> npt.NDArray[np.float32]:
    """Make a density from a predicted gaze position with the kernel of the truth."""
    shape = (stimulus.height, stimulus.width)
    kernel = replace(stimulus.truth(scorer.recipe), per="row", orders=None)
    values = make_density(np.array([xy], np.float32), shape, kernel)
    return values if values.any() else np.full(shape, 1 / (shape[0] * shape[1]), np.float32)


def reason_of(scores: FrameScores) -> str | None:
    """Join the reasons of a frame; those that several scores share are said once."""
    by_text: dict[str, list[str]] = {}
    for name, text in scores.reasons.items():
        by_text.setdefault(text, []).append(name)
    return "; ".join(f"{', '.join(names)}: {text}" for text, names in by_text.items()) or None


def n_fixated_of(stimulus: Stimulus, frame: int) -> int:
    """Distinct pixels of a frame that somebody looked at."""
    return len(np.unique(np.floor(stimulus.points(frame)), axis=0))

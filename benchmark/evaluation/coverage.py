"""Which stimuli and frames a run covers, and what it leaves out and why."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from vidsal.loaders.errors import BadData, MissingData
from vidsal.loaders.release.release import Release, Stimulus

from .results.schema import CoverageRecord
from .selection import FrameSelection
from .withheld import withheld


def cover(
    release: Release,
    *,
    needs_frames: bool,
    with_frames_only: bool = False,
    limit: int | None = None,
    predicted: frozenset[str] | None = None,
    frames_of: FrameSelection | None = None,
) -> tuple[CoverageRecord, list[Stimulus]]:
    """Choose the stimuli of a run: annotated, with frames where frames are needed, predicted where a submission says,
    with frames that were asked for where some were.

    Raises:
        MissingData: there are none; the message says what is missing and where it was looked for.
        BadData: frames were asked for that a stimulus does not have.
    """
    annotated = [s for s in release if s.annotated]
    if not annotated:
        reason = withheld(str(release.record["dataset"]), release.split)
        raise MissingData(
            f"no stimulus of {release.id}, split {release.split or 'all'}, is annotated: "
            + (reason or "nothing to score")
        )
    with_frames = [s for s in annotated if not (needs_frames or with_frames_only) or s.frames_path() is not None]
    if not with_frames:
        raise MissingData(release.frames_hint([s.id for s in annotated]))
    present = {s.id for s in with_frames}
    held = [s for s in with_frames if predicted is None or s.id in predicted]
    if not held:
        raise MissingData(
            f"the submission predicts none of the {len(with_frames)} annotated stimuli of {release.id}, split "
            f"{release.split or 'all'}: nothing to score"
        )
    selected = [s for s in held if frames_of is None or s.id in frames_of.spans]
    if not selected:
        raise MissingData(
            f"{frames_of} has frames of none of the {len(held)} stimuli that could be scored on {release.id}, split "
            f"{release.split or 'all'}: nothing to score"
        )
    if frames_of is not None:
        _check_frames(frames_of, selected)
    chosen = selected if limit is None else selected[:limit]
    return (
        CoverageRecord(
            scored=tuple(s.id for s in chosen),
            annotated=len(annotated),
            not_annotated=tuple(s.id for s in release if not s.annotated),
            without_frames=tuple(s.id for s in annotated if s.id not in present),
            left_out_by_limit=len(selected) - len(chosen),
            left_out_by_frames_of=len(held) - len(selected),
            frames_of=None if frames_of is None else frames_of.digest,
            not_predicted=tuple(s.id for s in with_frames if predicted is not None and s.id not in predicted),
            with_frames_only=with_frames_only,
        ),
        chosen,
    )


def _check_frames(frames_of: FrameSelection, selected: list[Stimulus]) -> None:
    """Refuse a choice of frames that the stimuli do not have, or of which none could be scored.

    Raises:
        BadData: the choice goes beyond a stimulus's end. MissingData: none of it is annotated.
    """
    beyond = [s for s in selected if frames_of.spans[s.id][-1] >= s.n_frames]
    if beyond:
        s = beyond[0]
        more = f"; so it is for {len(beyond)} stimuli" if len(beyond) > 1 else ""
        raise BadData(
            f"{frames_of} asks for frame {frames_of.spans[s.id][-1]} of {s.id}, which has frames 0 to "
            f"{s.n_frames - 1}{more}; frames are counted from 0"
        )
    if not any(frames_of.of(s.id) & set(s.annotated_indices().tolist()) for s in selected):
        raise MissingData(f"{frames_of} has no frame that is annotated: nothing to score")


def looked_at(stimulus: Stimulus) -> int:
    """Return how many annotated frames of a stimulus somebody looked at: those that a protocol scores."""
    points = stimulus.gaze_points
    steps = np.zeros(stimulus.n_frames + 1, np.int64)
    np.add.at(steps, np.clip(points.frame, 0, stimulus.n_frames), 1)
    np.add.at(steps, np.clip(points.frame_end + 1, 0, stimulus.n_frames), -1)
    return int((np.cumsum(steps)[stimulus.annotated_indices()] > 0).sum())


def expected_elsewhere(release: Release, covered: Iterable[str]) -> int:
    """Return how many frames the protocol would score in the annotated stimuli that a run does not cover."""
    here = set(covered)
    return sum(looked_at(s) for s in release if s.annotated and s.id not in here)

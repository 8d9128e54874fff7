"""Which stimuli a run covers, and what it leaves out and why."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from vidsal.loaders.errors import MissingData
from vidsal.loaders.release.release import Release, Stimulus


@dataclass(frozen=True)
class Coverage:
    """What a run scores of a split.

    Attributes:
        scored: ids of the stimuli that are scored, in order.
        annotated: how many stimuli of the split have gaze.
        not_annotated: ids without gaze.
        without_frames: ids with gaze whose frames are not on this machine, left out.
        left_out_by_limit: how many `limit` leaves out.
        not_predicted: ids with gaze that a submission declares to leave out.
    """

    scored: tuple[str, ...]
    annotated: int
    not_annotated: tuple[str, ...]
    without_frames: tuple[str, ...]
    left_out_by_limit: int = 0
    not_predicted: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every annotated stimulus of the split is scored."""
        return len(self.scored) == self.annotated

    def to_dict(self) -> dict[str, Any]:
        """Plain data for run.json."""
        return {**asdict(self), "complete": self.complete}


def cover(
    release: Release, *, needs_frames: bool, limit: int | None = None, predicted: frozenset[str] | None = None
) -> tuple[Coverage, list[Stimulus]]:
    """Choose the stimuli of a run: annotated, with frames where frames are needed, predicted where a submission says.

    Raises:
        MissingData: there are none; the message says what is missing and where it was looked for.
    """
    annotated = [s for s in release if s.annotated]
    if not annotated:
        raise MissingData(
            f"no stimulus of {release.id}, split {release.split or 'all'}, is annotated: nothing to score"
        )
    with_frames = [s for s in annotated if not needs_frames or s.frames_path() is not None]
    if not with_frames:
        raise MissingData(release.frames_hint([s.id for s in annotated]))
    present = {s.id for s in with_frames}
    held = [s for s in with_frames if predicted is None or s.id in predicted]
    if not held:
        raise MissingData(
            f"the submission predicts none of the {len(with_frames)} annotated stimuli of {release.id}, split "
            f"{release.split or 'all'}: nothing to score"
        )
    chosen = held if limit is None else held[:limit]
    return (
        Coverage(
            scored=tuple(s.id for s in chosen),
            annotated=len(annotated),
            not_annotated=tuple(s.id for s in release if not s.annotated),
            without_frames=tuple(s.id for s in annotated if s.id not in present),
            left_out_by_limit=len(held) - len(chosen),
            not_predicted=tuple(s.id for s in with_frames if predicted is not None and s.id not in predicted),
        ),
        chosen,
    )

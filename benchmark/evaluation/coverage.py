"""Which stimuli a run covers, and what it leaves out and why."""

from __future__ import annotations

from vidsal.loaders.errors import MissingData
from vidsal.loaders.release.release import Release, Stimulus

from .results.schema import CoverageRecord
from .withheld import withheld


def cover(
    release: Release,
    *,
    needs_frames: bool,
    with_frames_only: bool = False,
    limit: int | None = None,
    predicted: frozenset[str] | None = None,
) -> tuple[CoverageRecord, list[Stimulus]]:
    """Choose the stimuli of a run: annotated, with frames where frames are needed, predicted where a submission says.

    Raises:
        MissingData: there are none; the message says what is missing and where it was looked for.
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
    chosen = held if limit is None else held[:limit]
    return (
        CoverageRecord(
            scored=tuple(s.id for s in chosen),
            annotated=len(annotated),
            not_annotated=tuple(s.id for s in release if not s.annotated),
            without_frames=tuple(s.id for s in annotated if s.id not in present),
            left_out_by_limit=len(held) - len(chosen),
            not_predicted=tuple(s.id for s in with_frames if predicted is not None and s.id not in predicted),
            with_frames_only=with_frames_only,
        ),
        chosen,
    )

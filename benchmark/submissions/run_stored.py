"""A run that leaves its predictions: they are stored first and scored as stored, so anybody can score them again."""

from __future__ import annotations

from pathlib import Path

from vidsal.loaders.errors import WrongUse
from vidsal.loaders.io.files import try_folder
from vidsal.loaders.io.progress import Note, Progress
from vidsal.loaders.io.workers import Processes
from vidsal.loaders.release.release import Release

from ..evaluation.coverage import cover
from ..evaluation.pool import Maker, Model
from ..evaluation.results.store import Run, try_place
from ..evaluation.run import ModelRecord, Settings
from .predict import predict
from .score import score


def run_stored(
    make: Maker,
    record: ModelRecord,
    data: Release,
    settings: Settings,
    submission: Path,
    *,
    model: Model | None = None,
    partial: Path,
    frames_of: str | Path | None = None,
    workers: int = 1,
    fresh: bool = False,
    predicting: Progress | None = None,
    progress: Progress | None = None,
    note: Note | None = None,
    children: Processes | None = None,
    fail_fast: bool = True,
    results: Path | None = None,
) -> Run:
    """Store what a model predicts, to the last bit, and score what was stored.

    `vidsal score` on the submission gives the same frames.parquet. A submission that is there already is scored without
    predicting again, if it is of the same model, release and versions.

    Args:
        make, record, model, children, fail_fast: see `predict`.
        data: the release and split.
        settings: of the run.
        submission: folder of the submission.
        partial, workers, fresh, results: see `evaluation.run.run`.
        frames_of: see `score`.
        predicting, progress: called with (done, total, stimulus id) after each stimulus that was predicted, scored.
        note: called with what is unusual but not a fault.

    Raises:
        WrongUse: maps are to be scored where the model leaves them, or the folder holds something else.
        MissingData, BadData: see `predict` and `score`.
    """
    if settings.score_on != "host":
        raise WrongUse("stored predictions are scored on the host: leave out --score-on device, or --submit")
    if results is not None:
        try_folder(partial)
        try_place(results, data.id, data.split or "all", settings.protocol.name, record.info.name)
    cover(  # says what is missing before anything is predicted
        data,
        needs_frames=record.info.needs_frames,
        with_frames_only=settings.with_frames_only,
        limit=settings.limit,
        frames_of=settings.frames_of,
    )
    predict(
        model,
        data,
        submission,
        with_frames_only=settings.with_frames_only,
        limit=settings.limit,
        fresh=fresh,
        workers=workers,
        make=make,
        record=record,
        threads=settings.threads,
        progress=predicting,
        note=note,
        children=children,
        fail_fast=fail_fast,
    )
    return score(
        submission,
        data,
        settings.protocol,
        recipe=settings.recipe,
        show=settings.show,
        with_frames_only=settings.with_frames_only,
        limit=settings.limit,
        workers=workers,
        truth_cache="auto" if settings.keep_truth else settings.truth_cache,
        frames_of=frames_of,
        partial_folder=partial,
        fresh=fresh,
        record=record,
        results=results,
        progress=progress,
        note=note,
        # No code but ours: it needs no child here, and none that a class of one's own has been in.
        children=children if children and (children.away or record.kind != "custom") else None,
    )

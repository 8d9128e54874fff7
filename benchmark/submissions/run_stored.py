"""A run that leaves its predictions: they are stored first and scored as stored, so anybody can score them again."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

from vidsal.loaders.errors import WrongUse
from vidsal.loaders.io.files import try_folder
from vidsal.loaders.io.progress import Progress
from vidsal.loaders.release.release import Release

from ..evaluation.coverage import cover
from ..evaluation.pool import Execution, Maker, Model
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
    fresh: bool = False,
    results: Path | None = None,
    predicting: Progress | None = None,
    **execution: Unpack[Execution],
) -> Run:
    """Store what a model predicts, to the last bit, and score what was stored.

    `vidsal score` on the submission gives the same frames.parquet. A submission that is there already is scored without
    predicting again, if it is of the same model, release and versions.

    Args:
        make, record, model: see `predict`.
        data: the release and split.
        settings: of the run.
        submission: folder of the submission.
        partial, fresh, results: see `evaluation.run.run`.
        frames_of: see `score`.
        predicting: called with (done, total, stimulus id) after each stimulus that was predicted.
        execution: see `Execution`; its `progress` is of what was scored.

    Raises:
        WrongUse: maps are to be scored where the model leaves them, or the folder holds something else.
        MissingData, BadData: see `predict` and `score`.
    """
    if settings.score_on != "host":
        raise WrongUse("stored predictions are scored on the host: leave out --score-on device, or --submit")
    if results is not None:
        try_folder(partial)
        try_place(results, data.id, data.split or "all", settings.protocol.name, record.info.name)
    children = execution.get("children")
    predictor: Execution = {**execution, "progress": predicting}
    # no code but ours: it needs no child here, and none that a class of one's own has been in
    trusted = children if children and (children.away or record.kind != "custom") else None
    scorer: Execution = {**execution, "children": trusted}
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
        make=make,
        record=record,
        threads=settings.threads,
        **predictor,
    )
    return score(
        submission,
        data,
        settings.protocol,
        recipe=settings.recipe,
        show=settings.show,
        with_frames_only=settings.with_frames_only,
        limit=settings.limit,
        truth_cache="auto" if settings.keep_truth else settings.truth_cache,
        frames_of=frames_of,
        partial_folder=partial,
        fresh=fresh,
        record=record,
        results=results,
        **scorer,
    )

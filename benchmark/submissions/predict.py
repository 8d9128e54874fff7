"""Stored predictions: `predict` writes them, `score` judges them as `evaluate` judges a model.

    submission.json
    SHA256SUMS
    predictions/<stimulus_id>.npz     or     predictions/<stimulus_id>/<frame, six digits, from 0>.png

With the default encoding, the scores of what was stored equal those of the model to the last bit.
"""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from vidsal.loaders.errors import WrongUse
from vidsal.loaders.release.release import Release

from .. import protocols
from ..evaluation.pool import Maker, Model
from ..evaluation.results.store import Run
from ..evaluation.run import ModelRecord, Settings, run, with_threads
from ..human import HumanReference
from ..scoring import truth_cache as truths
from . import writer as submission_writing
from .encoding import files
from .manifest import Manifest
from .reader import Opened, Reopen, open_submission
from .writer import Plan

Progress = Callable[[int, int, str], None]
_MOST_DECODERS = 4


@dataclass(frozen=True)
class Submission:
    """Stored predictions.

    Attributes:
        folder: where they lie.
        manifest: what submission.json says.
    """

    folder: Path
    manifest: Manifest


def predict(
    model: Model,
    data: Release,
    out: str | Path,
    *,
    encoding: str = "npz",
    as_published: bool = False,
    with_frames_only: bool = False,
    limit: int | None = None,
    fresh: bool = False,
    workers: int = 1,
    make: Maker | None = None,
    record: ModelRecord | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Submission:
    """Store what a model predicts for every stimulus of a split whose frames are here.

    A killed call goes on where it stopped; a finished one returns at once.

    Args:
        model: any object that follows the predictor protocol.
        data: from `vidsal.load`; its split is predicted, stimuli without gaze included.
        out: folder to write; new, empty, or begun by the same call.
        encoding: `npz` keeps the numbers as they are; `npz16`, `png8`, `png16` are smaller and round.
        as_published: write the 8-bit maps that the model's authors would have written.
        with_frames_only: only stimuli whose frames are here, even if the model never looks at them.
        limit: at most so many stimuli.
        fresh: replace what an earlier call left in `out`.
        workers: processes; the files do not depend on it. More than one needs `make`.
        make: makes the model in each process; picklable.
        record: what the manifest says of the model; by default its own declaration.
        threads: of torch in each process; None = half of the cores.
        progress: called with (done, total, stimulus id) after each stimulus.

    Raises:
        MissingData: no frames. WrongUse: `out` holds something else, or the model can not do it.
        BadData: the model broke the protocol, or gave a map that is not finite.
    """
    if isinstance(model, HumanReference):
        raise WrongUse(f"{model.info.name} is handed the gaze itself and predicts nothing; score it with `vidsal run`")
    name = files(encoding)
    if as_published:
        if name not in ("npz", "png8"):
            raise WrongUse(f"encoding {encoding} was asked for; published maps are 8-bit PNG files")
        if not callable(getattr(model, "published_map", None)):
            raise WrongUse(f"{model.info.name}: nobody published 8-bit maps of this model; leave out --as-published")
        name = "png8"
    settings = with_threads(Settings(protocols.protocol("exact-1")), threads)
    plan = Plan(Path(out), name, as_published, with_frames_only, limit, settings.threads)
    manifest = submission_writing.write(
        make or partial(_same, model),
        record or ModelRecord(model.info),
        data,
        plan,
        workers=workers,
        fresh=fresh,
        progress=progress,
    )
    return Submission(plan.out, manifest)


def score(
    submission: str | Path,
    data: Release,
    protocol: str | protocols.Protocol = "exact-1",
    *,
    kind: str | None = None,
    first_frame: int | None = None,
    name: str | None = None,
    recipe: str | None = None,
    with_frames_only: bool = False,
    limit: int | None = None,
    workers: int = 1,
    truth_cache: str | Path | None = "auto",
    partial_folder: Path | None = None,
    fresh: bool = False,
    command: str | None = None,
    progress: Progress | None = None,
    building: Progress | None = None,
    note: Callable[[str], None] | None = None,
) -> Run:
    """Score stored predictions.

    Args:
        submission: folder that `predict` wrote, or any of the layout `method/video/frame.png`.
        data: from `vidsal.load`; its split is scored.
        protocol: name or declaration.
        kind, first_frame, name: for a folder without submission.json: kind of the maps, number of frame 0 in the
            names of images (1 in the classic layout), name of the model.
        recipe: truth recipe of the release; None = its default one.
        with_frames_only: cover only stimuli whose frames are here.
        limit: at most so many stimuli.
        workers: processes; the result does not depend on it.
        truth_cache: precomputed truth, see `scoring/truth_cache.py`: `auto` = the release's, where it was
            made; `build` = make it there first; a folder = make and use it there; None or `off` = none.
        partial_folder: where unfinished work lies, to be resumed; None = nowhere.
        fresh: do not resume.
        command: the command that repeats this.
        progress: called with (done, total, stimulus id) after each stimulus.
        building: the same for the truth cache, where it is made.
        note: told what is odd and does not hinder; None = a warning.

    Returns:
        The run; `run.summary()`, `run.stimuli`, `run.frames`, `run.save("results/")`.

    Raises:
        BadData: the submission has faults, all of which the message names; or a map is not finite.
        WrongUse: it is of other data, or does not say what it is. MissingData: it is not there.
    """
    rules = protocols.protocol(protocol)
    threads = max(1, min(_MOST_DECODERS, (os.cpu_count() or 1) // workers - 1))  # one core is the scorer's
    opened = open_submission(
        submission,
        data,
        kind=kind,
        first_frame=first_frame,
        name=name,
        with_frames_only=with_frames_only,
        threads=threads,
    )
    for text in opened.notes:
        if note is None:
            warnings.warn(text, stacklevel=2)
        else:
            note(text)
    cache: str | Path | None = None if truth_cache == "off" else truth_cache
    if cache not in (None, "auto"):
        cache = None if cache == "build" else cache
        needed = opened.predicted
        truths.build(data, rules, recipe, cache, only=needed, threads=max(workers, 2), progress=building)
        cache = cache or "auto"
    settings = Settings(
        rules, recipe, with_frames_only, limit, predicted=opened.predicted, truth_cache=cache, threads=1
    )
    make: Maker = partial(_same, opened.reader)
    if workers > 1:
        make = Reopen(Path(submission), data.root, data.split, kind, first_frame, name, threads)
    with TemporaryDirectory(prefix="vidsal-") as temporary:
        folder = Path(temporary) if partial_folder is None else partial_folder
        if fresh and folder.is_dir():
            shutil.rmtree(folder)
        return run(
            make,
            _record(opened, command),
            data,
            settings,
            partial=folder,
            workers=workers,
            progress=progress,
        )


def _same(model: Model) -> Model:
    return model


def _record(opened: Opened, command: str | None) -> ModelRecord:
    """What the result says of the model."""
    model = opened.manifest.model
    return ModelRecord(
        opened.reader.info,
        "submission",
        checkpoint=model.checkpoint if model else None,
        checkpoint_sha256=model.checkpoint_sha256 if model else None,
        options=dict(model.options) if model else {},
        device=(model.device if model else None) or "unknown",
        command=command,
        submission=opened.record(),
    )

"""`vidsal.score`: stored predictions are scored as `evaluate` scores a model."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from vidsal.loaders.errors import BadData
from vidsal.loaders.io.progress import Progress
from vidsal.loaders.io.workers import Processes
from vidsal.loaders.release.release import Release

from .. import protocols
from ..evaluation.previews.collector import Show
from ..evaluation.results.store import Run
from ..evaluation.run import ModelRecord, Settings, run, with_frames_of
from ..scoring import truth_cache as truths
from ..scoring.stimulus_truth import reads_pictures
from .archive import opened_folder
from .faults import findings
from .manifest_file import read_model
from .opened import Opened, Reopen, open_submission
from .parts import FirstFrame, ModelPart
from .rules import RULES
from .said import Declared, Said, as_script_takes
from .sandbox import Sandbox

_MOST_DECODERS = 4


def score(
    submission: str | Path,
    data: Release,
    protocol: str | protocols.Protocol = "exact-1",
    *,
    kind: str | None = None,
    first_frame: FirstFrame | None = None,
    missing: str | None = None,
    fit: str | None = None,
    name: str | None = None,
    model: str | Path | ModelPart | None = None,
    pattern: str | None = None,
    strict: bool = False,
    declared: Declared | None = None,
    recipe: str | None = None,
    with_frames_only: bool = False,
    limit: int | None = None,
    workers: int = 1,
    truth_cache: str | Path | None = "auto",
    frames_of: str | Path | None = None,
    show: Show = "maps",
    partial_folder: Path | None = None,
    fresh: bool = False,
    command: str | None = None,
    record: ModelRecord | None = None,
    results: Path | None = None,
    sandbox: Sandbox | None = None,
    progress: Progress | None = None,
    building: Progress | None = None,
    note: Callable[[str], None] | None = None,
    children: Processes | None = None,
    fail_fast: bool = True,
) -> Run:
    """Score stored predictions.

    Args:
        submission: folder that `predict` wrote, or any of the layout `method/video/frame.png`; or a zip or tar file.
        data: from `vidsal.load`; its split is scored.
        protocol: name or declaration.
        kind, first_frame, missing, fit, name: what submission.json does not say: kind of the maps, number of frame 0
            in the names of images and arrays (`own`: that of each stimulus's first image in the release), what a frame
            without prediction means, how maps of another aspect than the frame lie on it, name of the model.
        model: what submission.json says of a model, or a TOML or JSON file of it, for what that leaves unsaid.
        pattern: of the paths of its files, `{stimulus}/maps/{frame}.png`; None = a known layout.
        strict: refuse what is lossy, not verified or otherwise unusual.
        declared: what shipped models declare, by name.
        recipe: truth recipe of the release; None = its default one.
        with_frames_only: cover only stimuli whose frames are present.
        limit: score at most this number of stimuli.
        workers: number of processes; the result does not depend on it.
        truth_cache: precomputed truth, see `scoring/truth_cache.py`: `auto` = the release's own, and what is not
            there is kept there on the way, see `scoring/kept_truth.py`; `build` = compute all of it there first; a
            folder = compute and use it there; None or `off` = none.
        frames_of: score only the frames that this run scored (its folder), or that a file lists.
        show: what is kept to look at: `nothing`, `maps` or `frames`, see `evaluate`.
        partial_folder: where unfinished work is kept, to be resumed; None = nowhere.
        fresh: start again instead of resuming.
        command: the command that repeats this run, for run.json.
        record: what the result says of the model; None = what the submission says.
        sandbox: where files are decoded and scored; None = here, or in `workers` processes. Scores do not depend on it.
        results: folder in which the run is saved, which is tried before the work; None = it is not saved.
        progress: called with (done, total, stimulus id) after each stimulus.
        building: the same for the truth cache, while it is computed.
        note: called with what is unusual but not a fault; None = a warning.
        children, fail_fast: see `evaluation.pool.Execution`.

    Returns:
        The run; `run.summary()`, `run.stimuli`, `run.frames`, `run.save("results/")`.

    Raises:
        BadData: the submission has faults, all of which the message names; or a map is not finite.
        WrongUse: it is of other data, or its kind is not known. MissingData: there is no such folder.
    """
    rules = protocols.protocol(protocol)
    threads = max(1, min(_MOST_DECODERS, (os.cpu_count() or 1) // workers - 1))  # one core is the scorer's
    described = model if model is None or isinstance(model, ModelPart) else read_model(model)
    as_pictures = reads_pictures(rules, data.truth(recipe))
    said = Said(kind, first_frame, missing, fit, name, pattern)
    with ExitStack() as stack:
        root = stack.enter_context(opened_folder(Path(submission), partial_folder and partial_folder.parent))
        said = as_script_takes(said, root, rules)
        opened = open_submission(
            root,
            data,
            said=said,
            model=described,
            declared=declared,
            with_frames_only=with_frames_only,
            threads=threads,
            as_pictures=as_pictures,
            sandbox=sandbox,
        )
        _say(opened, submission, note, strict=strict)
        cache = truths.use(truth_cache, data, rules, recipe, only=opened.predicted, workers=workers, progress=building)
        settings = Settings(
            rules,
            recipe,
            with_frames_only,
            limit,
            predicted=opened.predicted,
            truth_cache=cache,
            keep_truth=truth_cache == "auto",
            threads=1,
            show=show,
        )
        settings = with_frames_of(settings, frames_of)
        settled = replace(said, fit=opened.manifest.prediction.fit)
        reopen = Reopen(root, data.root, data.split, settled, threads, described, as_pictures)
        if partial_folder is None:
            partial_folder = Path(stack.enter_context(TemporaryDirectory(prefix="vidsal-")))
        elif fresh and partial_folder.is_dir():
            shutil.rmtree(partial_folder)
        apart = children if sandbox is None else sandbox.children
        return run(
            reopen if workers > 1 or apart else (lambda: opened.reader),
            _record(opened, command) if record is None else replace(record, submission=opened.record()),
            data,
            settings,
            partial=partial_folder,
            workers=workers,
            progress=progress,
            note=note,
            children=apart,
            fail_fast=fail_fast,
            results=results,
            approve=partial(_refuse_suspicious, submission) if strict else None,
        )


def _refuse_suspicious(submission: str | Path, scored: Run) -> None:
    found = scored.record.get("suspicious", ())
    if found:
        raise BadData(f"{submission}: refused, because of --strict: suspicious: {'; '.join(found)}")


def _say(opened: Opened, submission: str | Path, note: Callable[[str], None] | None, *, strict: bool) -> None:
    """Say what is unusual but not a fault.

    Raises:
        BadData: something is, and `strict` refuses it.
    """
    warned = [finding.line for finding in findings(opened.checked.faults) if RULES[finding.rule].scoring]
    if strict and warned:
        raise BadData(f"{submission}: refused, because of --strict: {'; '.join(warned)}")
    for text in warned:
        if note is None:
            warnings.warn(text, stacklevel=3)
        else:
            note(text)


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

"""`vidsal score`: score stored predictions as `vidsal run` scores a model."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vidsal.loaders.errors import WrongUse

from .output import (
    any_path,
    json_option,
    note,
)
from .places import any_place, delivered, places, results_out
from .progress import progress, quiet_option
from .run import report
from .shared_options import (
    check_scheduler,
    check_truth_cache,
    data_option,
    fail_fast_option,
    frames_of_option,
    fresh_option,
    limit_option,
    model_file_option,
    no_previews_option,
    protocol_option,
    recipe_option,
    repeating_command,
    said_options,
    sandbox_option,
    sandboxed,
    scheduler_option,
    shown,
    stored_split_option,
    truth_cache_option,
    with_frames_only_option,
    with_frames_option,
    workers_option,
    workers_started,
)

if TYPE_CHECKING:
    from vidsal.benchmark.submissions.said import Said
    from vidsal.loaders.io.workers import Processes
    from vidsal.loaders.release.release import Release


@click.command()
@click.argument("submission", type=any_place)
@data_option
@stored_split_option
@protocol_option
@click.option("-o", "--out", required=True, type=results_out, help="Folder to write the results to, or its address.")
@said_options
@model_file_option
@click.option(
    "--frames",
    type=any_path,
    help="Folder in which --with-frames-only looks for frames, instead of the one that was converted.",
)
@recipe_option
@workers_option
@scheduler_option
@truth_cache_option
@limit_option
@frames_of_option
@with_frames_only_option
@no_previews_option
@with_frames_option
@click.option(
    "--strict", is_flag=True, help="Refuse what is scored with a warning: lossy or unverified maps and the like."
)
@sandbox_option
@fail_fast_option
@fresh_option
@quiet_option
@json_option
@places
def score(
    submission: Path,
    folder: Path,
    split: str | None,
    protocol_name: str,
    out: Path,
    said: Said,
    model_file: Path | None,
    frames: Path | None,
    recipe: str | None,
    workers: int,
    scheduler: str | None,
    truth_cache: str,
    limit: int | None,
    frames_of: Path | None,
    with_frames_only: bool,
    no_previews: bool,
    with_frames: bool,
    strict: bool,
    sandbox: bool,
    fail_fast: bool,
    fresh: bool,
    as_json: bool,
) -> None:
    """Score the predictions in SUBMISSION, a folder, zip or tar file of pictures, arrays or gray videos.

    For each stimulus: a folder with a PNG, JPEG, TIFF, BMP, npy, npz, mat or HDF5 file for each frame, one file of
    arrays, or one video. What was stored with loss is scored and marked.
    """
    check_scheduler(scheduler, workers, sandbox=sandbox)
    if frames is not None and not (with_frames_only or with_frames):
        raise WrongUse(
            "--frames cannot apply: stored maps are scored without frames; it goes with --with-frames-only or "
            "--with-frames"
        )
    check_truth_cache(truth_cache)
    partial = out / ".partial"
    with ExitStack() as stack:
        children: Processes | None = stack.enter_context(workers_started(1 if sandbox else workers))
        from vidsal.benchmark import protocols  # the children import meanwhile
        from vidsal.benchmark.evaluation.cluster import Cluster
        from vidsal.benchmark.submissions.archive import opened_folder
        from vidsal.benchmark.submissions.score import score as score_submission
        from vidsal.models import shipped

        rules = protocols.protocol(protocol_name)
        root = stack.enter_context(opened_folder(submission, out))
        release = release_for(root, folder, split, frames)
        own = [(name.replace("_", "-"), value) for name, value in vars(replace(said, pattern=None)).items()]
        command = repeating_command(
            "score",
            submission.resolve().name,
            folder,
            release.split or "all",
            protocol_name,
            out,
            [*own, ("model", model_file), ("pattern", said.pattern)],
            recipe=recipe,
            limit=limit,
            frames_of=frames_of,
            with_frames_only=with_frames_only,
        )
        if scheduler is not None:
            children = stack.enter_context(Cluster(scheduler))
        building = stack.enter_context(progress("truth", "stimuli"))
        step = stack.enter_context(progress(f"{submission.name} on {release.id}", "stimuli"))
        result = score_submission(
            root,
            release,
            rules,
            **vars(said),
            model=model_file,
            strict=strict,
            declared=shipped,
            recipe=recipe,
            with_frames_only=with_frames_only,
            limit=limit,
            frames_of=frames_of,
            show=shown(no_previews=no_previews, with_frames=with_frames),
            workers=workers,
            truth_cache=truth_cache,
            partial_folder=partial,
            fresh=fresh,
            command=command,
            progress=step,
            building=building,
            note=note,
            results=out,
            sandbox=stack.enter_context(sandboxed(sandbox, workers)),
            children=children,
            fail_fast=fail_fast,
        )
    delivered()
    report(result, as_json)


def release_for(submission: Path, folder: Path, split: str | None, frames: Path | None) -> Release:
    """Open the release with the split that was asked for, else that of the submission, else all of it.

    Raises:
        WrongUse: the predictions are of another data set.
    """
    from vidsal.benchmark.submissions.manifest_file import read
    from vidsal.benchmark.submissions.said import check_data_set
    from vidsal.loaders.release.release import load

    manifest = read(submission) if submission.is_dir() else None
    if manifest:
        check_data_set(manifest, load(folder, frames=frames), submission)
    chosen = split or (manifest and manifest.split) or "all"
    return load(folder, None if chosen == "all" else chosen, frames=frames)

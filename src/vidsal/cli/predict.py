"""`vidsal predict`: store what a model predicts, to be scored later or elsewhere."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vidsal.benchmark.submissions.encoding import FILES

from .output import echo, folder_out, json_option, note, print_json
from .progress import progress, quiet_option
from .shared_options import (
    check_scheduler,
    checkpoint_option,
    data_option,
    device_option,
    fail_fast_option,
    fit_option,
    frames_option,
    limit_option,
    model_option,
    scheduler_option,
    split_option,
    threads_option,
    timeout_option,
    with_frames_only_option,
    workers_option,
)

if TYPE_CHECKING:
    from vidsal.benchmark.predictor import Fit


@click.command()
@click.argument("model")
@data_option
@split_option
@click.option("-o", "--out", required=True, type=folder_out, help="Folder to write the predictions to.")
@checkpoint_option
@model_option
@fit_option
@frames_option
@device_option
@click.option(
    "--encoding",
    type=click.Choice(list(FILES)),
    default="npz",
    show_default=True,
    help="Form of the stored maps. " + "; ".join(f"{name}: {what}" for name, what in FILES.items()) + ".",
)
@click.option(
    "--as-published", is_flag=True, help="Store the 8-bit PNG maps that the model's authors would have written."
)
@workers_option
@scheduler_option
@threads_option
@limit_option
@with_frames_only_option
@timeout_option
@fail_fast_option
@click.option(
    "--fresh", is_flag=True, help="Replace what an earlier command left in the folder, instead of resuming it."
)
@quiet_option
@json_option
def predict(
    model: str,
    folder: Path,
    split: str,
    out: Path,
    checkpoint: Path | None,
    options: tuple[str, ...],
    fit: Fit | None,
    frames: Path | None,
    device: str,
    encoding: str,
    as_published: bool,
    workers: int,
    scheduler: str | None,
    threads: int | None,
    limit: int | None,
    with_frames_only: bool,
    timeout_s: float,
    fail_fast: bool,
    fresh: bool,
    as_json: bool,
) -> None:
    """Store what MODEL predicts (a registered name, or path/to/file.py:Class) for every stimulus of a split.

    Stimuli without gaze are predicted too. The folder is scored with `vidsal score`.
    """
    from vidsal.benchmark.submissions.manifest import content
    from vidsal.benchmark.submissions.predict import predict as store
    from vidsal.guarded import ready
    from vidsal.loaders.release.release import load
    from vidsal.models import parse_spec

    check_scheduler(scheduler, workers)
    release = load(folder, None if split == "all" else split, frames=frames)
    spec = parse_spec(model, checkpoint, device, options, fit, away=scheduler is not None)
    with (
        ready(spec, None, workers, timeout_s, scheduler) as made,
        progress(f"{model} on {release.id}", "stimuli") as step,
    ):
        submission = store(
            made.model,
            release,
            out,
            encoding=encoding,
            as_published=as_published,
            with_frames_only=with_frames_only,
            limit=limit,
            fresh=fresh,
            workers=workers,
            make=made.make,
            record=made.record,
            threads=threads,
            progress=step,
            note=note,
            children=made.children,
            fail_fast=fail_fast,
        )
    manifest = submission.manifest
    if as_json:
        print_json({**content(manifest), "folder": str(out)})
        return
    assert manifest.coverage is not None
    left_out = manifest.coverage.left_out
    said = manifest.prediction
    echo(
        f"{made.record.info.name} on {release.id}, split {manifest.split}: {manifest.coverage.predicted} stimuli, "
        f"kind {said.kind}, {said.encoding.files}" + (", as published" if said.as_published else "")
    )
    if left_out:
        echo(f"left out: {', '.join(left_out[:8])}" + (" ..." if len(left_out) > 8 else ""))
    echo(f"-> {out}")
    echo(
        "score it with: " + shlex.join(["vidsal", "score", str(out), "--data", str(folder), "-o", "RESULTS"]), err=True
    )

"""`vidsal predict`: store what a model predicts, to be scored later or elsewhere."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vidsal.benchmark.submissions.encoding import FILES

from .output import (
    any_path,
    echo,
    fail_fast_option,
    fit_option,
    folder_out,
    json_option,
    note,
    print_json,
    timeout_option,
)
from .progress import progress, quiet_option

if TYPE_CHECKING:
    from vidsal.benchmark.predictor import Fit


@click.command()
@click.argument("model")
@click.option(
    "--data", "folder", required=True, type=any_path, help="Folder of the converted release whose frames are predicted."
)
@click.option("--split", default="all", show_default=True, help="Official split to predict; all = every stimulus.")
@click.option("-o", "--out", required=True, type=folder_out, help="Folder to write the predictions to.")
@click.option("--checkpoint", type=any_path, help="File with the weights of a network.")
@click.option("--option", "options", multiple=True, metavar="K=V", help="Set option K of the model to V; repeatable.")
@fit_option
@click.option("--frames", type=any_path, help="Folder to read the frames from, instead of the one that was converted.")
@click.option(
    "--device",
    default="auto",
    show_default=True,
    help="Where a network runs: cpu, cuda, cuda:1; auto = a GPU if there is one.",
)
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
@click.option(
    "--workers",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Number of processes that predict; the files do not depend on it.",
)
@click.option(
    "--threads", type=click.IntRange(1), help="Number of torch threads in each process.  [default: half of the cores]"
)
@click.option("--limit", type=click.IntRange(1), help="Predict only the first N stimuli.", metavar="N")
@click.option(
    "--with-frames-only",
    is_flag=True,
    help="Predict only stimuli whose frames are present, even if the model does not need frames.",
)
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

    release = load(folder, None if split == "all" else split, frames=frames)
    spec = parse_spec(model, checkpoint, device, options, fit)
    with ready(spec, None, workers, timeout_s) as made, progress(f"{model} on {release.id}", "stimuli") as step:
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

"""`vidsal predict`: the maps of any video, or of every stimulus of a release, to be scored later or elsewhere."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vidsal.benchmark.submissions.encoding import FILES
from vidsal.loaders.errors import WrongUse

from .output import any_path, echo, folder_out, json_option, note, print_json
from .places import any_place, places
from .progress import progress, quiet_option
from .shared_options import (
    check_scheduler,
    checkpoint_option,
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
    from vidsal.guarded import Ready
    from vidsal.loaders.release.release import Release
    from vidsal.models import ModelSpec


_ENCODINGS = "; ".join(f"{name}: {what}" for name, what in FILES.items())
_SERVERS = ("dhf1k", "mit300", "salicon")
_OF_RELEASES = {
    "split": "--split",
    "frames": "--frames",
    "limit": "--limit",
    "with_frames_only": "--with-frames-only",
    "scheduler": "--scheduler",
}
_OF_FILES = {"for_server": "--for", "overlay": "--overlay", "fps": "--fps", "photos": "--photos"}


@click.command()
@click.argument("model")
@click.argument("inputs", nargs=-1, type=any_path)
@click.option("--data", "folder", type=any_place, help="Folder of the converted release, or its address.")
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
    help=f"Form of the stored maps. {_ENCODINGS}.  [default: png8 for INPUTS, npz for --data and for gaze positions]",
)
@click.option(
    "--as-published", is_flag=True, help="Store the 8-bit PNG maps that the model's authors would have written."
)
@click.option(
    "--for",
    "for_server",
    type=click.Choice(_SERVERS),
    help="INPUTS are of this test set: write their maps as its server takes them, 8-bit, of the frame's size, under "
    "its names.",
)
@click.option(
    "--overlay",
    type=any_path,
    metavar="FILE|DIR",
    help="Also show the maps over the frames of INPUTS: a video (.mp4) or picture (.png), or a folder of them.",
)
@click.option(
    "--fps", type=click.FloatRange(min=0, min_open=True), help="Frames a second of folders of images, which say none."
)
@click.option("--photos", is_flag=True, help="Take every image of a folder for itself, instead of all as one video.")
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
@click.pass_context
@places
def predict(
    context: click.Context,
    model: str,
    inputs: tuple[Path, ...],
    folder: Path | None,
    split: str,
    out: Path,
    checkpoint: Path | None,
    options: tuple[str, ...],
    fit: Fit | None,
    frames: Path | None,
    device: str,
    encoding: str | None,
    as_published: bool,
    for_server: str | None,
    overlay: Path | None,
    fps: float | None,
    photos: bool,
    workers: int,
    scheduler: str | None,
    threads: int | None,
    limit: int | None,
    with_frames_only: bool,
    timeout_s: float | None,
    fail_fast: bool,
    fresh: bool,
    as_json: bool,
) -> None:
    """Write what MODEL (a registered name, or path/to/file.py:Class) predicts for any video or image.

    INPUTS are videos, images, folders of numbered frames (one video each), and folders of all of these. Maps go to
    OUT/<name of the input>/<frame, six digits, from 0>.png.

    With --data DIR it is every stimulus of a split of a release, those without gaze included, and the folder is scored
    with `vidsal score`.
    """
    from vidsal.models import parse_spec

    _check_use(context, inputs, folder)
    check_scheduler(scheduler, workers)
    spec = parse_spec(model, checkpoint, device, options, fit, away=scheduler is not None)
    shared = {
        "as_published": as_published,
        "fresh": fresh,
        "workers": workers,
        "threads": threads,
        "note": note,
        "fail_fast": fail_fast,
    }
    if folder is None:
        own = {"encoding": encoding, "for_server": for_server, "overlay": overlay, "fps": fps, "photos": photos}
        _of_files(spec, inputs, out, timeout_s, as_json, {**shared, **own})
        return
    from vidsal.loaders.release.release import load

    release = load(folder, None if split == "all" else split, frames=frames)
    chosen = {"encoding": encoding or "npz", "with_frames_only": with_frames_only, "limit": limit}
    _of_release(spec, release, folder, out, timeout_s, scheduler, as_json, {**shared, **chosen})


def _check_use(context: click.Context, inputs: tuple[Path, ...], folder: Path | None) -> None:
    """Refuse options that belong to the other form of the command.

    Raises:
        WrongUse: one was given, or both forms or none.
    """
    if bool(inputs) == (folder is not None):
        raise WrongUse(
            "give what to predict: videos, images or folders, or a release with --data DIR"
            if not inputs
            else f"give --data DIR or files, not both; found --data {folder} and {inputs[0]}"
        )
    strange, form = (_OF_RELEASES, "--data DIR") if inputs else (_OF_FILES, "files")
    given = context.get_parameter_source
    wrong = [option for name, option in strange.items() if given(name) == click.core.ParameterSource.COMMANDLINE]
    if wrong:
        raise WrongUse(f"{', '.join(wrong)}: only with {form}")


def _model_arguments(made: Ready) -> dict[str, Any]:
    return {"make": made.make, "record": made.record, "children": made.children}


def _of_files(
    spec: ModelSpec,
    inputs: tuple[Path, ...],
    out: Path,
    timeout_s: float | None,
    as_json: bool,
    settings: dict[str, Any],
) -> None:
    from vidsal.benchmark.footage.predict import predict_footage
    from vidsal.guarded import ready

    with ready(spec, None, settings["workers"], timeout_s) as made, progress(spec.name, "inputs") as step:
        found = predict_footage(made.model, list(inputs), out, progress=step, **settings, **_model_arguments(made))
    if as_json:
        places = {name: str(place) for name, place in found.places.items()}
        print_json({"folder": str(out), "kind": found.kind, "maps": places, "frames": dict(found.frames)})
        return
    for name, place in found.places.items():
        count = found.frames[name]
        echo(f"{made.record.info.name} on {name}: {count} frame{'s' * (count != 1)}, kind {found.kind} -> {place}")
    if settings["overlay"]:
        echo(f"overlay -> {settings['overlay']}")


def _of_release(
    spec: ModelSpec,
    release: Release,
    folder: Path,
    out: Path,
    timeout_s: float | None,
    scheduler: str | None,
    as_json: bool,
    settings: dict[str, Any],
) -> None:
    from vidsal.benchmark.submissions.manifest import content
    from vidsal.benchmark.submissions.predict import predict as store
    from vidsal.guarded import ready

    label = f"{spec.name} on {release.id}"
    with ready(spec, None, settings["workers"], timeout_s, scheduler) as made, progress(label, "stimuli") as step:
        submission = store(made.model, release, out, progress=step, **settings, **_model_arguments(made))
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

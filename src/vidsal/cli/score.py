"""`vidsal score`: score stored predictions as `vidsal run` scores a model."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from .output import any_path, echo, folder_out, json_option, progress
from .run import report


@click.command()
@click.argument("submission", type=any_path)
@click.option("--data", "folder", required=True, type=any_path, help="Folder of the converted release with the gaze.")
@click.option("--split", help="Official split to score.  [default: that of the submission, else all]")
@click.option(
    "--protocol",
    "protocol_name",
    default="exact-1",
    show_default=True,
    help="Rules of scoring: which metrics, computed how; `vidsal protocol list` lists them.",
)
@click.option("-o", "--out", required=True, type=folder_out, help="Folder to write the results to.")
@click.option(
    "--kind",
    type=click.Choice(["saliency", "density", "log_density", "point"]),
    help="What the maps are; needed if there is no submission.json.",
)
@click.option(
    "--first-frame",
    type=click.IntRange(0),
    help="Number of the first frame in the names of images.  [default: 1 in the layout method/video/frame.png]",
)
@click.option("--name", help="Name of the model, if there is no submission.json.  [default: name of the folder]")
@click.option(
    "--model",
    "model_file",
    type=any_path,
    metavar="FILE",
    help="What submission.json says of a model (name, version, trained_on, causal, checkpoint_sha256, ...), as TOML or "
    "JSON, for what it leaves unsaid.",
)
@click.option(
    "--frames",
    type=any_path,
    help="Folder in which --with-frames-only looks for frames, instead of the one that was converted.",
)
@click.option("--recipe", help="Truth recipe: how densities are made from fixations.  [default: that of the release]")
@click.option(
    "--workers",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Number of processes that score; scores do not depend on it.",
)
@click.option(
    "--truth-cache",
    default="auto",
    show_default=True,
    metavar="auto|build|off|DIR",
    help="Use of precomputed truth: auto = that of the release, if it was built; build = build it there first; "
    "off = none; DIR = build and use it in this folder. Scores do not depend on it.",
)
@click.option("--limit", type=click.IntRange(1), help="Score only the first N stimuli.", metavar="N")
@click.option(
    "--frames-of",
    type=any_path,
    metavar="RUN|FILE",
    help="Score only the frames that this run scored (its folder), or that a file lists: STIMULUS, tab, FRAME.",
)
@click.option("--with-frames-only", is_flag=True, help="Score only stimuli whose frames are present.")
@click.option("--fresh", is_flag=True, help="Start again instead of resuming unfinished work.")
@json_option
def score(
    submission: Path,
    folder: Path,
    split: str | None,
    protocol_name: str,
    out: Path,
    kind: str | None,
    first_frame: int | None,
    name: str | None,
    model_file: Path | None,
    frames: Path | None,
    recipe: str | None,
    workers: int,
    truth_cache: str,
    limit: int | None,
    frames_of: Path | None,
    with_frames_only: bool,
    fresh: bool,
    as_json: bool,
) -> None:
    """Score the predictions in SUBMISSION, a folder of 8- or 16-bit gray PNG, npz or lossless gray video."""
    from vidsal.benchmark import protocols
    from vidsal.benchmark.submissions.manifest import read
    from vidsal.benchmark.submissions.reader import check_data_set
    from vidsal.benchmark.submissions.score import score as score_submission
    from vidsal.loaders.release.release import load

    rules = protocols.protocol(protocol_name)
    manifest = read(submission) if submission.is_dir() else None
    if manifest:
        check_data_set(manifest, load(folder, frames=frames), submission)
    split = split or (manifest and manifest.split) or "all"
    release = load(folder, None if split == "all" else split, frames=frames)
    partial = out / ".partial"
    with (
        progress("truth", "stimulus") as building,
        progress(f"{submission.name} on {release.id}", "stimulus") as step,
    ):
        result = score_submission(
            submission,
            release,
            rules,
            kind=kind,
            first_frame=first_frame,
            name=name,
            model=model_file,
            recipe=recipe,
            with_frames_only=with_frames_only,
            limit=limit,
            frames_of=frames_of,
            workers=workers,
            truth_cache=truth_cache,
            partial_folder=partial,
            fresh=fresh,
            command=_command(
                submission,
                folder,
                split,
                protocol_name,
                out,
                kind,
                first_frame,
                name,
                model_file,
                recipe,
                limit,
                frames_of,
                with_frames_only,
            ),
            progress=step,
            building=building,
            note=lambda text: echo(f"vidsal: note: {text}", err=True),
        ).save(out)
    if partial.is_dir() and not any(partial.iterdir()):
        partial.rmdir()
    report(result, as_json)


def _command(
    submission: Path,
    folder: Path,
    split: str,
    protocol_name: str,
    out: Path,
    kind: str | None,
    first_frame: int | None,
    name: str | None,
    model_file: Path | None,
    recipe: str | None,
    limit: int | None,
    frames_of: Path | None,
    with_frames_only: bool,
) -> str:
    """The command that repeats the run; names without their folders, so results do not depend on the machine."""
    words = ["vidsal", "score", submission.resolve().name, "--data", folder.name, "--split", split]
    words += ["--protocol", protocol_name, "-o", out.name]
    words += ["--kind", kind] if kind else []
    words += ["--first-frame", str(first_frame)] if first_frame is not None else []
    words += ["--name", name] if name else []
    words += ["--model", model_file.name] if model_file else []
    words += ["--recipe", recipe] if recipe else []
    words += ["--limit", str(limit)] if limit else []
    words += ["--frames-of", frames_of.name] if frames_of else []
    words += ["--with-frames-only"] if with_frames_only else []
    return shlex.join(words)

"""`vidsal score`: judge stored predictions as `vidsal run` judges a model."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from .output import any_path, folder_out, json_option, progress
from .run import report


@click.command()
@click.argument("submission", type=any_path)
@click.option("--data", "folder", required=True, type=any_path, help="Converted release.")
@click.option("--split", help="Official split; default: the submission's own, else all.")
@click.option("--protocol", "protocol_name", default="exact-1", show_default=True)
@click.option("-o", "--out", required=True, type=folder_out, help="Results folder.")
@click.option(
    "--kind",
    type=click.Choice(["saliency", "density", "log_density", "point"]),
    help="Of the maps, where no submission.json says it.",
)
@click.option(
    "--first-frame",
    type=click.IntRange(0),
    help="Number of the first frame in the names of images; default: 1 in the layout method/video/frame.png.",
)
@click.option("--name", help="Name of the model, where no submission.json says it; default: the folder's.")
@click.option("--frames", type=any_path, help="Folder of the frames, for --with-frames-only.")
@click.option("--recipe", help="Truth recipe of the release; default: its own.")
@click.option(
    "--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes; scores do not change."
)
@click.option(
    "--truth-cache",
    default="auto",
    show_default=True,
    metavar="auto|build|off|DIR",
    help="Truth made ready once: use the release's where it is; build it there; none; or use and build it in DIR.",
)
@click.option("--limit", type=click.IntRange(1), help="Score at most so many stimuli.")
@click.option("--with-frames-only", is_flag=True, help="Cover only stimuli whose frames are here.")
@click.option("--fresh", is_flag=True, help="Do not resume unfinished work.")
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
    frames: Path | None,
    recipe: str | None,
    workers: int,
    truth_cache: str,
    limit: int | None,
    with_frames_only: bool,
    fresh: bool,
    as_json: bool,
) -> None:
    """Score the predictions in SUBMISSION, a folder of 8- or 16-bit PNG, npz or lossless grey video."""
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
            recipe=recipe,
            with_frames_only=with_frames_only,
            limit=limit,
            workers=workers,
            truth_cache=truth_cache,
            partial_folder=partial,
            fresh=fresh,
            command=_command(
                submission, folder, split, protocol_name, out, kind, first_frame, name, recipe, limit, with_frames_only
            ),
            progress=step,
            building=building,
            note=lambda text: click.echo(f"vidsal: note: {text}", err=True),
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
    recipe: str | None,
    limit: int | None,
    with_frames_only: bool,
) -> str:
    """The command that repeats the run; names without their folders, so results do not depend on the machine."""
    words = ["vidsal", "score", submission.resolve().name, "--data", folder.name, "--split", split]
    words += ["--protocol", protocol_name, "-o", out.name]
    words += ["--kind", kind] if kind else []
    words += ["--first-frame", str(first_frame)] if first_frame is not None else []
    words += ["--name", name] if name else []
    words += ["--recipe", recipe] if recipe else []
    words += ["--limit", str(limit)] if limit else []
    words += ["--with-frames-only"] if with_frames_only else []
    return shlex.join(words)

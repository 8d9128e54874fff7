"""`vidsal run`: a model over a release, scored as it predicts."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .output import (
    any_path,
    echo,
    fail_fast_option,
    fit_option,
    folder_out,
    json_option,
    no_previews_option,
    note,
    print_json,
    print_table,
    shown,
    timeout_option,
    with_frames_option,
)
from .progress import progress, quiet_option

if TYPE_CHECKING:
    from vidsal.benchmark.evaluation.results.store import Run
    from vidsal.benchmark.evaluation.run import ScoreOn
    from vidsal.benchmark.predictor import Fit


@click.command()
@click.argument("model")
@click.option("--data", "folder", required=True, type=any_path, help="Converted release.")
@click.option("--split", default="all", show_default=True, help="Official split to score; all = every stimulus.")
@click.option(
    "--protocol",
    "protocol_name",
    default="exact-1",
    show_default=True,
    help="Definitions of the scores; see `vidsal protocol list`.",
)
@click.option(
    "-o", "--out", required=True, type=folder_out, help="Results folder; the run gets a folder of its own in it."
)
@click.option(
    "--checkpoint", type=any_path, help="Weight file of a network; default: looked for in VIDSAL_CHECKPOINTS."
)
@click.option("--option", "options", multiple=True, metavar="K=V", help="A setting of the model; repeatable.")
@fit_option
@click.option("--frames", type=any_path, help="Folder of the frames, where it is not the converted one.")
@click.option(
    "--device",
    default="auto",
    show_default=True,
    help="Where a network runs: auto (a GPU where there is one), cpu, cuda, cuda:1.",
)
@click.option(
    "--score-on",
    type=click.Choice(["host", "device"]),
    default="host",
    show_default=True,
    help="Where predictions are scored: device = in batches where the model leaves them, for GPUs; equal to 1e-6.",
)
@click.option(
    "--recipe", help="How densities are made from gaze, a name in release.json; default: the release's first."
)
@click.option(
    "--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes; scores do not change."
)
@click.option("--threads", type=click.IntRange(1), help="torch threads in each process; default: half of the cores.")
@click.option("--limit", type=click.IntRange(1), help="Score at most so many stimuli.")
@click.option(
    "--frames-of",
    type=any_path,
    metavar="RUN|FILE",
    help="Score only the frames that this run scored (its folder), or that a file lists: STIMULUS, tab, FRAME.",
)
@click.option("--with-frames-only", is_flag=True, help="Cover only stimuli whose frames are here.")
@no_previews_option
@with_frames_option
@click.option(
    "--submit",
    "submission",
    type=folder_out,
    metavar="DIR",
    help="Store the predictions in this folder, a submission, and score them there: whoever scores it gets the same.",
)
@timeout_option
@fail_fast_option
@click.option("--fresh", is_flag=True, help="Forget the unfinished work of an earlier call instead of resuming it.")
@quiet_option
@json_option
def run(
    model: str,
    folder: Path,
    split: str,
    protocol_name: str,
    out: Path,
    checkpoint: Path | None,
    options: tuple[str, ...],
    fit: Fit | None,
    frames: Path | None,
    device: str,
    score_on: ScoreOn,
    recipe: str | None,
    workers: int,
    threads: int | None,
    limit: int | None,
    frames_of: Path | None,
    with_frames_only: bool,
    no_previews: bool,
    with_frames: bool,
    submission: Path | None,
    timeout_s: float,
    fail_fast: bool,
    fresh: bool,
    as_json: bool,
) -> None:
    """Run MODEL (a registered name, or path/to/file.py:Class) over a release and score it."""
    from vidsal.benchmark import protocols
    from vidsal.benchmark.evaluation.run import Settings, run as score_run, with_frames_of, with_threads
    from vidsal.benchmark.submissions.run_stored import run_stored
    from vidsal.guarded import ready
    from vidsal.loaders.release.release import load
    from vidsal.models import parse_spec

    rules, show = protocols.protocol(protocol_name), shown(no_previews=no_previews, with_frames=with_frames)
    settings = Settings(rules, recipe, with_frames_only, limit, score_on=score_on, show=show)
    settings = with_frames_of(with_threads(settings, threads), frames_of)
    release = load(folder, None if split == "all" else split, frames=frames)
    spec = parse_spec(model, checkpoint, device, options, fit)
    command = _command(
        model,
        folder,
        split,
        protocol_name,
        out,
        checkpoint,
        options,
        fit,
        score_on,
        recipe,
        limit,
        frames_of,
        with_frames_only,
        submission,
    )
    with ready(spec, command, workers, timeout_s) as made, progress(f"{model} on {release.id}", "stimuli") as step:
        if submission is None:
            result = score_run(
                made.make,
                made.record,
                release,
                settings,
                partial=out / ".partial",
                workers=workers,
                fresh=fresh,
                progress=step,
                note=note,
                children=made.children,
                fail_fast=fail_fast,
            ).save(out)
        else:
            with progress(f"score {submission.name}", "stimuli") as scoring:
                result = run_stored(
                    made.make,
                    made.record,
                    release,
                    settings,
                    submission,
                    model=made.model,
                    partial=out / ".partial",
                    frames_of=frames_of,
                    workers=workers,
                    fresh=fresh,
                    predicting=step,
                    progress=scoring,
                    note=note,
                    children=made.children,
                    fail_fast=fail_fast,
                ).save(out)
    report(result, as_json)
    if submission is not None and not as_json:
        echo(f"its predictions -> {submission}; check them with `vidsal submit check`")


def _command(
    model: str,
    folder: Path,
    split: str,
    protocol_name: str,
    out: Path,
    checkpoint: Path | None,
    options: tuple[str, ...],
    fit: Fit | None,
    score_on: ScoreOn,
    recipe: str | None,
    limit: int | None,
    frames_of: Path | None,
    with_frames_only: bool,
    submission: Path | None,
) -> str:
    """The command that repeats the run; file names without their folders, so results do not depend on the machine."""
    words = ["vidsal", "run", model, "--data", folder.name, "--split", split, "--protocol", protocol_name]
    words += ["-o", out.name]
    words += ["--checkpoint", checkpoint.name] if checkpoint else []
    for option in options:
        words += ["--option", option]
    words += ["--fit", fit] if fit else []
    words += [] if score_on == "host" else ["--score-on", score_on]
    words += ["--recipe", recipe] if recipe else []
    words += ["--limit", str(limit)] if limit else []
    words += ["--frames-of", frames_of.name] if frames_of else []
    words += ["--with-frames-only"] if with_frames_only else []
    words += ["--submit", submission.name] if submission else []
    return shlex.join(words)


def report(result: Run, as_json: bool) -> None:
    """Print the summary of a run."""
    record = result.record
    for text in record.get("suspicious", ()):
        echo(f"vidsal: warning: suspicious: {text}", err=True)
    if as_json:
        print_json({**record, "folder": str(result.folder)})
        return
    coverage, counts = record["coverage"], record["counts"]
    echo(
        f"{record['model']['name']} on {record['release']['id']}, split {record['split']}, "
        f"protocol {record['protocol']['name']}"
    )
    echo(
        f"{len(coverage['scored'])} of {coverage['annotated']} annotated stimuli, {counts['scored']} of "
        f"{counts['frames']} frames scored"
        + (f", {counts['no_fixation']} without fixation" if counts["no_fixation"] else "")
        + (f", {counts['no_prediction']} without prediction" if counts["no_prediction"] else "")
        + (f", {counts['left_out']} not asked for" if counts.get("left_out") else "")
    )
    if coverage.get("frames_of") not in (None, coverage["frames_digest"]):
        echo("these are not all of the frames that were asked for, so the two runs do not share a board", err=True)
    if coverage["without_frames"]:
        echo(
            f"left out, their frames are not here: {', '.join(coverage['without_frames'][:8])}"
            + (" ..." if len(coverage["without_frames"]) > 8 else "")
        )
    rows = []
    for name in result.metrics:
        m = record["metrics"][name]
        rows.append((name, _number(m["mean_stimuli"]), _number(m["mean_frames"]), m["n"], m["reason"] or ""))
    print_table(rows, ("metric", "mean of stimuli", "mean of frames", "frames", "reason"))
    _report_intervals({label: record["metrics"][label] for label in result.metrics})
    if "gaze_points" in record:
        print_table([(n, _number(v)) for n, v in record["gaze_points"]["mean"].items()], ("as positions", "mean"))
    if result.folder:
        echo(f"-> {result.folder}")


def _report_intervals(metrics: dict[str, Any]) -> None:
    """Print the 95 % intervals of the means, and on stderr why a metric has none."""
    ends = [(name, m["low"], m["high"]) for name, m in metrics.items() if m.get("low") is not None]
    if ends:
        print_table(ends, ("95 % interval", "low", "high"))
    absent = [m["note"] for m in metrics.values() if m.get("note")]
    for text in dict.fromkeys(absent):
        count = absent.count(text)
        echo(f"no interval: {text}" + (f" ({count} metrics)" if count > 1 else ""), err=True)


def _number(value: float | None) -> float:
    return float("nan") if value is None else value

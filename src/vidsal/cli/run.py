"""`vidsal run`: a model over a release, scored as it predicts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .output import (
    echo,
    folder_out,
    json_option,
    note,
    print_json,
    print_table,
)
from .places import delivered, places, results_out
from .progress import progress, quiet_option
from .shared_options import (
    check_scheduler,
    check_truth_cache,
    checkpoint_option,
    data_option,
    device_option,
    fail_fast_option,
    fit_option,
    frames_of_option,
    frames_option,
    fresh_option,
    limit_option,
    model_option,
    no_previews_option,
    protocol_option,
    recipe_option,
    repeating_command,
    scheduler_option,
    shown,
    split_option,
    threads_option,
    timeout_option,
    truth_cache_option,
    with_frames_only_option,
    with_frames_option,
    workers_option,
    workers_started,
)

if TYPE_CHECKING:
    from vidsal.benchmark.evaluation.pool import Execution
    from vidsal.benchmark.evaluation.results.store import Run
    from vidsal.benchmark.evaluation.run import ScoreOn
    from vidsal.benchmark.predictor import Fit


@click.command()
@click.argument("model")
@data_option
@split_option
@protocol_option
@click.option(
    "-o",
    "--out",
    required=True,
    type=results_out,
    help="Results folder, or its address; the run gets a folder of its own in it.",
)
@checkpoint_option
@model_option
@fit_option
@frames_option
@device_option
@click.option(
    "--score-on",
    type=click.Choice(["host", "device"]),
    default="host",
    show_default=True,
    help="Where predictions are scored: device = in batches where the model leaves them, for GPUs; equal to 1e-6.",
)
@recipe_option
@workers_option
@scheduler_option
@threads_option
@truth_cache_option
@limit_option
@frames_of_option
@with_frames_only_option
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
@fresh_option
@quiet_option
@json_option
@places
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
    scheduler: str | None,
    threads: int | None,
    truth_cache: str,
    limit: int | None,
    frames_of: Path | None,
    with_frames_only: bool,
    no_previews: bool,
    with_frames: bool,
    submission: Path | None,
    timeout_s: float | None,
    fail_fast: bool,
    fresh: bool,
    as_json: bool,
) -> None:
    """Run MODEL (a registered name, or path/to/file.py:Class) over a release and score it."""
    check_scheduler(scheduler, workers)
    check_truth_cache(truth_cache)
    with workers_started(workers) as children:
        from vidsal.benchmark import protocols  # the children import meanwhile
        from vidsal.benchmark.evaluation.run import Settings, run as score_run, with_frames_of, with_threads
        from vidsal.benchmark.scoring.truth_cache import use
        from vidsal.benchmark.submissions.run_stored import run_stored
        from vidsal.guarded import ready
        from vidsal.loaders.release.release import load
        from vidsal.models import parse_spec

        rules, show = protocols.protocol(protocol_name), shown(no_previews=no_previews, with_frames=with_frames)
        settings = Settings(rules, recipe, with_frames_only, limit, score_on=score_on, show=show)
        settings = with_frames_of(with_threads(settings, threads), frames_of)
        release = load(folder, None if split == "all" else split, frames=frames)
        spec = parse_spec(model, checkpoint, device, options, fit, away=scheduler is not None)
        own: list[tuple[str, object]] = [
            ("checkpoint", checkpoint),
            *(("option", option) for option in options),
            ("fit", fit),
        ]
        own += [] if score_on == "host" else [("score-on", score_on)]
        own += [("submit", submission)]
        command = repeating_command(
            "run",
            model,
            folder,
            split,
            protocol_name,
            out,
            own,
            recipe=recipe,
            limit=limit,
            frames_of=frames_of,
            with_frames_only=with_frames_only,
        )
        with progress("truth", "stimuli") as building:
            used = use(truth_cache, release, rules, recipe, workers=workers, progress=building)
        settings = replace(settings, truth_cache=used, keep_truth=truth_cache == "auto")
        with (
            ready(spec, command, workers, timeout_s, scheduler, children) as made,
            progress(f"{model} on {release.id}", "stimuli") as step,
        ):
            how: Execution = {
                "workers": workers,
                "progress": step,
                "note": note,
                "children": made.children,
                "fail_fast": fail_fast,
            }
            if submission is None:
                result = score_run(
                    made.make,
                    made.record,
                    release,
                    settings,
                    partial=out / ".partial",
                    fresh=fresh,
                    results=out,
                    **how,
                )
            else:
                with progress(f"score {submission.name}", "stimuli") as scoring:
                    how["progress"] = scoring
                    result = run_stored(
                        made.make,
                        made.record,
                        release,
                        settings,
                        submission,
                        model=made.model,
                        partial=out / ".partial",
                        frames_of=frames_of,
                        fresh=fresh,
                        results=out,
                        predicting=step,
                        **how,
                    )
    delivered()
    report(result, as_json)
    if submission is not None and not as_json:
        echo(f"its predictions -> {submission}; check them with `vidsal submit check`")


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

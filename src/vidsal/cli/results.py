"""`vidsal results`: list, show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .output import any_path, json_option, print_json, print_table
from .run import report

if TYPE_CHECKING:
    from vidsal.benchmark.evaluation.results.store import Run


@click.group()
def results() -> None:
    """Runs on disk."""


@results.command("list")
@click.argument("folder", type=any_path)
@json_option
def list_(folder: Path, as_json: bool) -> None:
    """List the runs below a results folder."""
    from vidsal.benchmark.evaluation.results.store import find_runs, load_run

    runs = [load_run(path) for path in find_runs(folder)]
    if as_json:
        print_json([{"folder": str(r.folder), **r.record} for r in runs])
        return
    names = list(dict.fromkeys(n for r in runs for n in r.metrics))
    rows = [
        (*_place(r), *(r.scores.get(n, float("nan")) for n in names), r.record["time"][:10], str(r.folder))
        for r in runs
    ]
    header = ("release", "split", "protocol", "model", "stimuli", "frames", *names, "date", "folder")
    print_table(rows, header)


def _place(run: Run) -> tuple[object, ...]:
    """What a line of the list says before the scores."""
    r, coverage = run.record, run.typed.coverage
    frames = f"{coverage.frames_scored}/{coverage.frames_expected or '?'}"
    stimuli = len(coverage.scored)
    return (
        r["release"]["id"], r["split"], r["protocol"]["name"], r["model"]["name"], stimuli, frames
    )  # fmt: skip


@results.command()
@click.argument("folder", type=any_path)
@json_option
def show(folder: Path, as_json: bool) -> None:
    """Show one run."""
    from vidsal.benchmark.evaluation.results.store import load_run

    report(load_run(folder), as_json)

"""`vidsal results`: list, show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .output import any_path, echo, json_option, print_json, print_table
from .run import report

if TYPE_CHECKING:
    from vidsal.benchmark.evaluation.results.store import Run


@click.group()
def results() -> None:
    """Runs on disk."""


@results.command("list")
@click.argument("folder", type=any_path)
@click.option("--strict", is_flag=True, help="Stop at a damaged run, instead of going on to the next.")
@json_option
def list_(folder: Path, strict: bool, as_json: bool) -> int:
    """List the runs below a results folder; a damaged one is named, and the exit code is 1."""
    runs, damaged = _read(folder, strict)
    if as_json:
        print_json([{"folder": str(r.folder), **r.record} for r in runs])
        return damaged
    names = list(dict.fromkeys(n for r in runs for n in r.metrics))
    rows = [
        (*_place(r), *(r.scores.get(n, float("nan")) for n in names), r.record["time"][:10], str(r.folder))
        for r in runs
    ]
    header = ("release", "split", "protocol", "model", "stimuli", "frames", *names, "date", "folder")
    print_table(rows, header)
    return damaged


def _read(folder: Path, strict: bool) -> tuple[list[Run], int]:
    """Read all runs; name the damaged ones on stderr, and return 1 if there are any."""
    from vidsal.benchmark.evaluation.results.store import Run, read_runs

    runs, damaged = [], 0
    for run in read_runs(folder):
        if isinstance(run, Run):
            runs.append(run)
        elif strict:
            raise run
        else:
            damaged = 1
            echo(f"vidsal: {run}", err=True)
    return runs, damaged


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

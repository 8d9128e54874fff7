"""`vidsal results`: list, show."""

from __future__ import annotations

from pathlib import Path

import click

from .output import any_path, json_option, print_json, print_table
from .run import report


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
        (
            r.record["release"]["id"],
            r.record["split"],
            r.record["protocol"]["name"],
            r.record["model"]["name"],
            len(r.record["coverage"]["scored"]),
            *(r.scores.get(n, float("nan")) for n in names),
        )
        for r in runs
    ]
    print_table(rows, ("release", "split", "protocol", "model", "stimuli", *names))


@results.command()
@click.argument("folder", type=any_path)
@json_option
def show(folder: Path, as_json: bool) -> None:
    """Show one run."""
    from vidsal.benchmark.evaluation.results.store import load_run

    report(load_run(folder), as_json)

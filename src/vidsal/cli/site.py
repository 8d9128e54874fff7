"""`vidsal site`: build."""

from __future__ import annotations

from pathlib import Path

import click

from .output import any_path, echo, folder_out, json_option, print_json
from .progress import progress, quiet_option


@click.group()
def site() -> None:
    """The static leaderboard."""


@site.command()
@click.argument("results", type=any_path)
@click.option("-o", "--out", required=True, type=folder_out, help="Folder of the site.")
@click.option("--strict", is_flag=True, help="Stop at a damaged run, instead of leaving it out.")
@quiet_option
@json_option
def build(results: Path, out: Path, strict: bool, as_json: bool) -> int:
    """Build the site from a results folder; a damaged run is named and left out, and the exit code is 1."""
    from vidsal.leaderboard.site import build as build_site

    with progress("site", "pages") as step:
        summary = build_site(results, out, strict=strict, progress=step)
    for fault in summary.faults:
        echo(f"vidsal: left out: {fault}", err=True)
    if as_json:
        print_json(
            {
                "index": str(summary.index),
                "pages": summary.pages,
                "runs": summary.runs,
                "boards": summary.boards,
                "faults": list(summary.faults),
            }
        )
    else:
        echo(f"{summary.boards} boards of {summary.runs} runs on {summary.pages} pages; open {summary.index}")
    return 1 if summary.faults else 0

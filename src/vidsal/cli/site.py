"""`vidsal site`: build."""

from __future__ import annotations

from pathlib import Path

import click

from .output import any_path, echo, folder_out, json_option, print_json, progress


@click.group()
def site() -> None:
    """The static leaderboard."""


@site.command()
@click.argument("results", type=any_path)
@click.option("-o", "--out", required=True, type=folder_out, help="Folder of the site.")
@click.option("--config", type=any_path, help="What the site says of itself; default: site.toml in the results folder.")
@click.option("--strict", is_flag=True, help="Stop at a damaged run, instead of leaving it out.")
@json_option
def build(results: Path, out: Path, config: Path | None, strict: bool, as_json: bool) -> int:
    """Build the site from a results folder; a damaged run is named and left out, and the exit code is 1."""
    from vidsal.leaderboard.site import build as build_site

    with progress("site", "page") as step:
        summary = build_site(results, out, config=config, strict=strict, progress=step)
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

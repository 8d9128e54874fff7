"""`vidsal site`: build."""

from __future__ import annotations

from pathlib import Path

import click

from .output import any_path, folder_out, json_option, print_json


@click.group()
def site() -> None:
    """The static leaderboard."""


@site.command()
@click.argument("results", type=any_path)
@click.option("-o", "--out", required=True, type=folder_out, help="Folder of the site.")
@json_option
def build(results: Path, out: Path, as_json: bool) -> None:
    """Build the site from a results folder."""
    from vidsal.leaderboard.site import build as build_site

    summary = build_site(results, out)
    if as_json:
        print_json(
            {"index": str(summary.index), "pages": summary.pages, "runs": summary.runs, "boards": summary.boards}
        )
    else:
        click.echo(f"{summary.boards} boards of {summary.runs} runs on {summary.pages} pages; open {summary.index}")

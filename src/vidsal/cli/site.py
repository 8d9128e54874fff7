"""`vidsal site`: build, check."""

from __future__ import annotations

import os
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


@site.command()
@click.argument("folder", metavar="SITE", type=any_path)
@click.option("--workers", type=click.IntRange(1), help="Use this many processes; default: one for each core.")
@json_option
def check(folder: Path, workers: int | None, as_json: bool) -> int:
    """Check a built site: links, ids, budgets, the offline rule, headings, tables, contrast; exit code 1 at a fault."""
    from vidsal.leaderboard.check.faults import folded
    from vidsal.leaderboard.check.site import check as check_site

    with progress("check", "file") as step:
        report = check_site(folder, workers=workers or os.cpu_count() or 1, progress=step)
    if as_json:
        print_json(report.to_dict())
        return 1 if report.faults else 0
    for fault in folded(report.faults):
        count = f" ({fault.count:,})" if fault.count > 1 else ""
        more = ", ..." if fault.count > len(fault.places) else ""
        echo(f"{fault.rule}: {fault.what}{count}: {', '.join(fault.places)}{more}")
    number = f"{len(report.faults):,} fault{'s' * (len(report.faults) != 1)}"
    echo(f"{report.pages:,} pages, {report.files:,} files, {report.size / 1e6:.1f} MB: {number}")
    return 1 if report.faults else 0

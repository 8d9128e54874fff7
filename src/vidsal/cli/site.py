"""`vidsal site`: build; check; preview of one submission."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .output import (
    any_path,
    echo,
    file_out,
    folder_out,
    json_option,
    note,
    print_json,
)
from .places import any_place, places
from .progress import progress, quiet_option
from .score import release_for
from .shared_options import (
    data_option,
    frames_option,
    protocol_option,
    said_options,
    shown,
    stored_split_option,
    with_frames_option,
    workers_option,
)

if TYPE_CHECKING:
    from vidsal.benchmark.submissions.said import Said


@click.group()
def site() -> None:
    """The static leaderboard."""


@site.command()
@click.argument("results", type=any_place)
@click.option("-o", "--out", required=True, type=folder_out, help="Folder of the site.")
@click.option("--config", type=any_path, help="What the site says of itself; default: site.toml in the results folder.")
@click.option("--strict", is_flag=True, help="Stop at a damaged run, instead of leaving it out.")
@click.option(
    "--workers",
    type=click.IntRange(1),
    help="Use this many processes, which moves no byte of the site; default: one for each core if there is much to do.",
)
@quiet_option
@json_option
@places
def build(results: Path, out: Path, config: Path | None, strict: bool, workers: int | None, as_json: bool) -> int:
    """Build the site from a results folder; a damaged run is named and left out, and the exit code is 1."""
    from vidsal.leaderboard.site import build as build_site, workers_for

    workers = workers or workers_for(results)
    with progress("site", "pages") as step:
        summary = build_site(results, out, config=config, strict=strict, workers=workers, progress=step)
    for fault in summary.faults:
        echo(f"vidsal: left out: {fault}", err=True)
    for text in summary.notes:
        note(text)
    if as_json:
        print_json(
            {
                "index": str(summary.index),
                "pages": summary.pages,
                "runs": summary.runs,
                "boards": summary.boards,
                "faults": list(summary.faults),
                "notes": list(summary.notes),
            }
        )
    else:
        echo(f"{summary.boards} boards of {summary.runs} runs on {summary.pages} pages; open {summary.index}")
    return 1 if summary.faults else 0


@site.command()
@click.argument("folder", metavar="SITE", type=any_path)
@click.option("--workers", type=click.IntRange(1), help="Use this many processes; default: one for each core.")
@quiet_option
@json_option
def check(folder: Path, workers: int | None, as_json: bool) -> int:
    """Check a built site: links, ids, budgets, the offline rule, headings, tables, contrast; exit code 1 at a fault."""
    from vidsal.leaderboard.check.faults import folded
    from vidsal.leaderboard.check.site import check as check_site

    with progress("check", "files") as step:
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


@site.command()
@click.argument("submission", type=any_path)
@data_option
@click.option(
    "-o", "--out", type=file_out, default=Path("preview.html"), show_default=True,
    help="File to write.",
)  # fmt: skip
@click.option("--stimuli", type=click.IntRange(1), default=10, show_default=True, help="Score at most so many stimuli.")
@stored_split_option
@protocol_option
@said_options
@frames_option
@with_frames_option
@workers_option
@quiet_option
@json_option
@places
def preview(
    submission: Path,
    folder: Path,
    out: Path,
    stimuli: int,
    split: str | None,
    protocol_name: str,
    said: Said,
    frames: Path | None,
    with_frames: bool,
    workers: int,
    as_json: bool,
) -> None:
    """Score SUBMISSION and write its film strips as one HTML file, to look at or to send; nothing else is kept."""
    from vidsal.benchmark import protocols
    from vidsal.benchmark.submissions.archive import opened_folder
    from vidsal.benchmark.submissions.score import score
    from vidsal.leaderboard.pages.preview import film_page
    from vidsal.loaders.io.files import atomic_write, try_file
    from vidsal.models import shipped

    rules = protocols.protocol(protocol_name)
    try_file(out)
    with opened_folder(submission) as root, progress(submission.name, "stimuli") as step:
        release = release_for(root, folder, split, frames)
        run = score(
            root,
            release,
            rules,
            **vars(said),
            declared=shipped,
            limit=stimuli,
            show=shown(no_previews=False, with_frames=with_frames),
            workers=workers,
            progress=step,
            note=note,
        )
    page, n = film_page(run), len(run.typed.coverage.scored)
    with atomic_write(out) as temporary:
        temporary.write_text(page, encoding="utf-8")
    size = out.stat().st_size
    if as_json:
        print_json({"file": str(out), "bytes": size, "stimuli": n})
    else:
        echo(f"{n} film strip{'s' if n > 1 else ''} of {run.typed.model.name} in {size / 1e6:.1f} MB; open {out}")

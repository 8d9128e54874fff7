"""`vidsal submit`: stored predictions in the form in which they are handed over."""

from __future__ import annotations

import os
from pathlib import Path

import click

from .output import any_path, echo, json_option, print_json, progress

_MOST_DECODERS = 4


@click.group()
def submit() -> None:
    """Submissions: stored predictions with a manifest, made, checked, packed, shown."""


@submit.command()
@click.argument("submission", type=any_path)
@click.option("--data", "folder", required=True, type=any_path, help="Folder of the converted release.")
@click.option("--split", help="Official split that is to be scored.  [default: that of the submission, else all]")
@click.option(
    "--protocol",
    "protocol_name",
    default="exact-1",
    show_default=True,
    help="Rules of the scoring that is to come; see `vidsal protocol list`.",
)
@click.option("--strict", is_flag=True, help="Take warnings for faults.")
@click.option("--junit", type=any_path, metavar="FILE", help="Write JUnit XML for a build server here.")
@json_option
def check(
    submission: Path,
    folder: Path,
    split: str | None,
    protocol_name: str,
    strict: bool,
    junit: Path | None,
    as_json: bool,
) -> int:
    """List all faults of SUBMISSION, a folder, zip or tar file; exit code 1 if it would be refused.

    `vidsal score` refuses by the same rules; docs/submissions.md lists them. Every map is read.
    """
    from vidsal.benchmark.protocols import protocol
    from vidsal.benchmark.submissions import check_report
    from vidsal.benchmark.submissions.examine import examine
    from vidsal.loaders.io.files import atomic_write
    from vidsal.models import shipped

    rules = protocol(protocol_name)
    threads = max(1, min(_MOST_DECODERS, os.cpu_count() or 1))
    with progress(f"check {submission.name}", "stimulus") as step:
        found = examine(
            submission, folder, split=split, declared=shipped, strict=strict, threads=threads, progress=step
        )
    if junit is not None:
        with atomic_write(junit) as temporary:
            temporary.write_text(check_report.junit(found, submission), encoding="utf-8")
    if as_json:
        print_json({**found.to_dict(), "protocol": rules.name})
    else:
        for line in check_report.lines(found, submission):
            echo(line)
    return 0 if found.ok else 1

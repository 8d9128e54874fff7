"""`vidsal submit`: stored predictions in the form in which they are handed over."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vidsal.benchmark.submissions.encoding import FILES
from vidsal.benchmark.submissions.manifest_file import PLACEHOLDER
from vidsal.loaders.errors import MissingData, WrongUse

from .output import any_path, echo, folder_out, json_option, note, print_json, print_table, text
from .places import any_place, places
from .progress import progress, quiet_option
from .shared_options import (
    data_option,
    kind_option,
    model_file_option,
    protocol_option,
    said_options,
    sandbox_option,
    sandboxed,
    split_option,
    stored_split_option,
)

if TYPE_CHECKING:
    from vidsal.benchmark.submissions.said import Said

_MOST_DECODERS = 4


@click.group()
def submit() -> None:
    """Submissions: stored predictions with a manifest, made, checked, packed, shown."""


def _wrong_use_where_missing(command: Callable[..., int]) -> Callable[..., int]:
    """Say 2 of what is not there: a build server tells a check that could not begin from faults, and nothing else."""

    @wraps(command)
    def checking(**given: Any) -> int:
        try:
            return command(**given)
        except MissingData as error:
            raise WrongUse(str(error)) from error

    return checking


@submit.command()
@click.argument("submission", type=any_place)
@data_option
@stored_split_option
@protocol_option
@click.option("--strict", is_flag=True, help="Take warnings for faults.")
@click.option("--junit", type=any_path, metavar="FILE", help="Write JUnit XML for a build server here.")
@sandbox_option
@quiet_option
@json_option
@_wrong_use_where_missing
@places
def check(
    submission: Path,
    folder: Path,
    split: str | None,
    protocol_name: str,
    strict: bool,
    junit: Path | None,
    sandbox: bool,
    as_json: bool,
) -> int:
    """List all faults of SUBMISSION, a folder, zip or tar file; exit code 1 if there are any, 2 if it cannot begin.

    `vidsal score` refuses by the same rules; docs/submissions.md lists them. Every map is read.
    """
    from vidsal.benchmark.protocols import protocol
    from vidsal.benchmark.submissions import check_report
    from vidsal.benchmark.submissions.examine import examine
    from vidsal.loaders.io.files import atomic_write, try_file
    from vidsal.models import shipped

    rules = protocol(protocol_name)
    if junit is not None:
        try_file(junit)
    threads = max(1, min(_MOST_DECODERS, os.cpu_count() or 1))
    with progress(f"check {submission.name}", "stimuli") as step, sandboxed(sandbox, 1) as box:
        found = examine(
            submission,
            folder,
            split=split,
            declared=shipped,
            strict=strict,
            threads=threads,
            sandbox=box,
            progress=step,
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


@submit.command()
@click.argument("folder_of_maps", metavar="DIR", type=folder_out)
@data_option
@split_option
@kind_option
@click.option("--name", type=text, help="Name of the model.")
@places
def init(folder_of_maps: Path, folder: Path, split: str, kind: str | None, name: str | None) -> None:
    """Write DIR/submission.json to be filled in: each open field says what belongs into it.

    `vidsal submit check` refuses what is left open; null says that something is unknown.
    """
    from vidsal.benchmark.submissions.manifest import NAME
    from vidsal.benchmark.submissions.schema import template
    from vidsal.loaders.io.files import atomic_write
    from vidsal.loaders.release.release import load

    release = load(folder, None if split == "all" else split)
    target = folder_of_maps / NAME
    if os.path.lexists(target):
        raise WrongUse(f"{target}: is there already; remove it first")
    content = template(release, kind, name)
    with atomic_write(target) as temporary:
        temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    echo(f"{target}: replace every text that begins with {PLACEHOLDER!r}, then `vidsal submit check {folder_of_maps}`")


@submit.command(name="import")
@click.argument("source", type=any_path)
@data_option
@stored_split_option
@click.option("-o", "--out", required=True, type=folder_out, help="Folder to write; it must not be there.")
@said_options
@model_file_option
@sandbox_option
@quiet_option
@json_option
@places
def import_(
    source: Path,
    folder: Path,
    split: str | None,
    out: Path,
    said: Said,
    model_file: Path | None,
    sandbox: bool,
    as_json: bool,
) -> None:
    """Bring SOURCE, predictions in any layout that `vidsal score` reads, into format 1 with digests.

    Files are copied as they are; arrays that do not count from 0 are written anew with the same values.
    """
    from vidsal.benchmark.submissions.importing import import_submission
    from vidsal.benchmark.submissions.manifest import content
    from vidsal.benchmark.submissions.manifest_file import read_model
    from vidsal.benchmark.submissions.show import split_of
    from vidsal.loaders.release.release import load
    from vidsal.models import shipped

    split = split or split_of(source) or "all"
    release = load(folder, None if split == "all" else split)
    with progress(f"import {source.name}", "stimuli") as step, sandboxed(sandbox, 1) as box:
        made = import_submission(
            source,
            release,
            out,
            said=said,
            model=None if model_file is None else read_model(model_file),
            declared=shipped,
            sandbox=box,
            progress=step,
            note=note,
        )
    if as_json:
        print_json({**content(made), "folder": str(out)})
        return
    assert made.model is not None
    echo(f"{made.model.name} on {release.id}, split {made.split}: {len(made.files or ())} stimuli -> {out}")


@submit.command()
@click.argument("submission", type=any_path)
@click.option("-o", "--out", required=True, type=any_path, metavar="FILE.zip", help="File to write.")
@quiet_option
@json_option
def pack(submission: Path, out: Path, as_json: bool) -> None:
    """Pack SUBMISSION into one zip file with SHA256SUMS; the same folder gives the same bytes."""
    from vidsal.benchmark.submissions.pack import pack as pack_folder

    with progress(f"pack {submission.name}", "files") as step:
        packed = pack_folder(submission, out, progress=step)
    if as_json:
        print_json({"file": str(out), "files": packed.files, "bytes": packed.bytes, "sha256": packed.sha256})
    else:
        echo(f"{packed.files} files, {packed.bytes} bytes, SHA-256 {packed.sha256} -> {out}")


@submit.command()
@click.argument("submission", type=any_path)
@json_option
def show(submission: Path, as_json: bool) -> None:
    """Say in short what SUBMISSION, a folder, zip or tar file, declares."""
    from vidsal.benchmark.submissions.manifest import content
    from vidsal.benchmark.submissions.show import declared, lines

    manifest = declared(submission)
    if as_json:
        print_json(content(manifest))
    else:
        print_table(lines(manifest), ("declared", ""))


@submit.command()
@data_option
@split_option
@click.option("-o", "--out", required=True, type=folder_out, help="Folder to write the submission to.")
@click.option(
    "--encoding", type=click.Choice(list(FILES)), default="png8", show_default=True, help="Form of the stored maps."
)
@places
def sample(folder: Path, split: str, out: Path, encoding: str) -> None:
    """Write a sample submission for a release: the center prior, the lowest bar, and an example of the format."""
    from vidsal.benchmark.submissions.predict import predict
    from vidsal.loaders.release.release import load
    from vidsal.models import parse_spec

    release = load(folder, None if split == "all" else split)
    spec = parse_spec("center_prior", None, "cpu", (), None)
    model = spec()
    record = spec.record(model, None)
    with progress(f"center_prior on {release.id}", "stimuli") as step:
        made = predict(model, release, out, encoding=encoding, record=record, progress=step, note=note).manifest
    assert made.coverage is not None
    echo(f"center prior on {release.id}, split {made.split}: {made.coverage.predicted} stimuli -> {out}")


@submit.command()
def schema() -> None:
    """Print the JSON Schema of submission.json."""
    from vidsal.benchmark.submissions.schema import json_schema

    click.echo(json_schema(), nl=False)

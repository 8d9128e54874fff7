"""`vidsal results`: list, show, verify, merge, withdraw; compare, export, why and rescore have modules of their own."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .output import any_path, echo, folder_out, json_option, print_json, print_table
from .places import any_place, any_place_or_name, places
from .progress import progress, quiet_option
from .results_compare import compare
from .results_export import export
from .results_rescore import rescore
from .results_why import why
from .run import report

if TYPE_CHECKING:
    from vidsal.benchmark.evaluation.results.store import Run


@click.group()
def results() -> None:
    """Runs on disk."""


results.add_command(compare)
results.add_command(why)
results.add_command(rescore)
results.add_command(export)


@results.command("list")
@click.argument("folder", type=any_place)
@click.option("--strict", is_flag=True, help="Stop at a damaged run, instead of going on to the next.")
@json_option
@places
def list_(folder: Path, strict: bool, as_json: bool) -> int:
    """List the runs below a results folder; a damaged one is named, and the exit code is 1."""
    runs, damaged = _read(folder, strict)
    if as_json:
        said = [[n.model_dump() for n in r.notices] for r in runs]
        print_json([{"folder": str(r.folder), "notices": n, **r.record} for r, n in zip(runs, said, strict=True)])
        return damaged
    names = list(dict.fromkeys(n for r in runs for n in r.metrics))
    rows = [
        (*_place(r), *(r.scores.get(n, float("nan")) for n in names), r.record["time"][:10], _said(r), str(r.folder))
        for r in runs
    ]
    header = ("release", "split", "protocol", "model", "stimuli", "frames", *names, "date", "notice", "folder")
    print_table(rows, header)
    return damaged


def _said(run: Run) -> str:
    return ", ".join(notice.kind for notice in run.notices) or "-"


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
@click.argument("what", metavar="RUN|MODEL", type=any_place_or_name)
@click.option(
    "--in",
    "folder",
    type=any_place,
    default=Path("results"),
    show_default=True,
    help="Results folder in which a model's name is looked for.",
)
@json_option
@places
def show(what: str | Path, folder: Path, as_json: bool) -> None:
    """Show one run: of a run's folder, or the newest of a model for each release, split and protocol."""
    from vidsal.benchmark.evaluation.results.folder import of_model
    from vidsal.benchmark.evaluation.results.store import load_run

    if isinstance(what, Path) or Path(what).exists() or "/" in what:
        found = [load_run(what)]
    else:
        found = of_model(_read(folder, strict=False)[0], what, folder)
    if as_json:
        shown = [{**run.record, "folder": str(run.folder), **_by_attribute(run)} for run in found]
        print_json(shown[0] if len(shown) == 1 else shown)
        return
    for run in found:
        for notice in run.notices:
            by = f" by {notice.by[:12]}" if notice.by else ""
            echo(f"{notice.kind}{by} on {notice.time[:10]}: {notice.reason}")
        report(run, as_json)
        _report_attributes(run)


def _by_attribute(run: Run) -> dict[str, Any]:
    """The scores of the stimuli that share an attribute, as JSON says them; nothing where none has one."""
    from vidsal.benchmark.evaluation.results.attributes import attribute_scores

    found = attribute_scores(run)
    told = {name: {label: asdict(s) for label, s in scores.items()} for name, scores in found.items()}
    return {"by_attribute": told} if told else {}


def _report_attributes(run: Run) -> None:
    from vidsal.benchmark.evaluation.results.attributes import attribute_scores

    rows = [
        (name, max(s.interval.stimuli for s in scores.values()), *(scores[label].mean for label in run.metrics))
        for name, scores in attribute_scores(run).items()
    ]
    if rows:
        print_table(rows, ("attribute", "stimuli", *run.metrics))


@results.command()
@click.argument("folder", type=any_path)
@quiet_option
@json_option
def verify(folder: Path, as_json: bool) -> int:
    """Check every run of a results folder anew; exit code 1 if one is damaged, moved, or without its record."""
    from vidsal.benchmark.evaluation.results.folder import verify as verify_all
    from vidsal.benchmark.evaluation.results.store import Run, find_runs

    total, found = len(find_runs(folder)), []
    with progress(f"verify {folder.name}", "runs") as step:
        for item in verify_all(folder):
            found.append(item)
            step(len(found), max(total, len(found)), "")
    faults = [str(item) for item in found if not isinstance(item, Run)]
    if as_json:
        print_json({"ok": not faults, "runs": len(found) - len(faults), "faults": faults})
    else:
        for fault in faults:
            echo(f"FAIL {fault}")
        echo(f"{len(found) - len(faults)} runs are as they were scored, {len(faults)} are not")
    return 1 if faults else 0


@results.command()
@click.argument("folders", nargs=-1, required=True, type=any_path)
@click.option("-o", "--out", required=True, type=folder_out, help="The joint folder; it may hold runs already.")
@click.option("--strict", is_flag=True, help="Stop at a damaged run, instead of leaving it out.")
@quiet_option
@json_option
def merge(folders: tuple[Path, ...], out: Path, strict: bool, as_json: bool) -> int:
    """Join results folders of several people; a run that is there already is not copied again."""
    from vidsal.benchmark.evaluation.results.folder import merge as join

    with progress(f"merge into {out.name}", "runs") as step:
        merged = join(folders, out, strict=strict, progress=step)
    for fault in merged.faults:
        echo(f"vidsal: left out: {fault}", err=True)
    if as_json:
        added, doubles = ([str(p) for p in paths] for paths in (merged.added, merged.doubles))
        print_json({"added": added, "doubles": doubles, "faults": merged.faults})
    else:
        echo(f"{len(merged.added)} runs added to {out}, {len(merged.doubles)} were there already")
    return 1 if merged.faults else 0


@results.command()
@click.argument("run", type=any_path)
@click.option("--reason", required=True, help="Why; readers of the board see it.")
@click.option("--superseded-by", "other", type=any_path, metavar="RUN", help="The run that takes its place.")
@json_option
def withdraw(run: Path, reason: str, other: Path | None, as_json: bool) -> None:
    """Take a run out of the rankings, with a reason; the run stays, and its page says why."""
    from vidsal.benchmark.evaluation.results.folder import withdraw as say

    notice = say(run, reason, other)
    if as_json:
        print_json(notice.model_dump())
    else:
        echo(f"{run}: {notice.kind}, {notice.time[:10]}")
